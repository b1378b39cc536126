"""The ids of records."""

from collections.abc import Iterable
from itertools import accumulate, pairwise
from pathlib import Path

from astrokeras.records.directory import Records
from astrokeras.records.example import decode
from astrokeras.records.tfrecord import read


def ids_at(records: Records, split: str, positions: Iterable[int]) -> list[str]:
    """Return the ids of the records at these places of a split, counted from 0."""
    positions = [int(position) for position in positions]
    wanted, found = set(positions), {}
    bounds = pairwise(accumulate(records.shard_lengths(split), initial=0))
    for path, (first, last) in zip(records.shards(split), bounds, strict=True):
        if wanted.isdisjoint(range(first, last)):
            continue
        for position, serialized in enumerate(read(Path(path)), start=first):
            if position in wanted:
                found[position] = bytes(decode(serialized)["id"]).decode()
    return [found[position] for position in positions]


def ids_of(records: Records, split: str) -> list[str]:
    """Return the ids of all records of a split, in their order."""
    return [
        bytes(decode(serialized)["id"]).decode() for path in records.shards(split) for serialized in read(Path(path))
    ]
