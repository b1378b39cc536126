"""Tell by how much a stamp was turned, shifted and magnified between two views.

Source: Zhang, Qi, Wang & Luo 2019, "AET vs. AED: unsupervised representation learning by auto-encoding
transformations rather than data", CVPR (arXiv 1901.04596): the embeddings of the image and of its transformed copy
together predict the parameters of the transformation, by squared error. Continuous parameters of rotation, shift and
zoom as in Guo et al. 2020 (ICPR).

Here both views are seen through the same circle and magnified at least so much that neither reaches over the edge of
the stamp: no corner, border or missing pixel betrays the answer. An angle is predicted by its cosine and sine.
"""

import math
from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.pipeline.augmentations.resampling import resample
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.base import TASKS, Fields, Scores, Task
from astrokeras.tasks.turning import span, turning, within_circle

_HIDDEN = 256
# Largest shift along an axis, as a share of the stamp's side, and largest zoom between the views.
_SHIFT = 0.05
_ZOOM = 1.17
# So that a circle as wide as the stamp, divided by this over the zoom and shifted, stays within the stamp.
_MAGNIFIED = 1.35
_N_PARAMETERS = 5


def _errors(target: KerasTensor, prediction: KerasTensor) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """Return the angle between the turns in radians, the distance of the shifts and the ratio of the logarithmic zooms.

    Shapes:
        parameters [N, 5] as in `Transformation.views` -> [N] each
    """
    cross = target[:, 0] * prediction[:, 1] - target[:, 1] * prediction[:, 0]
    along = target[:, 0] * prediction[:, 0] + target[:, 1] * prediction[:, 1]
    angle = ops.abs(ops.arctan2(cross, along))
    distance = ops.sqrt(ops.sum((target[:, 2:4] - prediction[:, 2:4]) ** 2, axis=-1))
    return angle, distance, ops.abs(target[:, 4] - prediction[:, 4])


class TransformationErrors(keras.metrics.Metric):
    """Mean absolute errors: ``turn`` in degrees, ``shift`` in pixels of the stamp, ``zoom`` in percent."""

    def __init__(self, size: int) -> None:
        super().__init__(name="transformation_errors")
        self.units = {"turn": math.degrees(1.0), "shift": _SHIFT * size, "zoom": 1.0}
        self.means = [keras.metrics.Mean(name=name) for name in self.units]

    def update_state(self, target: KerasTensor, prediction: KerasTensor, sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0 don't count."""
        turn, shift, zoom = _errors(target, prediction)
        percent = 100.0 * (ops.exp(zoom * math.log(_ZOOM)) - 1.0)
        for mean, error in zip(self.means, (turn, shift, percent), strict=True):
            mean.update_state(error, sample_weight=sample_weight)

    def result(self) -> dict[str, KerasTensor]:
        """Return the errors by name."""
        return {name: mean.result() * unit for mean, (name, unit) in zip(self.means, self.units.items(), strict=True)}


@TASKS.register("transformation")
class Transformation(Task):
    """Regression of a random turn by any angle, shift and zoom.

    Args:
        size: side of the stamps in pixels.
    """

    legend = "mean errors: turn in degrees, shift in pixels, zoom in percent"
    errors = True
    n_draws = 4
    n_views = 2

    def __init__(self, size: int) -> None:
        self.size = size

    @classmethod
    def fit(cls, records: RecordsDirectory, columns: Mapping[str, np.ndarray], size: int) -> Self:
        """Return the shift is a share of the side of the stamps."""
        return cls(size)

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], KerasTensor]:
        """Return the magnified stamp, the same transformed, and how: cosine, sine, shift y and x, log zoom.

        The shift is in units of the largest (pixels of the stamp), the logarithm of the zoom in that of the largest.
        """
        angle = span(draws[:, 0], -math.pi, math.pi)
        shift = span(draws[:, 1:3], -1.0, 1.0)
        zoom = span(draws[:, 3], -1.0, 1.0)
        target = ops.concatenate([ops.cos(angle)[:, None], ops.sin(angle)[:, None], shift, zoom[:, None]], axis=-1)
        still = ops.zeros_like(angle)
        # A view magnified by m takes what lies at 1 / m of an offset.
        scale = ops.exp(-math.log(_ZOOM) * zoom) / _MAGNIFIED
        reference = resample(flux, turning(still) / _MAGNIFIED, ops.zeros_like(shift), self.size)
        moved = resample(flux, turning(angle) * scale[:, None, None], shift * (_SHIFT * self.size), self.size)
        return [within_circle(reference), within_circle(moved)], target

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """One hidden layer on both embeddings, then the five parameters."""
        x = keras.layers.Concatenate(name="both")(embeddings)
        x = keras.layers.Dense(_HIDDEN, activation="relu", name="hidden")(x)
        return keras.layers.Dense(_N_PARAMETERS, dtype="float32", name="parameters")(x)

    def loss(self, target: KerasTensor, prediction: KerasTensor) -> KerasTensor:
        """Half the squared error over the five parameters."""
        return 0.5 * ops.sum((target - prediction) ** 2, axis=-1)

    @property
    def score_names(self) -> tuple[str, ...]:
        """``turn``, ``shift`` and ``zoom``."""
        return ("turn", "shift", "zoom")

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `TransformationErrors`."""
        return [TransformationErrors(self.size)]

    def baselines(self, source: Source, split: str) -> dict[str, Scores]:
        """Return what is expected of always answering the middle: no shift, no zoom, any angle."""
        u = (np.arange(1000) + 0.5) / 1000
        distance = np.sqrt((2 * u[:, None] - 1) ** 2 + (2 * u - 1) ** 2).mean() * _SHIFT * self.size
        return {"baseline_mean": {"turn": 90.0, "shift": distance, "zoom": 100 * (_ZOOM**u - 1).mean()}}
