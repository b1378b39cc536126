"""Compare every byte of a records directory with what was written."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
from astropy.table import Table
from pyarrow import ArrowException, parquet

from astrokeras.errors import AstrokerasError
from astrokeras.files import encode_json
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.framing import check_framing
from astrokeras.records.metadata import CONVERT_JSON, REJECTS, describe_small_file, is_shard, signed
from astrokeras.records.objects import OBJECTS, carried_names, columns_of_shard, magnitude_names
from astrokeras.records.tfrecord import checksum


def verify(records: RecordsDirectory) -> None:
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
    _check_objects(records)


def _damaged(path: Path, mend: str = "convert the survey again") -> AstrokerasError:
    return AstrokerasError(f"{path} is damaged: its checksum has changed; {mend}")


def _check_convert_json(records: RecordsDirectory) -> None:
    """Compare the file with its own checksum, and byte by byte: no blank has been changed either."""
    path, content = records.path / CONVERT_JSON, records.content
    if content != signed(content) or path.read_bytes() != encode_json(content):
        raise _damaged(path)


def _check_small_files(records: RecordsDirectory) -> None:
    for expected in records.content["files"]:
        path = records.path / expected["file"]
        mend = "astrokeras inspect --reindex writes it again" if path.name == OBJECTS else "convert the survey again"
        if not path.is_file():
            raise AstrokerasError(f"{records.path} is incomplete: {path.name} is missing; {mend}")
        if describe_small_file(path) != expected:
            raise _damaged(path, mend)


def _check_shards(records: RecordsDirectory) -> None:
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


def _check_rows(records: RecordsDirectory) -> None:
    """Make sure that every row of the catalogue is in a shard or among the rejects."""
    content = records.content
    in_shards = sum(shard["records"] for split in content["splits"].values() for shard in split["shards"])
    counted, rejected = sum(records.counts.values()), sum(content["rejects"].values())
    listed = len(Table.read(records.path / REJECTS, format="ascii.ecsv"))
    if in_shards != counted or rejected != listed or counted + rejected != content["rows"]:
        raise AstrokerasError(
            f"{records.path}: {content['rows']} rows went in, but {in_shards} records (expected {counted}) and "
            f"{listed} rejects (expected {rejected}) are there; convert the survey again"
        )


def _check_objects(records: RecordsDirectory) -> None:
    """Make sure that the table of objects says what the shards say, in order; older records have no table."""
    path = records.path / OBJECTS
    if not any(file["file"] == OBJECTS for file in records.content["files"]):
        return
    try:
        for place, (said, stored) in enumerate(zip_longest(_rows(path, records), _stored(records))):
            same = said is not None and stored is not None and said[:-1] == stored[:-1]
            if not (same and np.array_equal(said[-1], stored[-1], equal_nan=True)):
                raise AstrokerasError(
                    f"{path} does not say what the shards do: its row {place} is {_shown(said)}, the record is "
                    f"{_shown(stored)}; convert the survey again"
                )
    except (ArrowException, KeyError, OSError) as error:
        raise AstrokerasError(f"{path} is damaged ({' '.join(str(error).split())}); convert the survey again") from None


def _rows(path: Path, records: RecordsDirectory) -> Iterator[tuple]:
    """Return id, split, shard, row, label, carried integers, and magnitudes with the other carried numbers."""
    whole, numbers = _columns(records)
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=[*whole, *numbers]):
            found = [batch[name].to_pylist() for name in whole]
            values = np.stack([batch[name].to_numpy(zero_copy_only=False) for name in numbers], axis=-1)
            for (id_, *rest), here in zip(zip(*found, strict=True), values.astype(np.float64), strict=True):
                yield str(id_), *rest, here


def _columns(records: RecordsDirectory) -> tuple[list[str], list[str]]:
    carried = carried_names(records.bands, records.columns)
    integers = [own for name, own in carried.items() if name in records.integer_columns]
    others = [own for name, own in carried.items() if name not in records.integer_columns]
    return ["id", "split", "shard", "row", "label", *integers], [*magnitude_names(records.bands), *others]


def _stored(records: RecordsDirectory) -> Iterator[tuple]:
    """Yield the same from the shards."""
    whole, numbers = _columns(records)
    for split in records.splits:
        for name in map(Path, records.shards(split)):
            columns = columns_of_shard(records, split, name)
            values = np.stack([columns[one] for one in numbers], axis=-1).astype(np.float64)
            for row, here in zip(zip(*(columns[one].tolist() for one in whole), strict=True), values, strict=True):
                yield *row[:4], row[4] or None, *row[5:], here


def _shown(row: tuple | None) -> str:
    return "missing" if row is None else f"{row[0]!r} of {row[2]}, row {row[3]}"
