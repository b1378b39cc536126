"""Batches from stamps in memory, by NumPy alone: what is needed where there is no TensorFlow.

See `source.py` for what a batch is. The whole of every split that is used has to fit in memory.
"""

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self

import keras
import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.cropping import check_size
from astrokeras.pipeline.decoding import decode_record
from astrokeras.pipeline.partners import Partners
from astrokeras.pipeline.source import PARTNER, POSITION, Batch
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.framing import check_framing
from astrokeras.records.reader import Reader

Columns = dict[str, np.ndarray]

# What distinguishes the streams of random numbers of one seed.
_SHUFFLE, _DRAWS, _VALIDATION = range(3)
_MOST_BYTES = 16 * 2**30


class Batches(keras.utils.PyDataset):
    """Batches by number, for `keras.Model.fit` and `evaluate`; iterable once over as a whole, too."""

    def __init__(self, count: int, make: Callable[[int], Batch]) -> None:
        super().__init__()
        self.count, self.make = count, make

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, step: int) -> tuple[Batch]:
        if not 0 <= step < self.count:
            raise IndexError(step)
        return (self.make(step),)


class Arrays:
    """A source of batches from arrays.

    Args:
        records: the survey.
        splits: by split ``image`` [N, S, S, B], of any type that converts to float32 (it does so in the model), and
            whatever else, [N, ...] each.
        size: crop to the middle this many pixels.

    Raises:
        UsageError: `size` does not fit.
    """

    def __init__(self, records: RecordsDirectory, splits: Mapping[str, Columns], size: int | None = None) -> None:
        self.records = records
        self.size = check_size(records, size)
        self.splits = {
            split: {name: _middle(values, self.size) if name == "image" else values for name, values in columns.items()}
            for split, columns in splits.items()
        }
        self.groups: dict[str, Partners] = {}
        self.select: np.ndarray | None = None
        self.least_steps = 1

    @classmethod
    def load(
        cls, records: RecordsDirectory, splits: Sequence[str], fields: Sequence[str], size: int | None = None
    ) -> "Arrays":
        """Read whole splits into memory.

        Raises:
            AstrokerasError: one is empty, or they are larger than 16 GiB.
        """
        for split in splits:
            if records.count(split) == 0:
                raise AstrokerasError(f"no records in the {split} split of {records.path}")
        side = check_size(records, size)
        bytes_each = 4 * side**2 * len(records.bands)
        needed = bytes_each * sum(records.counts.get(split, 0) for split in splits)
        if needed > _MOST_BYTES:
            raise AstrokerasError(
                f"without TensorFlow all stamps are held in memory, and those of {records.path} take "
                f"{needed / 2**30:.0f} GiB, more than {_MOST_BYTES >> 30}; crop them with --size, or train with the "
                "TensorFlow backend"
            )
        return cls(records, {split: _read_split(records, split, fields, side) for split in splits}, size)

    def columns(self, split: str, fields: Sequence[str]) -> Columns:
        """See `Source.columns`."""
        return {field: self.splits[split][field] for field in fields}

    def add(self, field: str, columns: Mapping[str, np.ndarray]) -> None:
        """See `Source.add`."""
        for split, values in columns.items():
            self.splits[split][field] = values

    def group(self, codes: Mapping[str, np.ndarray]) -> None:
        """See `Source.group`."""
        self.groups = {split: Partners(values) for split, values in codes.items()}

    def has(self, field: str, split: str) -> bool:
        """See `Source.has`."""
        return field in self.splits.get(split, {})

    def chosen(self, select: np.ndarray, least_steps: int = 1) -> Self:
        """See `Source.chosen`."""
        few = copy.copy(self)
        few.select, few.least_steps = select, least_steps
        return few

    def _trained_on(self) -> np.ndarray:
        """Return the rows of the training split that are trained on."""
        return np.arange(len(self.splits["train"]["image"])) if self.select is None else np.flatnonzero(self.select)

    def steps(self, batch_size: int) -> int:
        """Return whole batches in an epoch; fewer stamps than they take are repeated."""
        return max(len(self._trained_on()) // batch_size, self.least_steps)

    def training(
        self, epoch: int, batch_size: int, fields: Sequence[str], n_draws: int, seed: int, first_step: int = 0,
        epochs: int = 1,
    ) -> Batches:  # fmt: skip
        """See `Source.training`."""
        steps = self.steps(batch_size)
        order = functools.lru_cache(maxsize=1)(lambda number: self._order(seed, number, steps * batch_size))

        def make(number: int) -> Batch:
            further, step = divmod(first_step + number, steps)
            rows = order(epoch + further)[step * batch_size : (step + 1) * batch_size]
            rng = np.random.default_rng([seed, _DRAWS, epoch + further, step])
            return self._batch("train", rows, fields, rng, n_draws)

        return Batches(epochs * steps - first_step, make)

    def _order(self, seed: int, epoch: int, count: int) -> np.ndarray:
        """Return the rows of an epoch in its order, each as often as so many take."""
        rows = self._trained_on()
        rng = np.random.default_rng([seed, _SHUFFLE, epoch])
        return np.concatenate([rng.permutation(rows) for _ in range(-(-count // len(rows)))])[:count]

    def evaluation(self, split: str, batch_size: int, fields: Sequence[str], n_draws: int, seed: int) -> Batches:
        """See `Source.evaluation`."""
        count = len(self.splits[split]["image"])

        def make(step: int) -> Batch:
            rows = np.arange(step * batch_size, (step + 1) * batch_size)
            real = rows < count
            rng = np.random.default_rng([seed, _VALIDATION, step])
            batch = self._batch(split, np.where(real, rows, 0), fields, rng, n_draws)
            return batch | {"weight": real.astype(np.float32)}

        return Batches(-(-count // batch_size), make)

    def stamps(
        self, split: str, batch_size: int, fields: Sequence[str], select: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, Columns]]:
        """See `Source.stamps`."""
        columns = self.splits[split]
        rows = np.arange(len(columns["image"])) if select is None else np.flatnonzero(select)
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            yield columns["image"][part].astype(np.float32), {field: columns[field][part] for field in fields}

    def _batch(
        self, split: str, rows: np.ndarray, fields: Sequence[str], rng: np.random.Generator, n_draws: int
    ) -> Batch:
        columns = self.splits[split]
        batch = {"flux": columns["image"][rows], "draws": rng.random((len(rows), n_draws), np.float32)}
        if PARTNER in fields:
            batch[PARTNER] = columns["image"][self.groups[split].partners(rows, rng.random(len(rows)))]
        stored = [field for field in fields if field != PARTNER]
        return batch | {field: rows if field == POSITION else columns[field][rows] for field in stored}


def _middle(stamps: np.ndarray, size: int) -> np.ndarray:
    """Return the middle of stamps [N, S, S, B]; they may have been cropped already."""
    start = (stamps.shape[1] - size) // 2
    return stamps[:, start : start + size, start : start + size]


def _read_split(records: RecordsDirectory, split: str, fields: Sequence[str], size: int) -> Columns:
    """Return every record of a split; [N, ...] each, images cropped."""
    check_framing(records, split)
    count = records.count(split)
    columns: Columns = {}
    for row, (_, serialized) in enumerate(Reader(records).serialized(split)):
        features = decode_record(records, serialized, ("image", *fields))
        features["image"] = _middle(features["image"][None], size)[0]
        for name, value in features.items():
            if name not in columns:
                columns[name] = np.empty((count, *np.shape(value)), np.asarray(value).dtype)
            columns[name][row] = value
    return columns
