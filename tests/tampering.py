"""Records that somebody has changed and signed anew, so that every checksum is right."""

import json
from pathlib import Path

from astrokeras.files import write_json
from astrokeras.records import metadata
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.tfrecord import checksum


def tamper(path: Path, split: str, shard: int, content: bytes, count: int | None = None) -> RecordsDirectory:
    """Give a shard another content, and if told so another number of records, with all sizes and checksums made right.

    Args:
        path: the records directory.
        split: name.
        shard: number within the split.
        content: bytes of the whole file.
        count: number of records that it is said to have.
    """
    file = path / metadata.CONVERT_JSON
    described = json.loads(file.read_text())
    splits = described["splits"]
    one = splits[split]["shards"][shard]
    (path / one["file"]).write_bytes(content)
    if count is not None:
        splits[split]["count"] += count - one["records"]
        one["records"] = count
    one |= {"bytes": len(content), "crc32c": checksum(path / one["file"])}
    described["fingerprint"] = metadata.fingerprint_of_shards(s["crc32c"] for c in splits.values() for s in c["shards"])
    write_json(file, metadata.signed(described))
    return RecordsDirectory.load(path)
