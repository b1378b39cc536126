"""`tf.data` streams of raw flux from a records directory.

`training_batches` is a pure function of (records, seed, epoch, step): nothing is remembered between epochs,
so that a resumed run sees what an undisturbed one would have seen. `evaluation_batches` keeps the order of the
records and pads the last batch instead of dropping it, since a batch that cannot be split evenly over
replicas breaks `tf.distribute`. Neither yields ids: strings must not reach a model.

The stretch is not here but in the model (`models/stretch.py`).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.cropping import check_size
from astrokeras.pipeline.damage import named_if_damaged
from astrokeras.pipeline.held import Held, buffer_size, hold
from astrokeras.pipeline.parsing import parser
from astrokeras.pipeline.shards import INPUT_ERRORS, in_order, read_shard, selected, shards_of
from astrokeras.pipeline.source import POSITION
from astrokeras.pipeline.tuning import PARALLEL_CALLS, untuned
from astrokeras.records.directory import RecordsDirectory

_PARALLEL_SHARDS = 64  # read in turn, so that the buffer holds records of as many fields
_READ_BATCH = 1024
_TRAIN = "train"
# The part of each batch that a process takes which trains alone: the first of one part.
WHOLE = (0, 1)


def _batch_parser(
    records: RecordsDirectory, fields: Sequence[str], size: int | None, margin: int = 0
) -> Callable[[Any], dict[str, tf.Tensor]]:
    """Return `parser` for the image and the fields, of which `POSITION` is the number that comes before each record."""
    parse = parser(records, ("image", *(field for field in fields if field != POSITION)), size, margin)
    if POSITION not in fields:
        return parse
    return lambda numbered: {**parse(numbered[1]), POSITION: numbered[0]}


def read_columns(records: RecordsDirectory, split: str, fields: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Return fields in the order of the records.

    If not told which, all but the images and the errors of the magnitudes.

    Shapes:
        ``id`` [N] str objects, ``label`` [N] int64 (-1 unknown), ``magnitudes`` and ``magnitude_errors`` [N, B]
        float32 with NaN where missing, every carried column [N] float64.

    Raises:
        AstrokerasError: a field that the records don't have.
    """
    if fields is None:
        fields = ("id", "label", "magnitudes", *records.columns)
    dataset = in_order(records, split, None).batch(_READ_BATCH).map(parser(records, fields))
    with named_if_damaged(records, INPUT_ERRORS):
        batches = list(dataset.as_numpy_iterator())
    if not batches:
        empty = parser(records, fields)(tf.constant([], tf.string))
        batches = [{field: value.numpy() for field, value in empty.items()}]
    columns = {field: np.concatenate([batch[field] for batch in batches]) for field in fields}
    if "id" in columns:
        with named_if_damaged(records, INPUT_ERRORS):
            columns["id"] = np.array([identifier.decode() for identifier in columns["id"]], dtype=object)
    return columns


def load_arrays(
    records: RecordsDirectory, split: str, *, select: np.ndarray | None = None, size: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a selection that fits in memory, in the order of the records.

    Shapes:
        flux [N, size, size, B] float32, label [N] int64, id [N] str objects
    """
    count = selected(records, split, select)
    parse = parser(records, ("image", "label", "id"), size)
    dataset = in_order(records, split, select).batch(_READ_BATCH).map(parse)
    side = size or records.size
    flux = np.empty((count, side, side, len(records.bands)), np.float32)
    label = np.empty(count, np.int64)
    identifier = np.empty(count, dtype=object)
    start = 0
    with named_if_damaged(records, INPUT_ERRORS):
        for batch in dataset.as_numpy_iterator():
            stop = start + len(batch["label"])
            flux[start:stop], label[start:stop] = batch["image"], batch["label"]
            identifier[start:stop] = [value.decode() for value in batch["id"]]
            start = stop
    return flux, label, identifier


def steps_per_epoch(count: int, batch_size: int, least: int = 1) -> int:
    """Return whole batches in an epoch of `count` records, or `least`, for which records are repeated."""
    return max(count // batch_size, least)


def training_batches(  # noqa: PLR0913 - one stream, asked for by keywords
    records: RecordsDirectory,
    batch_size: int,
    *,
    epochs: tuple[int, int],
    seed: int,
    fields: Sequence[str] = ("magnitudes",),
    size: int | None = None,
    select: np.ndarray | None = None,
    augment: Chain | None = None,
    first_step: int = 0,
    part: tuple[int, int] = WHOLE,
    held: Held | None = None,
    least_steps: int = 1,
) -> tf.data.Dataset:
    """Return shuffled, augmented batches of the epochs ``first, …, last - 1``, each of `steps_per_epoch` batches.

    An epoch holds every record once, or with more `least_steps` as often as they take; what does not fill a batch is
    left out (another part each epoch).

    Args:
        records: where from; the training split is used.
        batch_size: over all replicas.
        epochs: first and last (exclusive) epoch.
        seed: of the shuffle and the augmentation.
        fields: what to yield beside the flux, see `parsing.parser`; ``position`` [N] int64 is the place in the split.
        size: crop around the centre to this many pixels.
        select: which records to use, one boolean a record in record order.
        augment: changes the flux of a batch. It sees what the records have around the crop, as far as it needs it.
        first_step: leave out the batches before this one of the first epoch; their records are read, not parsed.
        part: ``(i, n)`` for the i-th of n equal parts of every batch; the other records are read, not parsed.
        held: the selected records from `hold`, for callers that ask for the epochs one by one; otherwise they are
            read once for all of `epochs`, if they fit into memory. It makes no difference to what is yielded.
        least_steps: of an epoch.

    Shapes:
        (flux [batch_size, size, size, B] float32, dict of fields)

    Raises:
        AstrokerasError: there is nothing to train on.
        ValueError: ``valid`` is asked for with an augmentation, which does not change it.
    """
    if augment is not None and "valid" in fields:
        raise ValueError("valid would not be that of the augmented flux, which is NaN where it is not valid")
    count = selected(records, _TRAIN, select)
    if count == 0:
        raise AstrokerasError(f"no records to train on in the training split of {records.path}")
    steps = steps_per_epoch(count, batch_size, least_steps)
    repeats = -(-steps * batch_size // count)
    buffer = buffer_size(records, batch_size)
    numbered = POSITION in fields
    held = held or hold(records, batch_size, select)
    if held is None:
        shards = tf.data.Dataset.from_tensor_slices(shards_of(records, _TRAIN))
        n_shards = len(shards)
        together = min(_PARALLEL_SHARDS, n_shards)

    def once(epoch: tf.Tensor, number: tf.Tensor) -> tf.data.Dataset:
        # An operation's seed is a pair, of which the first is its graph's: this keeps the global seed out (which,
        # if it is 0, makes TensorFlow refuse a tensor as the second).
        tf.compat.v1.get_default_graph().seed = seed + 1
        if held is None:
            ordered = shards.shuffle(n_shards, seed=2 * epoch + 1 + number * 2**32, reshuffle_each_iteration=False)
            raw = ordered.interleave(
                lambda path, first: read_shard(select, numbered, path, first),
                cycle_length=together,
                block_length=16,
                num_parallel_calls=min(PARALLEL_CALLS, together),
                deterministic=True,
            )
        else:
            raw = tf.data.Dataset.range(count)
        return raw.shuffle(buffer, seed=2 * epoch + number * 2**32, reshuffle_each_iteration=False)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        if repeats == 1:
            shuffled = once(epoch, tf.constant(0, tf.int64))
        else:
            shuffled = tf.data.Dataset.range(repeats).flat_map(functools.partial(once, epoch))
        left_out = tf.where(epoch == first, tf.constant(first_step * batch_size, tf.int64), 0)
        return shuffled.take(steps * batch_size).skip(left_out)

    first, last = epochs
    side = check_size(records, size)
    parse = _batch_parser(records, fields, side, augment.margin(side) if augment else 0)
    augmented = compiled(augment, side) if augment else None

    def prepare(step: tf.Tensor, drawn: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        mine = tf.nest.map_structure(lambda values: part_of(values, batch_size, part), drawn)
        features = parse(held.look_up(mine, numbered) if held else mine)
        flux = features.pop("image")
        if augmented:
            key = tf.stack([tf.constant(seed, tf.int64), step])
            draws = tf.random.stateless_uniform([batch_size, augment.n_draws], key)
            flux = augmented(flux, part_of(draws, batch_size, part))
        return flux, features

    dataset = tf.data.Dataset.range(first, last).flat_map(one_epoch).batch(batch_size, drop_remainder=True)
    dataset = dataset.enumerate(start=first * steps + first_step).map(prepare, num_parallel_calls=PARALLEL_CALLS)
    count = (last - first) * steps - first_step
    return untuned(dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2))


@functools.lru_cache(maxsize=16)
def compiled(augment: Chain, size: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return the augmentation by XLA, which goes through the pixels once where TensorFlow does so for each operation.

    The same function every time, so that it is compiled once, not in every epoch.

    Shapes:
        as `Chain.__call__` has them
    """
    return tf.function(lambda flux, draws: augment(flux, draws, size), jit_compile=_has_xla(), autograph=False)


@functools.cache
def _has_xla() -> bool:
    """Return whether this TensorFlow can compile for the processor within a pipeline."""
    double = tf.function(lambda number: number + number, jit_compile=True, autograph=False)
    try:
        return int(tf.data.Dataset.from_tensors(1).map(double).get_single_element()) == 2
    except tf.errors.OpError:
        return False


def part_of(values: tf.Tensor, batch_size: int, part: tuple[int, int]) -> tf.Tensor:
    """Return the rows [batch_size / n, ...] of one part of a batch [batch_size, ...]."""
    index, count = part
    rows = batch_size // count
    return values if count == 1 else values[index * rows : (index + 1) * rows]


def evaluation_batches(
    records: RecordsDirectory,
    split: str,
    batch_size: int,
    *,
    fields: Sequence[str] = ("magnitudes",),
    size: int | None = None,
    select: np.ndarray | None = None,
    part: tuple[int, int] = WHOLE,
) -> tf.data.Dataset:
    """Return batches in the order of the records; the last one is filled up with copies that weigh nothing.

    Shapes:
        (flux [batch_size, size, size, B] float32, dict of fields, weight [batch_size] float32: 1 or 0)
    """
    count = selected(records, split, select)
    steps = -(-count // batch_size)
    raw = in_order(records, split, select, POSITION in fields)
    padded = raw.concatenate(raw.take(1).repeat(steps * batch_size - count))
    parse = _batch_parser(records, fields, size)

    def prepare(position: tf.Tensor, serialized: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
        features = parse(serialized)
        return features.pop("image"), features, tf.cast(position < count, tf.float32)

    dataset = padded.enumerate().batch(batch_size, drop_remainder=True)
    if part != WHOLE:
        dataset = dataset.map(lambda *batch: tf.nest.map_structure(lambda rows: part_of(rows, batch_size, part), batch))
    dataset = dataset.map(prepare, num_parallel_calls=PARALLEL_CALLS)
    return untuned(dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2))
