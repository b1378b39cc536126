"""Records by their place in a split, in any order: what `tf.data` streams cannot give."""

from pathlib import Path

import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import Records
from astrokeras.records.tfrecord import offsets, read_at


class Lookup:
    """Serialized records of a split by position. Eight bytes a record in memory; each look reads the disk.

    Raises:
        AstrokerasError: a shard is damaged.
    """

    def __init__(self, records: Records, split: str) -> None:
        self.paths = [Path(path) for path in records.shards(split)]
        try:
            self.offsets = [offsets(path) for path in self.paths]
        except ValueError as error:
            raise AstrokerasError(f"{error}; convert the survey again") from None
        self.firsts = np.cumsum([0, *map(len, self.offsets)])

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Return the records [n] of these positions [n], bytes objects.

        Raises:
            ValueError: one is damaged.
        """
        found = np.empty(len(positions), object)
        shard = np.searchsorted(self.firsts, positions, side="right") - 1
        for number in np.unique(shard):
            here = np.flatnonzero(shard == number)
            starts = self.offsets[number][positions[here] - self.firsts[number]]
            for row, record in zip(here, read_at(self.paths[number], starts.tolist()), strict=True):
                found[row] = record
        return found
