"""Tell two views of the same stamp from the views of all others.

Source: Chen, Kornblith, Norouzi & Hinton 2020, "A simple framework for contrastive learning of visual representations",
ICML (arXiv 2002.05709): the normalised temperature-scaled cross-entropy (NT-Xent, their equation 1) between projections
by a network of one hidden layer; the embedding before the projection is what is kept.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor

from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import Number, Parameter
from astrokeras.tasks.base import TASKS, Fields, Task
from astrokeras.tasks.pairs import VIEW_PARAMETERS, Retrieval, Spread, TwoViews, nt_xent, projector

_PROJECTION = 128


@TASKS.register("contrastive")
class Contrastive(Task):
    """NT-Xent over two augmented views, with the views of all replicas as negatives.

    Args:
        make: of the views.
        temperature: by which the cosines are divided.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Number("temperature", 0.01, 10.0, default=0.1),
        *VIEW_PARAMETERS,
    )
    legend = "retrieval: share of the stamps whose views find each other in their batch; spread: 1 even, 0 collapsed"
    n_views = 2

    def __init__(self, make: TwoViews, temperature: float) -> None:
        self.make = make
        self.temperature = temperature
        self.n_draws = make.n_draws

    @classmethod
    def fit(
        cls,
        records: RecordsDirectory,
        columns: Mapping[str, np.ndarray],
        size: int,
        temperature: float = 0.1,
        **views: Any,
    ) -> Self:
        """Return the task; its views, see `TwoViews`, need the sky of the records."""
        return cls(TwoViews(records, **views), temperature)

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], KerasTensor]:
        """Two views of each stamp; the target says which stamps are no padding."""
        return self.make(flux, draws), fields["weight"]

    def head(self, embeddings: list[KerasTensor]) -> list[KerasTensor]:
        """Return the projections [N, 128] of both views."""
        project = projector({"hidden": embeddings[0].shape[-1], "projection": _PROJECTION}, normalised=False)
        return [project(embedding) for embedding in embeddings]

    def loss(self, target: KerasTensor, prediction: list[KerasTensor]) -> KerasTensor:
        """Return the mean of the losses of both views.

        Each has to find the other among the 2 N - 2 views of other stamps.
        """
        first, second = (
            nt_xent(*views, target, self.temperature, self.replicas) for views in (prediction, prediction[::-1])
        )
        return 0.5 * (first + second)

    @property
    def score_names(self) -> tuple[str, ...]:
        """``retrieval`` and ``spread``."""
        return ("retrieval", "spread")

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `Retrieval` and `Spread`."""
        return [Retrieval(self.replicas), Spread(_PROJECTION)]
