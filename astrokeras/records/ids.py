"""The ids of single records."""

from collections.abc import Iterable

from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.example import decode
from astrokeras.records.reader import Reader


def ids_at(records: RecordsDirectory, split: str, positions: Iterable[int]) -> list[str]:
    """Return the ids of the records at these places of a split, counted from 0."""
    found = Reader(records).at(split, [int(position) for position in positions])
    return [bytes(decode(serialized)["id"]).decode() for serialized in found]
