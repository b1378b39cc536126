"""Where batches come from: a stream of records (`stream.py`, TensorFlow) or arrays in memory (`arrays.py`).

A batch is a dictionary: ``flux`` [N, S, S, B]; the fields asked for, [N, ...] each; ``draws`` [N, K], uniform random
numbers in [0, 1) that depend on nothing but the seed, the epoch, the step and the place in the batch, so that a resumed
run sees what an undisturbed one would; and for evaluation ``weight`` [N], 0 for the copies that fill the last batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from astrokeras.records.directory import Records

Batch = dict[str, np.ndarray]


class Source(Protocol):
    """Batches of the splits of a records directory.

    Attributes:
        records: the survey.
        size: side of the stamps after cropping, in pixels.
    """

    records: Records
    size: int

    def columns(self, split: str, fields: Sequence[str]) -> dict[str, np.ndarray]:
        """Whole columns of a split, [N, ...] each, in the order of the records."""

    def add(self, field: str, columns: Mapping[str, np.ndarray]) -> None:
        """A further field for the batches to come: by split [N, ...], in the order of the records.

        Of a field that was added before, the splits given are replaced.
        """

    def has(self, field: str, split: str) -> bool:
        """Whether the field was added for this split."""

    def steps(self, batch_size: int) -> int:
        """Batches in an epoch of the training split."""

    def training(self, epoch: int, batch_size: int, fields: Sequence[str], n_draws: int, seed: int) -> Any:
        """Shuffled batches of one epoch of the training split, for `keras.Model.fit`.

        Raises:
            AstrokerasError: there is nothing to train on.
        """

    def evaluation(self, split: str, batch_size: int, fields: Sequence[str], n_draws: int, seed: int) -> Any:
        """Batches in the order of the records, for `keras.Model.evaluate`; the same draws each time."""

    def stamps(
        self, split: str, batch_size: int, fields: Sequence[str], select: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, Mapping[str, np.ndarray]]]:
        """Stamps [n, S, S, B] in the order of the records with the fields, as arrays, without padding."""
