"""Where batches come from: a stream of records (`stream.py`, TensorFlow) or arrays in memory (`arrays.py`).

A batch is a dictionary: ``flux`` [N, S, S, B]; the fields asked for, [N, ...] each; ``draws`` [N, K], uniform random
numbers in [0, 1) that depend on nothing but the seed, the epoch, the step and the place in the batch, so that a resumed
run sees what an undisturbed one would; and for evaluation ``weight`` [N], 0 for the copies that fill the last batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory

Batch = dict[str, np.ndarray]
# The field that is no part of a record: its place in its split, from 0.
POSITION = "position"
# The field that is another stamp of the same group, [N, S, S, B], see `Source.group`.
PARTNER = "partner"
# Fields that records lack if no option of the conversion asked for them.
_MENDED_BY = {"object": "convert with --object-column COLUMN to say which rows show the same object"}


class Source(Protocol):
    """Batches of the splits of a records directory.

    Attributes:
        records: the survey.
        size: side of the stamps after cropping, in pixels.
    """

    records: RecordsDirectory
    size: int

    def columns(self, split: str, fields: Sequence[str]) -> dict[str, np.ndarray]:
        """Return whole columns of a split, [N, ...] each, in the order of the records."""

    def add(self, field: str, columns: Mapping[str, np.ndarray]) -> None:
        """Take a further field for the batches to come: by split [N, ...], in the order of the records.

        Of a field that was added before, the splits given are replaced.
        """

    def group(self, codes: Mapping[str, np.ndarray]) -> None:
        """Say which stamps are a group, by split: those of the same code, integers [N], in the order of the records.

        From then on `PARTNER` can be asked for: the unaltered stamp of another of the group, drawn anew for each
        example as its ``draws`` are; the stamp itself where it is alone.
        """

    def has(self, field: str, split: str) -> bool:
        """Return whether the field was added for this split."""

    def chosen(self, select: np.ndarray, least_steps: int = 1) -> Self:
        """Return a source that trains on some records alone; what is added to either is known to both.

        Args:
            select: which records of the training split, [N] booleans.
            least_steps: of an epoch, for which few records come several times.
        """

    def steps(self, batch_size: int) -> int:
        """Return batches in an epoch of the training split."""

    def training(
        self, epoch: int, batch_size: int, fields: Sequence[str], n_draws: int, seed: int, first_step: int = 0,
        epochs: int = 1,
    ) -> Any:  # fmt: skip
        """Return shuffled batches of one epoch of the training split, or of several, for `keras.Model.fit`.

        With `first_step` those from that step on, exactly as they follow in the whole epoch. The field `POSITION` is
        the place of each stamp in its split, [N] integers.

        Raises:
            AstrokerasError: there is nothing to train on.
        """

    def evaluation(self, split: str, batch_size: int, fields: Sequence[str], n_draws: int, seed: int) -> Any:
        """Return batches in the order of the records, for `keras.Model.evaluate`; the same draws each time."""

    def stamps(
        self, split: str, batch_size: int, fields: Sequence[str], select: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, Mapping[str, np.ndarray]]]:
        """Yield stamps [n, S, S, B] in the order of the records with the fields, as arrays, without padding."""


def no_field(records: RecordsDirectory, field: str, known: Sequence[str]) -> AstrokerasError:
    """Return what to raise where records lack a field."""
    there = ", ".join(known)
    mend = f"; {_MENDED_BY[field]}" if field in _MENDED_BY else ""
    return AstrokerasError(f"the records in {records.path} have no column '{field}'; they have {there}{mend}")
