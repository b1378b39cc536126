"""Make two views of a stamp alike, while every feature keeps its variance and no two say the same.

Source: Bardes, Ponce & LeCun 2022, "VICReg: variance-invariance-covariance regularization for self-supervised
learning", ICLR (arXiv 2105.04906), by their algorithm 1: weights 25, 25 and 1, target deviation 1, epsilon 1e-4, the
squared error as a mean over features too. The expander has their three layers, but 512 features instead of 8192. No
negatives, so that small batches do.
"""

from collections.abc import Mapping
from typing import Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.base import TASKS, Fields, Task
from astrokeras.tasks.pairs import Retrieval, Spread, TwoViews, projector

_WIDTH = 512
_INVARIANCE, _VARIANCE, _COVARIANCE = 25.0, 25.0, 1.0
_EPSILON = 1e-4


@TASKS.register("vicreg")
class VICReg(Task):
    """Invariance, variance and covariance of the expanded embeddings of two views.

    Args:
        make: of the views.
    """

    legend = "retrieval: share of the stamps whose views find each other in their batch; spread: 1 even, 0 collapsed"
    n_views = 2

    def __init__(self, make: TwoViews) -> None:
        self.make = make
        self.n_draws = make.n_draws

    @classmethod
    def fit(cls, records: RecordsDirectory, columns: Mapping[str, np.ndarray], size: int) -> Self:
        """Return the views need the sky."""
        return cls(TwoViews(records))

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], KerasTensor]:
        """Two views of each stamp; the target says which stamps are no padding."""
        return self.make(flux, draws), fields["weight"]

    def head(self, embeddings: list[KerasTensor]) -> list[KerasTensor]:
        """Return the expanded embeddings [N, 512] of both views."""
        expand = projector({"first": _WIDTH, "second": _WIDTH, "expanded": _WIDTH}, normalised=True)
        return [expand(embedding) for embedding in embeddings]

    def loss(self, target: KerasTensor, prediction: list[KerasTensor]) -> KerasTensor:
        """Return the squared error of each example; the terms over the batch are the same for all of them."""
        weight = self.replicas.gather(target)
        spread = sum(_regularisation(self.replicas.gather(view), weight) for view in prediction)
        return _INVARIANCE * ops.mean((prediction[0] - prediction[1]) ** 2, axis=-1) + spread

    @property
    def score_names(self) -> tuple[str, ...]:
        """``retrieval`` and ``spread``."""
        return ("retrieval", "spread")

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `Retrieval` and `Spread`."""
        return [Retrieval(self.replicas), Spread(_WIDTH)]


def _regularisation(view: KerasTensor, weight: KerasTensor) -> KerasTensor:
    """How much the deviations stay below 1, and the covariances, both with their weights; [N, D], [N] -> []."""
    count = ops.maximum(ops.sum(weight), 2.0)
    centred = (view - ops.sum(view * weight[:, None], axis=0) / count) * weight[:, None]
    covariance = ops.matmul(ops.transpose(centred), centred) / (count - 1.0)
    variances = ops.diagonal(covariance)
    short = ops.mean(ops.relu(1.0 - ops.sqrt(variances + _EPSILON)))
    shared = (ops.sum(covariance**2) - ops.sum(variances**2)) / view.shape[-1]
    return _VARIANCE * short + _COVARIANCE * shared
