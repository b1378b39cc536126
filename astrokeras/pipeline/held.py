"""The records of a training split in memory, where they fit, so that they are read once."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from astrokeras.pipeline.damage import named_if_damaged
from astrokeras.pipeline.shards import INPUT_ERRORS, in_order, selected
from astrokeras.records.directory import RecordsDirectory

# Serialized records in memory, be it for shuffling or for good.
_BUFFER_BYTES = 256 * 2**20


@dataclasses.dataclass(frozen=True)
class Held:
    """Training records in memory, for as many epochs as there are.

    Attributes:
        serialized: in the order of the records, [N] bytes.
        positions: in the split, [N] int64.
    """

    serialized: tf.Tensor
    positions: tf.Tensor

    def look_up(self, rows: tf.Tensor, numbered: bool) -> Any:
        """Return serialized records [n]; `numbered` after their positions."""
        found = tf.gather(self.serialized, rows)
        return (tf.gather(self.positions, rows), found) if numbered else found

    def only(self, select: np.ndarray) -> "Held":
        """Return some of the records, where these are all of the split, [N] booleans."""
        rows = tf.constant(np.flatnonzero(select), tf.int64)
        return Held(tf.gather(self.serialized, rows), tf.gather(self.positions, rows))


def hold(records: RecordsDirectory, batch_size: int, select: np.ndarray | None = None) -> Held | None:
    """Return the training records, of those that `select` keeps, if they fit into memory; None otherwise.

    Raises:
        AstrokerasError: a shard is damaged.
    """
    count = selected(records, "train", select)
    if not 0 < count < buffer_size(records, batch_size):
        return None
    positions = np.arange(count) if select is None else np.flatnonzero(select)
    with named_if_damaged(records, INPUT_ERRORS):
        # A batch takes the bytes over, where joining pieces would copy them.
        serialized = in_order(records, "train", select).batch(count).get_single_element()
    return Held(serialized, tf.constant(positions, tf.int64))


def buffer_size(records: RecordsDirectory, batch_size: int) -> int:
    """Return how many records are shuffled at a time."""
    record_bytes = 4 * records.size**2 * len(records.bands)
    return max(_BUFFER_BYTES // record_bytes, 4 * batch_size)
