"""What to say when records can't be read any more while a run uses them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import Records
from astrokeras.records.tfrecord import checksum


def damaged_shard(records: Records) -> tuple[Path, str] | None:
    """The first shard that is not what was written, and what is wrong with it; reads all of them."""
    for split in records.splits:
        for name, shard in zip(records.shards(split), records.content["splits"][split]["shards"], strict=True):
            path = Path(name)
            if not path.is_file():
                return path, "is missing"
            if path.stat().st_size != shard["bytes"]:
                return path, f"has {path.stat().st_size:,} bytes, expected {shard['bytes']:,}"
            if checksum(path) != shard["crc32c"]:
                return path, "is damaged: its checksum has changed"
    return None


@contextlib.contextmanager
def named_if_damaged(records: Records, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """If reading fails with one of these errors and a shard is not what it was, says which.

    Raises:
        AstrokerasError: so it is.
    """
    try:
        yield
    except errors as error:
        found = damaged_shard(records)
        if found is None:
            raise
        path, what = found
        raise AstrokerasError(
            f"{path} {what}; 'astrokeras inspect --verify {records.path}' finds all that is wrong; when the records "
            "are as they were, --resume goes on"
        ) from error
