"""Predict what can be measured on the stamp itself: magnitude, colours, radius, ellipticity and concentration.

No catalogue is needed. The measurements are those of SEP, see `survey.measure`: total magnitudes within Kron's ellipse
and the shape on the sum of the bands. After Martinazzo, Espadoto & Hirata 2020 (arXiv 2004.11336), whose targets are
the magnitudes of a catalogue (task `magnitudes`); measured are those of the stamps as they are cropped, once before the
training. On levels of JPEG and PNG pictures, which are no linear measure of flux, they are what they are there: numbers
that order the objects by brightness and colour.

SEP fails on some objects and errs on others: targets are brought to a common scale by median and median absolute
deviation, and the loss is Huber's (1964, Ann. Math. Stat. 35, 73), which bounds what one of them can do.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.survey.stamps import MAD_TO_SIGMA
from astrokeras.tasks.base import TASKS, Fields, Scores, Task

_FIELD = "photometry"
_HIDDEN = 256
_SMALLEST_DEVIATION = 1e-3
_SHAPES = ("half_light_radius", "ellipticity", "concentration")


def photometric_targets(measured: KerasTensor, reference: int) -> KerasTensor:
    """Return the magnitude in the reference band, the colours of bands that follow each other, and the shape.

    Shapes:
        measured [N, B + 3] as `measuring.measure_batch` gives it -> [N, B + 3]

    Units:
        mag, dex of pixels for the radius; NaN where not known
    """
    n_bands = measured.shape[-1] - len(_SHAPES)
    magnitudes, shape = measured[:, :n_bands], measured[:, n_bands:]
    colours = magnitudes[:, :-1] - magnitudes[:, 1:]
    return ops.concatenate([magnitudes[:, reference : reference + 1], colours, shape], axis=-1)


def _as_targets(measured: np.ndarray, reference: int) -> np.ndarray:
    return ops.convert_to_numpy(photometric_targets(measured.astype(np.float32), reference))


def _errors(target: KerasTensor, prediction: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """|prediction - target|, 0 where the target is NaN, and the mask of where it is not.

    The target is replaced before the subtraction, or its NaN would reach the gradient.
    """
    known = ops.isfinite(target)
    error = ops.abs(prediction - ops.where(known, target, 0.0))
    return ops.where(known, error, 0.0), ops.cast(known, error.dtype)


class PhotometryErrors(keras.metrics.Metric):
    """Mean absolute error of each target that is known.

    Args:
        names: of the targets.
        usable: which of them count.

    Units:
        those of the targets
    """

    def __init__(self, names: tuple[str, ...], usable: np.ndarray) -> None:
        super().__init__(name="photometry_errors")
        self.names, self.usable = names, usable
        self.total = self.add_variable(shape=(len(names),), initializer="zeros", name="total")
        self.count = self.add_variable(shape=(len(names),), initializer="zeros", name="count")

    def update_state(self, target: KerasTensor, prediction: KerasTensor, sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0 don't count."""
        error, known = _errors(target, prediction)
        if sample_weight is not None:
            known = known * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
        self.total.assign_add(ops.sum(error * known, axis=0))
        self.count.assign_add(ops.sum(known, axis=0))

    def result(self) -> dict[str, KerasTensor]:
        """Return the errors by name; NaN of what is not known in the data given."""
        mean = ops.divide(self.total, self.count)
        return {name: mean[i] for i, name in enumerate(self.names) if self.usable[i]}


@TASKS.register("photometry")
class Photometry(Task):
    """Regression of measured photometry.

    Args:
        bands: names.
        reference: number of the band whose magnitude is predicted.
        centre: median of each target in the training split; 0 where nothing is known.
        deviation: their scaled median absolute deviation; 1 where nothing is known.
        usable: which targets are known for any stamp of the training split.
        measured: share of the stamps of the training split on which an object was found.

    Units:
        mag, dex of pixels for the radius
    """

    derived_fields = (_FIELD,)
    # Blurring makes objects larger and rounder than they were measured.
    broken_by = frozenset({"brightness", "colours", "size", "resolution"})
    legend = "mean errors: magnitude and colours in mag, half_light_radius in dex, the others as they are"
    errors = True

    def __init__(
        self,
        bands: tuple[str, ...],
        reference: int,
        centre: np.ndarray,
        deviation: np.ndarray,
        usable: np.ndarray,
        measured: float,
    ) -> None:
        self.reference, self.centre, self.deviation = reference, centre, deviation
        self.usable, self.measured = usable, measured
        colours = (f"{blue}-{red}" for blue, red in itertools.pairwise(bands))
        self.names = (f"magnitude_{bands[reference]}", *colours, *_SHAPES)
        # Over all targets: a denominator that does not depend on the data, see `Task.loss`.
        self.weight = (usable / len(usable)).astype(np.float32)
        self.scale = deviation.astype(np.float32)

    @classmethod
    def make_fields(cls, source: Source, report: Callable[[str], None], **options: Any) -> None:
        """Measures the training and the validation split, unless the source has the measurements."""
        splits = [s for s in ("train", "val") if source.records.counts.get(s) and not source.has(_FIELD, s)]
        if not splits:
            return
        # SEP is needed for nothing else here.
        from astrokeras.tasks.measuring import measure_split  # noqa: PLC0415

        source.add(_FIELD, {split: measure_split(source, split, report) for split in splits})

    @classmethod
    def fit(cls, records: RecordsDirectory, columns: Mapping[str, np.ndarray], size: int) -> Self:
        """Find the middle and the scatter of each target, and the band that is known most often (the first of equals).

        Raises:
            AstrokerasError: there was no object on any stamp.
        """
        measured = columns[_FIELD]
        known = np.isfinite(measured)
        if not known.any():
            raise AstrokerasError(
                f"nothing could be measured on the {len(measured)} training stamps of {records.path}, cropped to "
                f"{size} pixels: task 'photometry' needs an object in their middle"
            )
        reference = int(np.argmax(known[:, : len(records.bands)].sum(axis=0)))
        targets = np.ma.masked_invalid(_as_targets(measured, reference))
        usable = ~np.ma.getmaskarray(targets).all(axis=0)
        centre = np.ma.median(targets, axis=0)
        scatter = MAD_TO_SIGMA * np.ma.median(np.ma.abs(targets - centre), axis=0).filled(1.0)
        # More than half of the values can be equal.
        scatter = np.where(scatter > _SMALLEST_DEVIATION, scatter, targets.std(axis=0).filled(1.0))
        deviation = np.maximum(scatter, _SMALLEST_DEVIATION)
        share = float(known.any(axis=1).mean())
        return cls(records.bands, reference, centre.filled(0.0), deviation, usable, share)

    @property
    def notes(self) -> list[str]:
        """How many stamps have an object that could be measured, and what is left out."""
        notes = [f"photometry: an object was found on {self.measured:.1%} of the training stamps"]
        missing = [name for name, usable in zip(self.names, self.usable, strict=True) if not usable]
        return notes + ([f"photometry: {', '.join(missing)} left out, known for no stamp"] if missing else [])

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], KerasTensor]:
        """Return the stamp as it is, and `photometric_targets` it [N, T], NaN where not known."""
        return [flux], photometric_targets(ops.cast(fields[_FIELD], "float32"), self.reference)

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """One hidden layer; the last layer turns deviations into the targets' units [N, T]."""
        x = keras.layers.Dense(_HIDDEN, activation="relu", name="hidden")(embeddings[0])
        x = keras.layers.Dense(len(self.names), dtype="float32", name="standardised")(x)
        scaled = keras.layers.Rescaling(self.deviation.tolist(), self.centre.tolist(), dtype="float32", name=_FIELD)
        return scaled(x)

    def loss(self, target: KerasTensor, prediction: KerasTensor) -> KerasTensor:
        """Huber's loss of the known targets in deviations, summed, divided by the number of all targets."""
        error, known = _errors(target, prediction)
        error = error / self.scale
        huber = ops.where(error < 1.0, 0.5 * error**2, error - 0.5)
        return ops.sum(huber * known * self.weight, axis=-1)

    @property
    def score_names(self) -> tuple[str, ...]:
        """The usable ones of ``magnitude_BAND``, the colours ``BLUE-RED``, and the three of the shape."""
        return tuple(name for name, usable in zip(self.names, self.usable, strict=True) if usable)

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `PhotometryErrors`."""
        return [PhotometryErrors(self.names, self.usable)]

    def baselines(self, source: Source, split: str) -> dict[str, Scores]:
        """Return the median of the training split, and a linear regression on aperture fluxes."""
        # photutils takes a second to import, which nothing else here needs.
        from astrokeras.tasks.baselines import linear_fit  # noqa: PLC0415

        truth, fitted = linear_fit(source, split, _FIELD, lambda measured: _as_targets(measured, self.reference))
        return {
            "baseline_median": self._scores(truth, np.broadcast_to(self.centre, truth.shape)),
            "baseline_linear": self._scores(truth, fitted),
        }

    def _scores(self, truth: np.ndarray, prediction: np.ndarray) -> Scores:
        error = np.ma.masked_invalid(np.abs(prediction - truth)).mean(axis=0).filled(np.nan)
        return {name: float(error[i]) for i, name in enumerate(self.names) if self.usable[i]}
