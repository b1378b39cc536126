"""Predict the catalogue's magnitudes from the stamp.

Source: Martinazzo, Espadoto & Hirata 2020, "Self-supervised learning for astronomical image classification",
arXiv 2004.11336. They scale magnitudes to 0..1 and keep objects detected in all bands; here each band is
standardised by its mean and deviation in the training split, and what is missing is masked.
"""

from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.dataset import read_columns
from astrokeras.pretext.base import TASKS, Scores, Task
from astrokeras.pretext.baselines import linear_baseline, mean_baseline
from astrokeras.records.directory import Records

_HIDDEN = 256
# Catalogues round to thousandths: a band of equal magnitudes must not divide by 0.
_SMALLEST_DEVIATION = 1e-3


def _absolute_error(truth: KerasTensor, prediction: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """|prediction - truth| with 0 where the truth is NaN, and the mask of where it is not.

    The truth is replaced before the subtraction: a NaN that is masked after it would still turn the gradient
    into NaN, since 0 times NaN is NaN.
    """
    known = ops.isfinite(truth)
    error = ops.abs(prediction - ops.where(known, truth, 0.0))
    return ops.where(known, error, 0.0), ops.cast(known, error.dtype)


class MagnitudeLoss(keras.losses.Loss):
    """Mean absolute error in standard deviations of each band, over the known magnitudes of an example.

    The sum over the known bands is divided by the number of all bands: a denominator that does not depend on the
    data makes the mean over replicas equal that of one device.

    Shapes:
        truth [N, B] with NaN where missing, prediction [N, B] -> [N]

    Units:
        in: mag; out: none
    """

    def __init__(self, deviation: np.ndarray, usable: np.ndarray) -> None:
        super().__init__(name="magnitude_loss")
        # A band without any magnitude in the training split weighs nothing elsewhere either.
        self.weight = (usable / deviation / len(deviation)).astype(np.float32)

    def call(self, y_true: KerasTensor, y_pred: KerasTensor) -> KerasTensor:
        """The loss of each example."""
        error, _ = _absolute_error(y_true, y_pred)
        return ops.sum(error * self.weight, axis=-1)


class MagnitudeErrors(keras.metrics.Metric):
    """Mean absolute error of the known magnitudes: ``mae`` over all bands and ``mae_BAND`` for each.

    Usable bands only. A band of which nothing is known in the data given is NaN.

    Units:
        mag
    """

    def __init__(self, bands: tuple[str, ...], usable: np.ndarray) -> None:
        super().__init__(name="magnitude_errors")
        self.bands = bands
        self.usable = usable
        self.total = self.add_variable(shape=(len(bands),), initializer="zeros", name="total")
        self.count = self.add_variable(shape=(len(bands),), initializer="zeros", name="count")

    def update_state(self, y_true: KerasTensor, y_pred: KerasTensor, sample_weight: Any = None) -> None:
        """Adds a batch; examples of weight 0 don't count."""
        error, known = _absolute_error(ops.cast(y_true, "float32"), ops.cast(y_pred, "float32"))
        weight = known * self.usable.astype(np.float32)
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
        self.total.assign_add(ops.sum(error * weight, axis=0))
        self.count.assign_add(ops.sum(weight, axis=0))

    def result(self) -> dict[str, KerasTensor]:
        """The errors by name."""
        per_band = ops.divide(self.total, self.count)
        named = {f"mae_{band}": per_band[i] for i, band in enumerate(self.bands) if self.usable[i]}
        return {"mae": ops.sum(self.total) / ops.sum(self.count), **named}


@TASKS.register("magnitudes")
class Magnitudes(Task):
    """Regression of the magnitudes of every band.

    Args:
        bands: names.
        mean: of each band over the known magnitudes of the training split; 0 where there are none.
        deviation: their standard deviation; 1 where there are none.
        usable: which bands have known magnitudes in the training split.
    """

    fields = ("magnitudes",)
    # The size, because the magnitudes may be those of a fixed aperture.
    breaks = frozenset({"brightness", "colours", "size"})

    def __init__(self, bands: tuple[str, ...], mean: np.ndarray, deviation: np.ndarray, usable: np.ndarray) -> None:
        self.bands = bands
        self.mean = mean
        self.deviation = deviation
        self.usable = usable

    @classmethod
    def fit(cls, records: Records) -> Self:
        """Measures the mean and deviation of each band on the training split.

        Raises:
            AstrokerasError: no record has any magnitude.
        """
        magnitudes = np.ma.masked_invalid(read_columns(records, "train")["magnitudes"].astype(np.float64))
        usable = ~np.ma.getmaskarray(magnitudes).all(axis=0)
        if not usable.any():
            raise AstrokerasError(
                f"the training split of {records.path} has no magnitudes, which task 'magnitudes' predicts; "
                "convert with --magnitudes 'COLUMN_{band}'"
            )
        mean = magnitudes.mean(axis=0).filled(0.0)
        deviation = np.maximum(magnitudes.std(axis=0).filled(1.0), _SMALLEST_DEVIATION)
        return cls(records.bands, mean, deviation, usable)

    @property
    def notes(self) -> list[str]:
        """The bands that are left out."""
        missing = [band for band, usable in zip(self.bands, self.usable, strict=True) if not usable]
        if not missing:
            return []
        return [f"no magnitudes in the training split for {', '.join(missing)}: left out of the task"]

    def target(self, fields: Mapping[str, KerasTensor]) -> KerasTensor:
        """The magnitudes [N, B], NaN where missing."""
        return fields["magnitudes"]

    def head(self, embedding: KerasTensor) -> KerasTensor:
        """One hidden layer; the last layer turns standard deviations into magnitudes [N, B]."""
        x = keras.layers.Dense(_HIDDEN, activation="relu", name="hidden")(embedding)
        x = keras.layers.Dense(len(self.bands), dtype="float32", name="standardised")(x)
        return keras.layers.Rescaling(self.deviation.tolist(), self.mean.tolist(), dtype="float32", name="magnitudes")(
            x
        )

    def loss(self) -> keras.losses.Loss:
        """See `MagnitudeLoss`."""
        return MagnitudeLoss(self.deviation, self.usable)

    @property
    def score_names(self) -> tuple[str, ...]:
        """``mae`` and ``mae_BAND`` of the usable bands."""
        return ("mae", *(f"mae_{band}" for band, usable in zip(self.bands, self.usable, strict=True) if usable))

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `MagnitudeErrors`."""
        return [MagnitudeErrors(self.bands, self.usable)]

    def baselines(self, records: Records, split: str, size: int | None) -> dict[str, Scores]:
        """The mean of the training split, and a linear regression on aperture fluxes."""
        return {
            "baseline_mean": mean_baseline(records, split, self.mean, self.usable),
            "baseline_linear": linear_baseline(records, split, self.usable, size),
        }
