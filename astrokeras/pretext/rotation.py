"""Tell by which quarter turn a stamp was rotated.

Source: Gidaris, Singh & Komodakis 2018, "Unsupervised representation learning by predicting image rotations", ICLR
(arXiv 1803.07728): all four turns of each image in the same batch, cross-entropy averaged over them.

The sky has no up: what can be learned beyond the traces of the instrument (charges that bleed along columns, elongated
point spread, orientation of the scan) is little where objects lie at random angles. Try `transformation` there, which
asks for the turn between two views.
"""

from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.pretext.base import TASKS, Fields, Task
from astrokeras.records.directory import Records

_TURNS = 4


def _log_likelihoods(logits: list[KerasTensor]) -> list[KerasTensor]:
    """By the turn applied, the log of the probability of that turn, [N]."""
    return [ops.log_softmax(logit, axis=-1)[:, turn] for turn, logit in enumerate(logits)]


class RotationAccuracy(keras.metrics.Metric):
    """Share of the rotated copies whose turn is the most probable one; 0.25 by chance."""

    def __init__(self) -> None:
        super().__init__(name="accuracy")
        self.mean = keras.metrics.Mean(name="mean")

    def update_state(self, target: None, prediction: list[KerasTensor], sample_weight: Any = None) -> None:
        """Adds a batch; examples of weight 0 don't count."""
        hits = [ops.equal(ops.argmax(logit, axis=-1), turn) for turn, logit in enumerate(prediction)]
        share = ops.mean(ops.cast(ops.stack(hits), "float32"), axis=0)
        self.mean.update_state(share, sample_weight=sample_weight)

    def result(self) -> KerasTensor:
        """The share so far."""
        return self.mean.result()


@TASKS.register("rotation")
class Rotation(Task):
    """Classification of the four quarter turns of every stamp."""

    breaks = frozenset({"orientation"})
    legend = "accuracy: share of the four quarter turns that are told right, 0.25 by chance"
    n_views = _TURNS

    @classmethod
    def fit(cls, records: Records, columns: Mapping[str, np.ndarray], size: int) -> Self:
        """Nothing is to be learned beforehand."""
        return cls()

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], None]:
        """The stamp as it is and turned by 90, 180 and 270 degrees; exact, pixels only move."""
        return [flux, *(ops.rot90(flux, turn, axes=(1, 2)) for turn in range(1, _TURNS))], None

    def head(self, embeddings: list[KerasTensor]) -> list[KerasTensor]:
        """The logits [N, 4] of each copy, by one linear layer."""
        logits = keras.layers.Dense(_TURNS, dtype="float32", name="logits")
        return [logits(embedding) for embedding in embeddings]

    def loss(self, target: None, prediction: list[KerasTensor]) -> KerasTensor:
        """The mean cross-entropy over the four copies."""
        return -sum(_log_likelihoods(prediction)) / _TURNS

    @property
    def score_names(self) -> tuple[str, ...]:
        """``accuracy``."""
        return ("accuracy",)

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `RotationAccuracy`."""
        return [RotationAccuracy()]
