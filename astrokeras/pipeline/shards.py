"""Serialized records from shards, in their order, by `tf.data`."""

import numpy as np
import tensorflow as tf

from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.framing import check_framing

# What reading shards with `tf.data` fails with.
INPUT_ERRORS = (
    tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError,
    tf.errors.FailedPreconditionError, tf.errors.OutOfRangeError, tf.errors.UnknownError,
    tf.errors.PermissionDeniedError, UnicodeDecodeError,
)  # fmt: skip


def selected(records: RecordsDirectory, split: str, select: np.ndarray | None) -> int:
    """Return how many records are taken.

    Raises:
        ValueError: the mask is not one boolean a record.
    """
    total = records.count(split)
    if select is None:
        return total
    if select.shape != (total,) or select.dtype != bool:
        raise ValueError(
            f"select must be {total} booleans, one a record of '{split}'; got {select.dtype}{select.shape}"
        )
    return int(select.sum())


def shards_of(records: RecordsDirectory, split: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Check the shards; return their paths, and the position of each one's first record within the split."""
    check_framing(records, split)
    paths = tf.constant(records.shards(split), tf.string)
    firsts = np.cumsum([0, *records.shard_lengths(split)])[:-1]
    return paths, tf.constant(firsts, tf.int64)


def read_shard(select: np.ndarray | None, numbered: bool, path: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
    """Return the serialized records of one shard, of those that `select` keeps; `numbered` after their positions."""
    dataset = tf.data.TFRecordDataset(path)
    if select is None and not numbered:
        return dataset
    dataset = dataset.enumerate(start=first)
    if select is not None:
        keep = tf.constant(select)
        dataset = dataset.filter(lambda position, _: keep[position])
    return dataset if numbered else dataset.map(lambda _, serialized: serialized)


def in_order(
    records: RecordsDirectory, split: str, select: np.ndarray | None, numbered: bool = False
) -> tf.data.Dataset:
    """Return the serialized records of a split, of those that `select` keeps; `numbered` after their positions."""
    shards = tf.data.Dataset.from_tensor_slices(shards_of(records, split))
    return shards.flat_map(lambda path, first: read_shard(select, numbered, path, first))
