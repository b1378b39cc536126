"""Predict the catalogue's magnitudes from the stamp.

Source: Martinazzo, Espadoto & Hirata 2020, "Self-supervised learning for astronomical image classification",
arXiv 2004.11336. They scale magnitudes to 0..1 and keep objects detected in all bands; here each band is
standardised by its mean and deviation in the training split, and what is missing is masked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import Parameter, Word
from astrokeras.tasks.base import TASKS, Curves, Fields, Scores, Task, Told
from astrokeras.tasks.residuals import by_magnitude, residual_scores

_HIDDEN = 256
# Catalogues round to thousandths: a band of equal magnitudes must not divide by 0.
_SMALLEST_DEVIATION = 1e-3
# Where Huber's loss goes over from the square to the absolute error, in magnitudes.
_HUBER = 0.1


def _absolute_error(truth: KerasTensor, prediction: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """|prediction - truth| with 0 where the truth is NaN, and the mask of where it is not.

    The truth is replaced before the subtraction: a NaN that is masked after it would still turn the gradient
    into NaN, since 0 times NaN is NaN.
    """
    known = ops.isfinite(truth)
    error = ops.abs(prediction - ops.where(known, truth, 0.0))
    return ops.where(known, error, 0.0), ops.cast(known, error.dtype)


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

    def update_state(self, target: Fields, prediction: KerasTensor, sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0 don't count."""
        error, known = _absolute_error(ops.cast(target["magnitudes"], "float32"), ops.cast(prediction, "float32"))
        weight = known * self.usable.astype(np.float32)
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
        self.total.assign_add(ops.sum(error * weight, axis=0))
        self.count.assign_add(ops.sum(weight, axis=0))

    def result(self) -> dict[str, KerasTensor]:
        """Return the errors by name."""
        per_band = ops.divide(self.total, self.count)
        named = {f"mae_{band}": per_band[i] for i, band in enumerate(self.bands) if self.usable[i]}
        return {"mae": ops.sum(self.total) / ops.sum(self.count), **named}


def _huber(error: KerasTensor) -> KerasTensor:
    """Return the absolute error less half of `_HUBER`, and below that its square: smooth at 0, of slope 1 beyond.

    Source: Huber 1964, Ann. Math. Stat. 35, 73, divided by the point where the halves meet.
    """
    return ops.where(error < _HUBER, error**2 / (2 * _HUBER), error - _HUBER / 2)


@TASKS.register("magnitudes")
class Magnitudes(Task):
    """Regression of the magnitudes of every band.

    Args:
        bands: names.
        mean: of each band over the known magnitudes of the training split; 0 where there are none.
        deviation: their standard deviation; 1 where there are none.
        usable: which bands have known magnitudes in the training split.
        huber: Huber's loss instead of the absolute error.
        typical_error: median catalogue error of each band, if errors weigh; an object weighs
            ``2 / (1 + (error / typical)²)``: inverse variances with a floor, 1 at the typical error and where the error
            is not known.

    Units:
        mag
    """

    fields = ("magnitudes", "magnitude_errors")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Word("loss", ("absolute", "huber"), default="absolute"),
        Word("weights", ("equal", "errors"), default="equal"),
    )
    # The size, because the magnitudes may be those of a fixed aperture.
    broken_by = frozenset({"brightness", "colours", "size"})
    legend = "errors in magnitudes"
    errors = True

    def __init__(
        self,
        bands: tuple[str, ...],
        mean: np.ndarray,
        deviation: np.ndarray,
        usable: np.ndarray,
        huber: bool = False,
        typical_error: np.ndarray | None = None,
    ) -> None:
        self.bands = bands
        self.mean = mean
        self.deviation = deviation
        self.usable = usable
        self.huber = huber
        self.typical_error = typical_error
        # Over all bands, a denominator that does not depend on the data: then the mean over replicas is that of one
        # device. A band without any magnitude in the training split weighs nothing elsewhere either.
        self.scale = (usable / deviation / len(deviation)).astype(np.float32)
        self._fitted: np.ndarray | None = None  # what the linear baseline predicts

    @classmethod
    def fit(
        cls,
        records: RecordsDirectory,
        columns: Mapping[str, np.ndarray],
        size: int,
        loss: str = "absolute",
        weights: str = "equal",
    ) -> Self:
        """Measures the mean and deviation of each band on the training split.

        Raises:
            AstrokerasError: no record has any magnitude, or none an error and errors shall weigh.
        """
        magnitudes = np.ma.masked_invalid(columns["magnitudes"].astype(np.float64))
        usable = ~np.ma.getmaskarray(magnitudes).all(axis=0)
        if not usable.any():
            raise AstrokerasError(
                f"the training split of {records.path} has no magnitudes, which task 'magnitudes' predicts; "
                "convert with --magnitudes 'COLUMN_{band}'"
            )
        mean = magnitudes.mean(axis=0).filled(0.0)
        deviation = np.maximum(magnitudes.std(axis=0).filled(1.0), _SMALLEST_DEVIATION)
        typical = _typical_errors(records, columns["magnitude_errors"]) if weights == "errors" else None
        return cls(records.bands, mean, deviation, usable, loss == "huber", typical)

    @property
    def notes(self) -> list[str]:
        """The bands that are left out."""
        missing = [band for band, usable in zip(self.bands, self.usable, strict=True) if not usable]
        if not missing:
            return []
        return [f"no magnitudes in the training split for {', '.join(missing)}: left out of the task"]

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], Any]:
        """Return the stamp as it is; ``magnitudes`` [N, B], NaN where missing, and ``magnitude_errors``."""
        return [flux], {name: fields[name] for name in self.fields}

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """One hidden layer; the last layer turns standard deviations into magnitudes [N, B]."""
        x = keras.layers.Dense(_HIDDEN, activation="relu", name="hidden")(embeddings[0])
        x = keras.layers.Dense(len(self.bands), dtype="float32", name="standardised")(x)
        return keras.layers.Rescaling(self.deviation.tolist(), self.mean.tolist(), dtype="float32", name="magnitudes")(
            x
        )

    def loss(self, target: Fields, prediction: KerasTensor) -> KerasTensor:
        """Return the error of known magnitudes in standard deviations, summed, over the number of all bands."""
        error, known = _absolute_error(target["magnitudes"], prediction)
        if self.huber:
            error = _huber(error)
        if self.typical_error is not None:
            ratio = target["magnitude_errors"] / self.typical_error
            # As with magnitudes, NaN has to go before it meets a gradient.
            ratio = ops.where(ops.isfinite(ratio), ratio, 1.0)
            error = error * 2.0 / (1.0 + ratio**2)
        return ops.sum(error * known * self.scale, axis=-1)

    @property
    def score_names(self) -> tuple[str, ...]:
        """``mae`` and ``mae_BAND`` of the usable bands."""
        return ("mae", *(f"mae_{band}" for band, usable in zip(self.bands, self.usable, strict=True) if usable))

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `MagnitudeErrors`."""
        return [MagnitudeErrors(self.bands, self.usable)]

    @classmethod
    def told(cls, name: str, prediction: np.ndarray, bands: Sequence[str]) -> list[Told]:
        """``predicted_BAND``, in mag."""
        return [
            Told(f"predicted_{band}", prediction[:, number], "mag", f"magnitude_{band}")
            for number, band in enumerate(bands)
        ]

    def baselines(self, source: Source, split: str) -> dict[str, Scores]:
        """Return the mean of the training split, and a linear regression on aperture fluxes."""
        # photutils takes a second to import, which nothing else here needs.
        from astrokeras.tasks.baselines import linear_magnitudes  # noqa: PLC0415

        truth, self._fitted = linear_magnitudes(source, split, self.usable)
        predictions = {"baseline_mean": np.broadcast_to(self.mean, truth.shape), "baseline_linear": self._fitted}
        return {name: residual_scores(truth, one, self.bands, self.usable) for name, one in predictions.items()}

    def look_closer(
        self, source: Source, split: str, answers: Callable[[], np.ndarray]
    ) -> dict[str, tuple[Scores, Curves]]:
        """``bias`` and ``nmad``, and of each band with the mean error by magnitude, beside those of the linear fit."""
        truth = source.columns(split, ["magnitudes"])["magnitudes"].astype(np.float64)
        predictions = {"val": answers().astype(np.float64)}
        if self._fitted is not None:
            predictions["baseline_linear"] = self._fitted
        of = (self.bands, self.usable)
        return {
            method: (
                {k: v for k, v in residual_scores(truth, one, *of).items() if not k.startswith("mae")},
                by_magnitude(truth, one, *of),
            )
            for method, one in predictions.items()
        }


def _typical_errors(records: RecordsDirectory, errors: np.ndarray) -> np.ndarray:
    """Return the median of the positive errors of each band, [B] float32; 1 for a band that has none."""
    known = np.ma.masked_where(~(np.isfinite(errors) & (errors > 0)), errors)
    if np.ma.getmaskarray(known).all():
        raise AstrokerasError(
            f"the training split of {records.path} has no magnitude errors, by which magnitudes(weights=errors) "
            "weighs; convert with --magnitude-errors 'COLUMN_{band}', or leave weights=errors out"
        )
    return np.ma.median(known, axis=0).filled(1.0).astype(np.float32)
