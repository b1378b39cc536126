"""Compare every byte of a records directory with what was written."""

from pathlib import Path

from astropy.table import Table

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import Records
from astrokeras.records.framing import check_framing
from astrokeras.records.metadata import CONVERT_JSON, REJECTS, describe_small_file, encode_json, is_shard, signed
from astrokeras.records.tfrecord import checksum


def verify(records: Records) -> None:
    """Read every file of the directory and compare its checksum; add up the rows.

    Raises:
        AstrokerasError: a file is not what was written, is missing, or is one too many.
    """
    _check_convert_json(records)
    _check_small_files(records)
    _check_shards(records)
    _check_rows(records)
    for split in records.splits:  # whoever changes a file can write its new checksum, too
        check_framing(records, split)


def _damaged(path: Path) -> AstrokerasError:
    return AstrokerasError(f"{path} is damaged: its checksum has changed; convert the survey again")


def _check_convert_json(records: Records) -> None:
    """By its own checksum, and byte by byte: no blank has been changed either."""
    path, content = records.path / CONVERT_JSON, records.content
    if content != signed(content) or path.read_bytes() != encode_json(content):
        raise _damaged(path)


def _check_small_files(records: Records) -> None:
    for expected in records.content["files"]:
        path = records.path / expected["file"]
        if not path.is_file():
            raise AstrokerasError(f"{records.path} is incomplete: {path.name} is missing; convert the survey again")
        if describe_small_file(path) != expected:
            raise _damaged(path)


def _check_shards(records: Records) -> None:
    listed = set()
    for split in records.content["splits"].values():
        for shard in split["shards"]:
            path = records.path / shard["file"]
            if path.stat().st_size != shard["bytes"] or checksum(path) != shard["crc32c"]:
                raise _damaged(path)
            listed.add(path)
    extra = sorted(path.name for path in records.path.iterdir() if is_shard(path) and path not in listed)
    if extra:
        raise AstrokerasError(f"{records.path} has files that are not its own: {', '.join(extra)}; move them elsewhere")


def _check_rows(records: Records) -> None:
    """Every row of the catalogue is in a shard or among the rejects."""
    content = records.content
    in_shards = sum(shard["records"] for split in content["splits"].values() for shard in split["shards"])
    counted, rejected = sum(records.counts.values()), sum(content["rejects"].values())
    listed = len(Table.read(records.path / REJECTS, format="ascii.ecsv"))
    if in_shards != counted or rejected != listed or counted + rejected != content["rows"]:
        raise AstrokerasError(
            f"{records.path}: {content['rows']} rows went in, but {in_shards} records (expected {counted}) and "
            f"{listed} rejects (expected {rejected}) are there; convert the survey again"
        )
