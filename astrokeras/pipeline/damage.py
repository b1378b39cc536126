"""What to say when records can't be read any more while they are used."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.decoding import decode_record, known_fields
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.reader import Reader
from astrokeras.records.tfrecord import checksum


def damaged_shard(records: RecordsDirectory) -> tuple[Path, str] | None:
    """Return the first shard that is not what was written, and what is wrong with it; reads all of them."""
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


def odd_record(records: RecordsDirectory) -> str | None:
    """Return the first record that is not what its directory says of it, and how, in words; reads all of them."""
    for split in records.splits:
        for place, serialized in Reader(records).serialized(split):
            try:
                found = decode_record(records, serialized, known_fields(records))
                found["id"].decode()
            except ValueError as error:
                return (
                    f"{records.path / place.shard}: record {place.row} was not written by a conversion with these "
                    f"options: {error}"
                )
    return None


@contextlib.contextmanager
def named_if_damaged(
    records: RecordsDirectory, errors: tuple[type[Exception], ...], again: str = "repeat the command"
) -> Iterator[None]:
    """Say which shard or record is damaged, if reading fails with one of these errors because of it.

    Args:
        records: what is read.
        errors: what that fails with.
        again: what to do when the records are as they were.

    Raises:
        AstrokerasError: so it is.
    """
    try:
        yield
    except errors as error:
        if (found := damaged_shard(records)) is not None:
            path, what = found
            raise AstrokerasError(
                f"{path} {what}; 'astrokeras inspect --verify {records.path}' finds all that is wrong; when the "
                f"records are as they were, {again}"
            ) from error
        if (odd := odd_record(records)) is not None:
            raise AstrokerasError(f"{odd}; convert the survey again") from error
        raise
