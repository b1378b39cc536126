"""Predict numbers: a redshift, a mass, several at once.

Sources: several numbers from one network, each standardised, as Ruede et al. 2020 (arXiv 2011.01082) learn several
properties of one picture together; the robust loss of Huber 1964 (Ann. Math. Stat. 35, 73), r²/2 up to δ and
δ (r - δ/2) beyond; the Gaussian likelihood with a predicted variance of Nix & Weigend 1994 (Proc. IEEE ICNN 1, 55),
r²/(2σ²) + ln σ. Scores of redshifts as in Hildebrandt et al. 2010 (A&A 523, A31): Δz/(1 + z), outliers beyond 0.15.
Calibration of the uncertainty after Kuleshov, Fenner & Ermon 2018 (arXiv 1807.00263), section 3.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.joined import MixtureMoments
from astrokeras.models.outputs import GaussianOutput, clipped_log
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import ColumnNames, Flag, Number, Parameter, Text, Word
from astrokeras.tasks.known import KnownMean, masked, numbers_of, ranges_of
from astrokeras.tasks.label_columns import LabelColumns, Labels
from astrokeras.tasks.number_scores import number_scores
from astrokeras.tasks.ridge import ridge_regression
from astrokeras.tasks.target import TARGETS, Encoded, Output, Target
from astrokeras.tasks.written import numbers, text, texts

_SMALLEST = 1e-6  # deviation of labels that are all the same
_REDSHIFTS = ("z", "redshift", "zspec", "z_spec", "spec_z", "specz", "zphot", "z_phot", "photo_z", "photoz")
_STRATA = 5


@dataclasses.dataclass(frozen=True)
class RegressionOptions:
    """How numbers are learned.

    Attributes:
        loss: ``squared``, ``absolute`` or ``huber``, of the residual in standard deviations of the training labels.
        delta: where ``huber`` goes over from the square to the absolute value, in the same unit.
        uncertainty: whether the standard deviation of each number is predicted too, by a Gaussian likelihood.
        residual: ``redshift`` where the scores are those of Δz/(1 + z), or ``plain``; ``auto`` goes by the names.
        unit: of the numbers, "" for none.
    """

    loss: str = "squared"
    delta: float = 0.5
    uncertainty: bool = False
    residual: str = "auto"
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class LabelStatistics:
    """What the training labels are, [C] each.

    Attributes:
        mean: of the numbers.
        deviation: their standard deviation.
        typical: their median error.
        edges: of the ranges of the first number by which draws are stratified.
    """

    mean: np.ndarray
    deviation: np.ndarray
    typical: np.ndarray
    edges: np.ndarray


@TARGETS.register("regression")
class Regression(Target):
    """Regression of the numbers in one column or several.

    Args:
        names: of the C columns.
        error_names: the columns with the standard errors of the labels, as many, or none. Labels weigh
            2 / (1 + (error / typical error)²), or, where the uncertainty is predicted, their variance adds to it.
        options: how.
        measured: on the training labels.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        ColumnNames("labels"),
        Text("errors", ""),
        Word("loss", ("squared", "absolute", "huber"), "squared"),
        Number("delta", 0.001, 100.0, 0.5),
        Flag("uncertainty"),
        Word("residual", ("auto", "plain", "redshift"), "auto"),
        Text("unit", ""),
    )
    legend = "mae: mean absolute error of the known numbers, in their unit"
    errors = True
    constant_name: ClassVar[str] = "always the mean"
    photometric_name: ClassVar[str] = "linear fit on aperture fluxes"
    main_score: ClassVar[str] = "mae"

    def __init__(
        self,
        names: tuple[str, ...],
        error_names: tuple[str, ...],
        options: RegressionOptions,
        measured: LabelStatistics,
    ) -> None:
        self.numbers, self.error_names, self.options = tuple(names), tuple(error_names), options
        self.uncertainty = options.uncertainty
        parts = (measured.mean, measured.deviation, measured.typical, measured.edges)
        self.mean, self.deviation, self.typical, self.edges = (np.asarray(part, np.float64) for part in parts)
        named = all(name.lower() in _REDSHIFTS for name in self.numbers)
        self.redshift = named if options.residual == "auto" else options.residual == "redshift"

    @classmethod
    def columns(cls, labels: tuple[str, ...], errors: str = "", **options: Any) -> tuple[str, ...]:
        """Return the columns of the numbers and of their errors.

        Raises:
            UsageError: one column of errors for several numbers.
        """
        return (*labels, *_error_names(labels, errors))

    @classmethod
    def fit(
        cls,
        records: RecordsDirectory,
        columns: LabelColumns,
        size: int,
        *,
        names: Labels,
        errors: str = "",
        **options: Any,
    ) -> Self:
        """Measure the mean and deviation of each number in the training split.

        Raises:
            AstrokerasError: a number, or an error, is known of no object of the training split.
            UsageError: a robust loss together with a likelihood.
        """
        wanted = tuple(options.pop("labels"))
        chosen = RegressionOptions(**options)
        if chosen.uncertainty and chosen.loss != "squared":
            raise UsageError(
                f"--target regression: loss={chosen.loss} and uncertainty=true, which has a likelihood for its loss; "
                "leave one of them out"
            )
        values, error_names = numbers_of(columns, wanted).astype(np.float64), _error_names(wanted, errors)
        found = np.ma.masked_invalid(values)
        _nowhere(wanted, found)
        deviation = np.maximum(np.ma.filled(found.std(axis=0), 0.0), _SMALLEST)
        typical = np.ones(len(wanted))
        if error_names:
            known = np.ma.masked_invalid(numbers_of(columns, error_names).astype(np.float64))
            known = np.ma.masked_less_equal(known, 0.0)
            _nowhere(error_names, known)
            typical = np.ma.filled(np.ma.median(known, axis=0), 1.0)
        first = values[np.isfinite(values[:, 0]), 0]
        edges = np.unique(np.quantile(first, np.arange(1, _STRATA) / _STRATA))
        measured = LabelStatistics(np.ma.filled(found.mean(axis=0), 0.0), deviation, typical, edges)
        return cls(wanted, error_names, chosen, measured)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """See `Target.from_config`."""
        names, errors, found = texts(config, "names"), texts(config, "error_names"), config["measured"]
        if not names or len(errors) not in (0, len(names)):
            raise ValueError("it has no numbers, or other errors")
        parts = {name: numbers(found, name, len(names)) for name in ("mean", "deviation", "typical")}
        options = RegressionOptions(**config["options"])
        text(dataclasses.asdict(options), "unit")
        return cls(names, errors, options, LabelStatistics(**parts, edges=numbers(found, "edges")))

    @property
    def config(self) -> dict[str, Any]:
        """The columns, the options, and what was measured on the training split."""
        parts = {"mean": self.mean, "deviation": self.deviation, "typical": self.typical, "edges": self.edges}
        return {
            "names": list(self.numbers),
            "error_names": list(self.error_names),
            "options": dataclasses.asdict(self.options),
            "measured": {name: values.tolist() for name, values in parts.items()},
        }

    @property
    def width(self) -> int:
        """The number of numbers, and of their uncertainties."""
        return len(self.numbers) * (2 if self.uncertainty else 1)

    @property
    def derived_fields(self) -> tuple[str, ...]:
        """``regression:COLUMNS``, and ``regression:COLUMNS`` of the errors."""
        return tuple(f"regression:{','.join(names)}" for names in (self.numbers, self.error_names) if names)

    def encode(self, labels: LabelColumns) -> dict[str, np.ndarray]:
        """Return the numbers, and their errors, [N, C] float32; NaN where missing or no positive error."""
        found = {self.derived_fields[0]: numbers_of(labels, self.numbers)}
        if self.error_names:
            errors = numbers_of(labels, self.error_names)
            found[self.derived_fields[1]] = np.where(errors > 0, errors, np.float32(np.nan))
        return found

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """Return standardised numbers [N, C], and the logarithms of their deviations, [N, 2C], by one linear layer."""
        return keras.layers.Dense(self.width, dtype="float32", name="standardised")(embeddings[0])

    def activate(self, prediction: KerasTensor) -> KerasTensor:
        """Return the numbers [N, C], and their standard deviations, [N, 2C], in their unit."""
        scale, offset = self.deviation.tolist(), self.mean.tolist()
        if self.uncertainty:
            return GaussianOutput(scale, offset, name="numbers")(prediction)
        return keras.layers.Rescaling(scale, offset, dtype="float32", name="numbers")(prediction)

    def mean(self, predictions: list[KerasTensor]) -> KerasTensor:
        """Return the mean; with uncertainties the moments of the mixture, see `MixtureMoments`."""
        if not self.uncertainty:
            return super().mean(predictions)
        return MixtureMoments(dtype="float32", name="mean")(predictions)

    def _standardised(self, target: Any) -> tuple[KerasTensor, KerasTensor, KerasTensor | None]:
        """Return labels, where they are known, and errors (the typical one where missing), all [N, C]."""
        several = isinstance(target, Mapping)
        values, known = masked(target[self.derived_fields[0]] if several else target)
        values = (values - self.mean.astype(np.float32)) / self.deviation.astype(np.float32)
        if not several:
            return values, known, None
        errors = target[self.derived_fields[1]]
        return values, known, ops.where(ops.isfinite(errors), errors, self.typical.astype(np.float32))

    def loss(self, target: Any, prediction: KerasTensor) -> KerasTensor:
        """Return the loss of the known numbers, summed, divided by the number of all; 0 without a label."""
        values, known, errors = self._standardised(target)
        count = len(self.numbers)
        residual = ops.abs(prediction[:, :count] - values)
        if self.uncertainty:
            variance = ops.exp(2.0 * clipped_log(prediction[:, count:]))
            if errors is not None:
                variance = variance + (errors / self.deviation.astype(np.float32)) ** 2
            each = 0.5 * (residual**2 / variance + ops.log(variance))
        else:
            each = self._robust(residual)
            if errors is not None:
                each = each * 2.0 / (1.0 + (errors / self.typical.astype(np.float32)) ** 2)
        return ops.sum(each * known, axis=-1) / count

    def _robust(self, residual: KerasTensor) -> KerasTensor:
        if self.options.loss == "absolute":
            return residual
        if self.options.loss == "squared":
            return 0.5 * residual**2
        inner = ops.minimum(residual, self.options.delta)
        return 0.5 * inner**2 + self.options.delta * (residual - inner)

    @property
    def score_names(self) -> tuple[str, ...]:
        """``mae``, and ``mae_COLUMN`` of each of several numbers."""
        return ("mae", *(f"mae_{name}" for name in self.numbers if len(self.numbers) > 1))

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the mean absolute error over all numbers, and of each of several."""
        chosen = {"mae": slice(None)}
        if len(self.numbers) > 1:
            chosen |= {f"mae_{name}": slice(i, i + 1) for i, name in enumerate(self.numbers)}
        return [KnownMean(name, lambda t, p, part=part: self._absolute(t, p, part)) for name, part in chosen.items()]

    def _absolute(self, target: Any, prediction: KerasTensor, part: slice) -> tuple[KerasTensor, KerasTensor]:
        values, known, _ = self._standardised(target)
        residual = ops.abs(prediction[:, : len(self.numbers)] - values) * self.deviation.astype(np.float32)
        return residual[:, part], known[:, part]

    def known(self, fields: Encoded) -> np.ndarray:
        """Which examples have any of the numbers."""
        return np.isfinite(fields[self.derived_fields[0]]).any(axis=1)

    def strata(self, fields: Encoded) -> np.ndarray:
        """Return the fifth of the training labels in which the first number lies; a range of its own where missing."""
        found = ranges_of(fields[self.derived_fields[0]][:, 0], self.edges)
        return np.where(found < 0, len(self.edges) + 1, found).astype(np.int32)

    def probe(self, features: np.ndarray, fields: Encoded, seed: int) -> list[np.ndarray]:
        """Return kernel [D, C] and bias [C] of a ridge regression of each standardised number.

        With `uncertainty`, [D, 2C] and [2C]: the deviation is that of the examples left out, the same for all.
        """
        values = (fields[self.derived_fields[0]] - self.mean) / self.deviation
        kernel = np.zeros((features.shape[1], self.width), np.float32)
        bias = np.zeros(self.width, np.float32)
        for i, column in enumerate(values.T):
            known, weights = np.isfinite(column), None
            if self.error_names:
                ratio = fields[self.derived_fields[1]][known, i] / self.typical[i]
                weights = 2.0 / (1.0 + np.where(np.isfinite(ratio), ratio, 1.0) ** 2)
            fitted, (bias[i],), (left,) = ridge_regression(features[known], column[known, None], weights)
            kernel[:, i] = fitted[:, 0]
            if self.uncertainty:
                bias[len(self.numbers) + i] = np.log(max(left, 1e-3))
        return [kernel, bias]

    def outputs(self) -> tuple[Output, ...]:
        """``COLUMN`` for each number, and ``COLUMN_error`` for its standard deviation."""
        unit = self.options.unit or None
        errors = self.numbers if self.uncertainty else ()
        return (
            *(Output(name, unit, f"predicted {name}") for name in self.numbers),
            *(Output(f"{name}_error", unit, f"standard deviation of the predicted {name}") for name in errors),
        )

    def told(self, prediction: KerasTensor) -> dict[str, KerasTensor]:
        """Return the numbers and their standard deviations."""
        return {output.name: prediction[:, i] for i, output in enumerate(self.outputs())}

    def scores(self, fields: Encoded, prediction: np.ndarray) -> dict[str, float]:
        """See `number_scores`: of one number; of several the means, and those of each."""
        truth, each = fields[self.derived_fields[0]].astype(np.float64), []
        for i, name in enumerate(self.numbers):
            known = np.isfinite(truth[:, i])
            error = prediction[known, len(self.numbers) + i] if self.uncertainty else None
            found = number_scores(truth[known, i], prediction[known, i], error, self.redshift)
            each.append((name, found))
        if len(each) == 1:
            return each[0][1]
        means = {score: float(np.mean([found[score] for _, found in each])) for score in each[0][1]}
        return means | {f"{score}_{name}": value for name, found in each for score, value in found.items()}

    def constant(self, fields: Encoded) -> np.ndarray:
        """Return the means of these labels, [1, C], and their standard deviations, [1, 2C]."""
        truth = np.ma.masked_invalid(fields[self.derived_fields[0]].astype(np.float64))
        parts = [np.ma.filled(truth.mean(axis=0), 0.0)]
        if self.uncertainty:
            parts.append(np.maximum(np.ma.filled(truth.std(axis=0), 0.0), _SMALLEST))
        return np.concatenate(parts)[None].astype(np.float32)

    def photometric(self, fluxes: np.ndarray, fields: Encoded, others: np.ndarray) -> np.ndarray:
        """Return the numbers of a ridge regression on aperture fluxes, and its deviations, as the network does."""
        kernel, bias = self.probe(fluxes, fields, 0)
        fitted = (others.astype(np.float64) @ kernel + bias).astype(np.float32)
        return np.asarray(ops.convert_to_numpy(self.activate(ops.convert_to_tensor(fitted))))


def _error_names(columns: tuple[str, ...], errors: str) -> tuple[str, ...]:
    if not errors:
        return ()
    if len(columns) > 1 and "{column}" not in errors:
        raise UsageError(
            f"--target regression: errors={errors} is one column for {len(columns)} numbers; "
            "write {column} in it where their names stand, as in errors='{column}_err'"
        )
    return tuple(errors.replace("{column}", name) for name in columns)


def _nowhere(names: tuple[str, ...], found: np.ma.MaskedArray) -> None:
    missing = [n for n, gone in zip(names, np.ma.getmaskarray(found).all(axis=0), strict=True) if gone]
    if missing:
        raise AstrokerasError(f"the train split has no labels in the column {', '.join(missing)}")
