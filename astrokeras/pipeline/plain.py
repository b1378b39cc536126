"""Records as a user reads them: one pass in batches, or arrays in memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.cropping import check_size
from astrokeras.pipeline.dataset import compiled
from astrokeras.pipeline.held import buffer_size
from astrokeras.pipeline.parsing import parser
from astrokeras.pipeline.shards import in_order, selected
from astrokeras.pipeline.tuning import PARALLEL_CALLS, untuned
from astrokeras.records.directory import RecordsDirectory

_READ_BATCH = 1024


def plain_batches(
    records: RecordsDirectory, split: str, batch_size: int, *, fields: Sequence[str] = ("label",),
    size: int | None = None, augment: Chain | None = None, shuffle: bool = False, seed: int = 0,
) -> tf.data.Dataset:  # fmt: skip
    """Return one pass over a split; the last batch may be smaller. See `astrokeras.Records.dataset`.

    Shapes:
        (flux [N, size, size, B] float32, dict of fields)
    """
    count, side = records.count(split), check_size(records, size)
    raw = in_order(records, split, None)
    if shuffle:
        raw = raw.shuffle(min(buffer_size(records, batch_size), max(count, 1)), seed=seed)
    parse = parser(records, ("image", *fields), side, augment.margin(side) if augment else 0)
    augmented = compiled(augment, side) if augment else None

    def prepare(serialized: tf.Tensor, key: tf.Tensor | None = None) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        features = parse(serialized)
        flux = features.pop("image")
        if augmented:
            flux = augmented(flux, tf.random.stateless_uniform([tf.shape(flux)[0], augment.n_draws], key))
        return flux, features

    batches = raw.batch(batch_size)
    if augmented:
        batches = tf.data.Dataset.zip(batches, _keys(seed))
    steps = -(-count // batch_size)
    dataset = batches.map(prepare, num_parallel_calls=PARALLEL_CALLS)
    return untuned(dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2))


def _keys(seed: int) -> tf.data.Dataset:
    """Return a seed for each batch, others in each pass."""
    return tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True)


def load_fields(
    records: RecordsDirectory,
    split: str,
    fields: Sequence[str],
    *,
    select: np.ndarray | None = None,
    size: int | None = None,
) -> dict[str, Any]:
    """Return fields of a selection that fits in memory, in the order of the records; the pixels are called ``flux``.

    Shapes:
        ``flux`` [N, size, size, B] float32, ``id`` [N] str, as `parsing.parser` has the others
    """
    count = selected(records, split, select)
    names = ["image" if field == "flux" else field for field in fields]
    parse = parser(records, names, size)
    arrays: dict[str, np.ndarray] = {}
    start = 0
    for batch in in_order(records, split, select).batch(_READ_BATCH).map(parse).as_numpy_iterator():
        for name, values in batch.items():
            whole = arrays.setdefault(name, np.empty((count, *values.shape[1:]), values.dtype))
            whole[start : start + len(values)] = values
        start += len(next(iter(batch.values())))
    if not arrays:
        arrays = {name: value.numpy() for name, value in parse(tf.constant([], tf.string)).items()}
    if "id" in arrays:
        arrays["id"] = np.array([identifier.decode() for identifier in arrays["id"]], dtype=np.str_)
    return {("flux" if name == "image" else name): arrays[name] for name in names}
