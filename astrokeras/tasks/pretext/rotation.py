"""Tell by which quarter turn a stamp was rotated.

Source: Gidaris, Singh & Komodakis 2018, "Unsupervised representation learning by predicting image rotations", ICLR
(arXiv 1803.07728): all four turns of each image in the same batch, cross-entropy averaged over them.

The option ``consistency`` is for the term of that name in Xiao et al. 2020, of which the text was not found; its form
is ours: what is predicted of the four copies, each turned back to the stamp as it was given, is the same distribution
over four turns if the network judges an object the same however it lies, and the Jensen-Shannon divergence of the four
(Lin 1991, IEEE Trans. Inf. Theory 37, 145; 0 if they are equal, ln 4 at most) is added to the loss, times the option's
value. A stamp that tells nothing of its turn costs nothing where all of its copies are judged so.

The sky has no up: what can be learned beyond the traces of the instrument (charges that bleed along columns, elongated
point spread, orientation of the scan) is little where objects lie at random angles. Try `transformation` there, which
asks for the turn between two views.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import Number, Parameter
from astrokeras.tasks.base import TASKS, Fields, Task

_TURNS = 4


def _log_likelihoods(logits: list[KerasTensor]) -> list[KerasTensor]:
    """By the turn applied, the log of the probability of that turn, [N]."""
    return [ops.log_softmax(logit, axis=-1)[:, turn] for turn, logit in enumerate(logits)]


def divergence(logits: list[KerasTensor]) -> KerasTensor:
    """Return the Jensen-Shannon divergence of the distributions over the turns, each turned back by its copy's turn.

    Shapes:
        four [N, 4], of the copies turned by 0, 1, 2 and 3 quarters -> [N]
    """
    logs = ops.stack([ops.roll(ops.log_softmax(logit, axis=-1), -turn, axis=-1) for turn, logit in enumerate(logits)])
    mean = ops.logsumexp(logs, axis=0, keepdims=True) - np.log(len(logits))
    return ops.mean(ops.sum(ops.exp(logs) * (logs - mean), axis=-1), axis=0)


class RotationAccuracy(keras.metrics.Metric):
    """Share of the rotated copies whose turn is the most probable one; 0.25 by chance."""

    def __init__(self) -> None:
        super().__init__(name="accuracy")
        self.mean = keras.metrics.Mean(name="mean")

    def update_state(self, target: None, prediction: list[KerasTensor], sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0 don't count."""
        hits = [ops.equal(ops.argmax(logit, axis=-1), turn) for turn, logit in enumerate(prediction)]
        share = ops.mean(ops.cast(ops.stack(hits), "float32"), axis=0)
        self.mean.update_state(share, sample_weight=sample_weight)

    def result(self) -> KerasTensor:
        """Return the share so far."""
        return self.mean.result()


@TASKS.register("rotation")
class Rotation(Task):
    """Classification of the four quarter turns of every stamp.

    Args:
        consistency: weight of the divergence between what is predicted of the four.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (Number("consistency", 0.0, 100.0, default=0.0),)
    broken_by = frozenset({"orientation"})
    legend = "accuracy: share of the four quarter turns that are told right, 0.25 by chance"
    n_views = _TURNS

    def __init__(self, consistency: float = 0.0) -> None:
        self.consistency = consistency

    @classmethod
    def fit(
        cls, records: RecordsDirectory, columns: Mapping[str, np.ndarray], size: int, consistency: float = 0.0
    ) -> Self:
        """Nothing is to be learned beforehand."""
        return cls(consistency)

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], None]:
        """Return the stamp as it is and turned by 90, 180 and 270 degrees; exact, pixels only move."""
        return [flux, *(ops.rot90(flux, turn, axes=(1, 2)) for turn in range(1, _TURNS))], None

    def head(self, embeddings: list[KerasTensor]) -> list[KerasTensor]:
        """Return the logits [N, 4] of each copy, by one linear layer."""
        logits = keras.layers.Dense(_TURNS, dtype="float32", name="logits")
        return [logits(embedding) for embedding in embeddings]

    def loss(self, target: None, prediction: list[KerasTensor]) -> KerasTensor:
        """Return the mean cross-entropy over the four copies, and their divergence times its weight."""
        likeness = -sum(_log_likelihoods(prediction)) / _TURNS
        return likeness + self.consistency * divergence(prediction) if self.consistency else likeness

    @property
    def score_names(self) -> tuple[str, ...]:
        """``accuracy``."""
        return ("accuracy",)

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `RotationAccuracy`."""
        return [RotationAccuracy()]
