"""Batches streamed from a records directory by `tf.data`: a `Source` for any number of records."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np
import tensorflow as tf

from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.cropping import check_size
from astrokeras.pipeline.damage import named_if_damaged
from astrokeras.pipeline.dataset import (
    WHOLE,
    evaluation_batches,
    part_of,
    read_columns,
    steps_per_epoch,
    training_batches,
)
from astrokeras.pipeline.held import Held, hold
from astrokeras.pipeline.parsing import parser
from astrokeras.pipeline.partners import Partners
from astrokeras.pipeline.shards import selected
from astrokeras.pipeline.source import PARTNER, POSITION
from astrokeras.pipeline.tuning import PARALLEL_CALLS
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.framing import check_framing
from astrokeras.records.reader import DamagedRecord, Reader

# What distinguishes the draws of the tasks from those of the augmentation, and of validation from training.
_TRAINING, _VALIDATION, _TRAINING_PARTNERS, _VALIDATION_PARTNERS = range(1, 5)

# So many records are read one by one in the time in which `tf.data` is made ready to read.
_FEW = 1000


def _with_draws(
    dataset: tf.data.Dataset, first: int, seed: int, stream: int, n_draws: int, batch_size: int, part: tuple[int, int]
) -> tf.data.Dataset:
    """Return the batches with uniform numbers for each example, which depend on nothing but seed, stream and step."""
    if n_draws == 0:
        return dataset

    def add(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        key = tf.random.fold_in(tf.constant([seed, stream], tf.int64), step)
        draws = tf.random.stateless_uniform([batch_size, n_draws], key)
        return {**batch, "draws": part_of(draws, batch_size, part)}

    return dataset.enumerate(first).map(add)


class Stream:
    """A source of batches from records.

    Args:
        records: the survey.
        size: crop to the middle this many pixels.
        augment: changes the flux of a training batch.

    Attributes:
        part: which part of each batch to give for training and evaluation, see `dataset.training_batches`.
        select: which records are trained on, all if None.
        least_steps: of an epoch.

    Raises:
        UsageError: `size` does not fit.
    """

    part = WHOLE
    select: np.ndarray | None = None
    least_steps = 1
    _whole: Self | None = None

    def __init__(self, records: RecordsDirectory, size: int | None = None, augment: Chain | None = None) -> None:
        self.records = records
        self.size = check_size(records, size)
        self.augment = augment
        self.added: dict[str, dict[str, np.ndarray]] = {}
        self.groups: dict[str, Partners] = {}
        self._reader = Reader(records)
        self._held: dict[int, Held | None] = {}

    def columns(self, split: str, fields: Sequence[str]) -> dict[str, np.ndarray]:
        """See `Source.columns`."""
        stored = [field for field in fields if field not in self.added]
        read = read_columns(self.records, split, stored) if stored else {}
        return {field: self.added[field][split] if field in self.added else read[field] for field in fields}

    def add(self, field: str, columns: Mapping[str, np.ndarray]) -> None:
        """See `Source.add`."""
        self.added[field] = {**self.added.get(field, {}), **columns}

    def group(self, codes: Mapping[str, np.ndarray]) -> None:
        """See `Source.group`.

        Raises:
            AstrokerasError: a shard is damaged.
        """
        for split in codes:
            self._reader.look_up(split)
        self.groups = {split: Partners(values) for split, values in codes.items()}

    def has(self, field: str, split: str) -> bool:
        """See `Source.has`."""
        return split in self.added.get(field, {})

    def _stored(self, fields: Sequence[str]) -> list[str]:
        """Return the stored fields to read for these; the position in the split leads to fields that were added."""
        stored = [field for field in fields if field not in self.added and field != PARTNER]
        return stored if len(stored) == len(fields) else list(dict.fromkeys([*stored, POSITION]))

    def _complete(self, batches: tf.data.Dataset, split: str, fields: Sequence[str]) -> tf.data.Dataset:
        """Return the batches with these fields, those added included."""
        tables = {field: tf.constant(self.added[field][split]) for field in fields if field in self.added}
        if not tables and PARTNER not in fields:
            return batches

        def complete(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            found = {field: tf.gather(table, batch[POSITION]) for field, table in tables.items()}
            kept = {name: value for name, value in batch.items() if name != POSITION or POSITION in fields}
            return {**kept, **found}

        return batches.map(complete)

    def _with_partners(
        self, batches: tf.data.Dataset, split: str, fields: Sequence[str], first: int, seed: int, stream: int,
        batch_size: int, part: tuple[int, int],
    ) -> tf.data.Dataset:  # fmt: skip
        """Return the batches with `PARTNER` if it is asked for; drawn as in `_with_draws`."""
        if PARTNER not in fields:
            return batches
        groups = self.groups[split]
        parse = parser(self.records, ("image",), self.size)

        def look(positions: np.ndarray, draws: np.ndarray) -> np.ndarray:
            return self._reader.at(split, groups.partners(positions, draws))

        def add(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            key = tf.random.fold_in(tf.constant([seed, stream], tf.int64), step)
            draws = part_of(tf.random.stateless_uniform([batch_size], key), batch_size, part)
            serialized = tf.ensure_shape(tf.numpy_function(look, [batch[POSITION], draws], tf.string), [None])
            partner = tf.ensure_shape(parse(serialized)["image"], batch["flux"].shape)
            return {**batch, PARTNER: partner}

        return batches.enumerate(first).map(add, num_parallel_calls=PARALLEL_CALLS)

    def chosen(self, select: np.ndarray, least_steps: int = 1) -> Self:
        """See `Source.chosen`."""
        few = copy.copy(self)
        few.select, few.least_steps, few._whole, few._held = select, least_steps, self._whole or self, {}
        return few

    def held(self, batch_size: int) -> Held | None:
        """Return the records that are trained on, if they fit into memory; read once."""
        if batch_size not in self._held:
            every = self._whole.held(batch_size) if self._whole else None
            held = every.only(self.select) if every else hold(self.records, batch_size, self.select)
            self._held = {batch_size: held}
        return self._held[batch_size]

    def steps(self, batch_size: int) -> int:
        """See `Source.steps`."""
        count = selected(self.records, "train", self.select)
        return steps_per_epoch(count, batch_size, self.least_steps)

    def training(
        self, epoch: int, batch_size: int, fields: Sequence[str], n_draws: int, seed: int, first_step: int = 0,
        epochs: int = 1,
    ) -> tf.data.Dataset:  # fmt: skip
        """See `Source.training`."""
        batches = training_batches(
            self.records,
            batch_size,
            epochs=(epoch, epoch + epochs),
            seed=seed,
            fields=self._stored(fields),
            size=self.size,
            select=self.select,
            augment=self.augment,
            first_step=first_step,
            part=self.part,
            held=self.held(batch_size),
            least_steps=self.least_steps,
        ).map(lambda flux, features: {"flux": flux, **features})
        first = epoch * self.steps(batch_size) + first_step
        batches = self._with_partners(batches, "train", fields, first, seed, _TRAINING_PARTNERS, batch_size, self.part)
        batches = self._complete(batches, "train", fields)
        return _as_inputs(_with_draws(batches, first, seed, _TRAINING, n_draws, batch_size, self.part))

    def evaluation(
        self, split: str, batch_size: int, fields: Sequence[str], n_draws: int, seed: int
    ) -> tf.data.Dataset:
        """See `Source.evaluation`."""
        batches = self._evaluation(split, batch_size, fields, seed=seed, part=self.part)
        return _as_inputs(_with_draws(batches, 0, seed, _VALIDATION, n_draws, batch_size, self.part))

    def stamps(
        self, split: str, batch_size: int, fields: Sequence[str], select: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """See `Source.stamps`."""
        if selected(self.records, split, select) <= _FEW and PARTNER not in fields:
            yield from self._few_stamps(split, batch_size, fields, select)
            return
        for batch in self._evaluation(split, batch_size, fields, select).as_numpy_iterator():
            real = batch["weight"] > 0
            yield batch["flux"][real], {field: batch[field][real] for field in fields}

    def _few_stamps(
        self, split: str, batch_size: int, fields: Sequence[str], select: np.ndarray | None
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield what `stamps` does, of records that are looked up, however many lie between them."""
        stored = [field for field in fields if field not in self.added and field != POSITION]
        parse = parser(self.records, ("image", *stored), self.size)
        positions = np.arange(self.records.count(split)) if select is None else np.flatnonzero(select)
        check_framing(self.records, split)
        for start in range(0, len(positions), batch_size):
            here = positions[start : start + batch_size]
            with named_if_damaged(self.records, (DamagedRecord,)):
                serialized = self._reader.at(split, here)
            found = {name: values.numpy() for name, values in parse(tf.constant(serialized)).items()}
            found |= {field: self.added[field][split][here] for field in fields if field in self.added}
            yield found["image"], {field: here if field == POSITION else found[field] for field in fields}

    def _evaluation(
        self, split: str, batch_size: int, fields: Sequence[str], select: np.ndarray | None = None, seed: int = 0,
        part: tuple[int, int] = WHOLE,
    ) -> tf.data.Dataset:  # fmt: skip
        batches = evaluation_batches(
            self.records, split, batch_size, fields=self._stored(fields), size=self.size, select=select, part=part
        ).map(lambda flux, features, weight: {"flux": flux, "weight": weight, **features})
        batches = self._with_partners(batches, split, fields, 0, seed, _VALIDATION_PARTNERS, batch_size, part)
        return self._complete(batches, split, fields)


def _as_inputs(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Wrap each batch in a tuple: Keras takes a dictionary alone for the inputs too, but not under every strategy."""
    return batches.map(lambda batch: (batch,)).prefetch(2)
