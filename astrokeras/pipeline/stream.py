"""Batches streamed from a records directory by `tf.data`: a `Source` for any number of records."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.cropping import check_size
from astrokeras.pipeline.dataset import evaluation_batches, read_columns, steps_per_epoch, training_batches
from astrokeras.records.directory import Records

# What distinguishes the draws of the tasks from those of the augmentation, and of validation from training.
_TRAINING, _VALIDATION = 1, 2


def _with_draws(dataset: tf.data.Dataset, first: int, seed: int, stream: int, n_draws: int) -> tf.data.Dataset:
    """The batches with uniform numbers for each example, which depend on nothing but seed, stream and step."""
    if n_draws == 0:
        return dataset

    def add(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        key = tf.random.fold_in(tf.constant([seed, stream], tf.int64), step)
        draws = tf.random.stateless_uniform([tf.shape(batch["flux"])[0], n_draws], key)
        return {**batch, "draws": draws}

    return dataset.enumerate(first).map(add, num_parallel_calls=tf.data.AUTOTUNE)


class Stream:
    """A source of batches from records.

    Args:
        records: the survey.
        size: crop to the middle this many pixels.
        augment: changes the flux of a training batch.

    Raises:
        UsageError: `size` does not fit.
    """

    def __init__(self, records: Records, size: int | None = None, augment: Chain | None = None) -> None:
        self.records = records
        self.size = check_size(records, size)
        self.augment = augment

    def columns(self, split: str, fields: Sequence[str]) -> dict[str, np.ndarray]:
        """See `Source.columns`."""
        every = read_columns(self.records, split, errors="magnitude_errors" in fields)
        return {field: every[field] for field in fields}

    def steps(self, batch_size: int) -> int:
        """See `Source.steps`."""
        return steps_per_epoch(self.records.count("train"), batch_size)

    def training(self, epoch: int, batch_size: int, fields: Sequence[str], n_draws: int, seed: int) -> tf.data.Dataset:
        """See `Source.training`."""
        batches = training_batches(
            self.records,
            batch_size,
            epochs=(epoch, epoch + 1),
            seed=seed,
            fields=fields,
            size=self.size,
            augment=self.augment,
        ).map(lambda flux, features: {"flux": flux, **features})
        first = epoch * self.steps(batch_size)
        return _as_inputs(_with_draws(batches, first, seed, _TRAINING, n_draws))

    def evaluation(
        self, split: str, batch_size: int, fields: Sequence[str], n_draws: int, seed: int
    ) -> tf.data.Dataset:
        """See `Source.evaluation`."""
        batches = evaluation_batches(self.records, split, batch_size, fields=fields, size=self.size).map(
            lambda flux, features, weight: {"flux": flux, "weight": weight, **features}
        )
        return _as_inputs(_with_draws(batches, 0, seed, _VALIDATION, n_draws))

    def stamps(
        self, split: str, batch_size: int, fields: Sequence[str], select: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """See `Source.stamps`."""
        batches = evaluation_batches(self.records, split, batch_size, fields=fields, size=self.size, select=select)
        for flux, features, weight in batches.as_numpy_iterator():
            real = weight > 0
            yield flux[real], {name: values[real] for name, values in features.items()}


def _as_inputs(batches: tf.data.Dataset) -> tf.data.Dataset:
    """For Keras, which would take a dictionary alone for the inputs too, but not under every strategy."""
    return batches.map(lambda batch: (batch,)).prefetch(2)
