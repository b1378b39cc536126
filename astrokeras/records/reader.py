"""The one reader of records: in the order of a split, or by their places in any order.

TensorFlow reads whole splits by itself, after `framing.py` has looked at the shards; all else goes through here.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.records.example import decode
from astrokeras.records.tfrecord import offsets, read, read_at

if TYPE_CHECKING:
    from astrokeras.records.directory import RecordsDirectory


class DamagedRecord(AstrokerasError, ValueError):
    """A shard is not what was written."""


class RecordPlace(NamedTuple):
    """Where a record is: its split, the file name of its shard, and its row within that."""

    split: str
    shard: str
    row: int


class Reader:
    """Reads the records of a directory; each look reads the disk.

    Where the records of a shard begin is looked up once: eight bytes a record in memory.

    Args:
        records: the directory.

    Example:
        >>> reader = Reader(RecordsDirectory.load("records"))  # doctest: +SKIP
        >>> [example["id"] for place, example in reader.examples("test")][:2]  # doctest: +SKIP
        [b'17', b'4']
        >>> reader.example_at("test", 1)["id"]  # doctest: +SKIP
        b'4'
    """

    def __init__(self, records: "RecordsDirectory") -> None:
        self._records = records
        self._paths = {Path(name).name: Path(name) for split in records.splits for name in records.shards(split)}
        self._starts: dict[Path, np.ndarray] = {}

    def look_up(self, split: str) -> None:
        """Look up where each record of a split begins, which otherwise is done when one is asked for.

        Raises:
            DamagedRecord: a shard is cut short, or not a file of records.
        """
        for path in map(Path, self._records.shards(split)):
            self._starts_of(path)

    def serialized(self, split: str) -> Iterator[tuple[RecordPlace, bytes]]:
        """Yield all records of a split in their order, as they are stored.

        Raises:
            DamagedRecord: a checksum does not match, or a file ends within a record.
        """
        for path in map(Path, self._records.shards(split)):
            for row, record in enumerate(self._whole(path)):
                yield RecordPlace(split, path.name, row), record

    def examples(self, split: str) -> Iterator[tuple[RecordPlace, dict[str, Any]]]:
        """Yield all records of a split in their order, decoded; see `serialized`."""
        for place, record in self.serialized(split):
            with _told(self._paths[place.shard]):
                example = decode(record)
            yield place, example

    def examples_of(self, shard: str) -> Iterator[dict[str, Any]]:
        """Yield all records of a shard, given by its file's name, decoded; see `serialized`."""
        path = self._paths[shard]
        for record in self._whole(path):
            with _told(path):
                example = decode(record)
            yield example

    def _whole(self, path: Path) -> Iterator[bytes]:
        with _told(path):
            yield from read(path)

    def at(self, split: str, positions: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the records at these positions of a split, counted from 0, as they are stored.

        Shapes:
            positions ``[N]`` → ``[N]`` objects, each `bytes`.

        Raises:
            DamagedRecord: one is damaged or missing.
        """
        positions = np.asarray(positions, np.int64)
        firsts = np.cumsum([0, *self._records.shard_lengths(split)])
        shards = np.searchsorted(firsts, positions, side="right") - 1
        found = np.empty(len(positions), object)
        for number in np.unique(shards):
            here = np.flatnonzero(shards == number)
            if not 0 <= number < len(firsts) - 1:
                raise DamagedRecord(f"there is no record {positions[here[0]]} in the {split} split")
            shard = Path(self._records.shards(split)[number]).name
            found[here] = self.in_shard(shard, positions[here] - firsts[number])
        return found

    def example_at(self, split: str, position: int) -> dict[str, Any]:
        """Return the record at a position of a split, decoded; see `at`."""
        with _told(self._records.path):
            return decode(self.at(split, [position])[0])

    def in_shard(self, shard: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the records at these rows of a shard, given by its file's name, as they are stored.

        Shapes:
            rows ``[N]`` → ``[N]`` objects, each `bytes`.

        Raises:
            DamagedRecord: there is no such shard or row, or the record is damaged.
        """
        rows = np.asarray(rows, np.int64)
        path = self._paths.get(shard)
        starts = np.empty(0, np.int64) if path is None else self._starts_of(path)
        beyond = rows[(rows < 0) | (rows >= len(starts))]
        if path is None or len(beyond):
            row = beyond[0] if len(beyond) else "any"
            raise DamagedRecord(f"there is no record {row} in shard {shard!r}; convert the survey again")
        found = np.empty(len(rows), object)
        with _told(path):
            for number, record in enumerate(read_at(path, starts[rows].tolist())):
                found[number] = record
        return found

    def _starts_of(self, path: Path) -> np.ndarray:
        if path not in self._starts:
            with _told(path):
                self._starts[path] = offsets(path)
        return self._starts[path]


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say in one line that a shard is damaged or cannot be read."""
    try:
        yield
    except DamagedRecord:
        raise
    except ValueError as error:
        raise DamagedRecord(f"{error}; convert the survey again") from None
    except OSError as error:
        raise DamagedRecord(f"cannot read {path}: {error.strerror or error}") from None
