"""Tell to which of several ordered classes an object belongs, as the stages of the Hubble sequence.

The network gives a position on one axis, which learned thresholds cut into classes: the proportional odds model of
McCullagh 1980, "Regression models for ordinal data", J. R. Stat. Soc. B 42, 109, on the features of a network as in
Vargas et al. 2020 (arXiv 1905.13392): logit P(class > k) = f - t_k. Quadratic kappa: Cohen 1968, Psychol. Bull. 70,
213.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from astrokeras.errors import AstrokerasError
from astrokeras.models.outputs import CumulativeLogits, CumulativeProbabilities, cumulative_log_probabilities
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import ColumnNames, Parameter
from astrokeras.tasks.known import KnownMean, as_numbers
from astrokeras.tasks.label_columns import LABEL, LabelColumns, Labels, in_text
from astrokeras.tasks.ridge import ridge_regression
from astrokeras.tasks.target import TARGETS, Encoded, Output, Target
from astrokeras.tasks.written import text, texts

_MOST = 100  # classes; more are numbers
_TIE = 1e-6  # of half of the probability: a class that reaches it but for rounding is the median


@TARGETS.register("ordinal")
class Ordinal(Target):
    """Classification into the ordered values of a column. Negative numbers are values like others.

    Args:
        names: of the K classes, in their order.
        column: of the labels.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (ColumnNames("labels", default=(LABEL,)),)
    legend = "mae: mean distance between predicted and true class, in classes"
    errors = True
    constant_name: ClassVar[str] = "always the median class"
    main_score: ClassVar[str] = "mae"

    def __init__(self, names: tuple[str, ...], column: str) -> None:
        self.names, self.column = tuple(names), column

    @classmethod
    def columns(cls, labels: tuple[str, ...] = (LABEL,)) -> tuple[str, ...]:
        """Return the column of the classes."""
        return labels

    @classmethod
    def fit(
        cls, records: RecordsDirectory, columns: LabelColumns, size: int, *, names: Labels, **options: Any
    ) -> Self:  # fmt: skip
        """Take the classes: values known beforehand in their order, or the numbers of the column from the least on.

        Raises:
            AstrokerasError: there are several columns, fewer than three values, too many, or text.
        """
        chosen = options.get("labels", (LABEL,))
        if len(chosen) > 1:
            raise AstrokerasError(f"--target ordinal({','.join(chosen)}): expected one column; give --target for each")
        column = chosen[0]
        found = list(names.distinct(column))
        if column not in names.names:
            numbers = as_numbers({column: np.ma.masked_array(found or [""], dtype=str)}, column)
            found = [name for _, name in sorted(zip(numbers.tolist(), found, strict=False)) if name != ""]
        if not 3 <= len(found) <= _MOST:
            other = f"class({column})" if len(found) < 3 else f"regression({column})"
            raise AstrokerasError(
                f"the column {column} has {len(found)} different values, but --target ordinal takes 3 to {_MOST}; "
                f"try --target {other}"
            )
        target = cls(tuple(found), column)
        present = np.unique(target.encode(columns)[target.derived_fields[0]])
        if np.sum(present >= 0) < 2:
            raise AstrokerasError(f"the train split has fewer than two values in the column {column}")
        return target

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """See `Target.from_config`."""
        names = texts(config, "names")
        if len(names) < 3:
            raise ValueError("it has fewer than three classes")
        return cls(names, text(config, "column"))

    @property
    def config(self) -> dict[str, Any]:
        """The names of the classes, and their column."""
        return {"names": list(self.names), "column": self.column}

    @property
    def width(self) -> int:
        """The number of classes."""
        return len(self.names)

    @property
    def derived_fields(self) -> tuple[str, ...]:
        """``ordinal:COLUMN``."""
        return (f"ordinal:{self.column}",)

    def encode(self, labels: LabelColumns) -> dict[str, np.ndarray]:
        """Return the number of the class in the order, [N] int32; -1 where missing."""
        values = labels[self.column]
        places = {name: place for place, name in enumerate(self.names)}
        codes = np.array([places.get(name, -1) for name in in_text(np.ma.getdata(values)).tolist()], np.int32)
        return {self.derived_fields[0]: np.where(np.ma.getmaskarray(values), np.int32(-1), codes)}

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """Return the logits of being above each threshold, [N, K - 1]: a position on one axis, and the thresholds."""
        position = keras.layers.Dense(1, use_bias=False, dtype="float32", name="axis")(embeddings[0])
        return CumulativeLogits(len(self.names), name="thresholds")(position)

    def activate(self, prediction: KerasTensor) -> KerasTensor:
        """Return the probabilities [N, K]."""
        return CumulativeProbabilities(name="probabilities")(prediction)

    def loss(self, target: KerasTensor, prediction: KerasTensor) -> KerasTensor:
        """Return minus the logarithm of the probability of the class; 0 without a label."""
        known = target >= 0
        hot = ops.one_hot(ops.where(known, target, 0), len(self.names))
        return -ops.sum(hot * cumulative_log_probabilities(prediction), axis=-1) * ops.cast(known, "float32")

    @property
    def score_names(self) -> tuple[str, ...]:
        """``mae``."""
        return ("mae",)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the mean distance of the median class from the true one."""

        def distance(target: KerasTensor, prediction: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
            median = ops.sum(ops.cast(prediction > 0, "float32"), axis=-1)
            known = ops.cast(target >= 0, "float32")
            return ops.abs(median - ops.cast(target, "float32")) * known, known

        return [KnownMean("mae", distance)]

    def known(self, fields: Encoded) -> np.ndarray:
        """See `Target.known`."""
        return self.strata(fields) >= 0

    def strata(self, fields: Encoded) -> np.ndarray:
        """Return the classes, [N] int32."""
        return fields[self.derived_fields[0]]

    def probe(self, features: np.ndarray, fields: Encoded, seed: int) -> list[np.ndarray]:
        """Return kernel [D, 1] and thresholds: a ridge regression of the class, cut by a logistic regression.

        For each threshold an example is above or below it: one logistic regression of all these answers, on the
        position and the threshold, gives the scale of the axis and where each threshold lies (Li & Lin 2007, NIPS 19,
        865, section 3.2).
        """
        codes, above = self.strata(fields), len(self.names) - 1
        axis, (offset,), _ = ridge_regression(features, codes[:, None].astype(np.float64))
        position = (features @ axis + offset).astype(np.float64)
        answers = (codes[:, None] > np.arange(above)).reshape(-1)
        rows = np.concatenate([np.repeat(position, above, axis=0), np.tile(-np.eye(above), (len(codes), 1))], axis=1)
        if len(np.unique(answers)) < 2:  # labels that are all of the first class, or of the last
            scale, cuts = 1.0, np.arange(above) + (0.5 if codes[0] == 0 else -0.5)
        else:
            found = LogisticRegression(C=10.0, fit_intercept=False, max_iter=1000).fit(rows, answers).coef_[0]
            scale, cuts = max(float(found[0]), 1e-3), np.maximum.accumulate(found[1:])
        thresholds = cuts - scale * offset + 1e-3 * np.arange(above)
        return [(scale * axis).astype(np.float32), *CumulativeLogits.weights_for(thresholds)]

    def outputs(self) -> tuple[Output, ...]:
        """``COLUMN``, ``COLUMN_mean`` for numbers, and ``p_NAME`` for each class."""
        chances = (Output(f"p_{name}", None, f"probability of {self.column} = {name}") for name in self.names)
        mean = () if self._numbers is None else (Output(f"{self.column}_mean", None, f"expected {self.column}"),)
        values = self.names if self._numbers is None else tuple(self._numbers.tolist())
        return (Output(self.column, None, f"median {self.column}", values), *mean, *chances)

    @property
    def _numbers(self) -> np.ndarray | None:
        try:
            return np.array([float(name) for name in self.names])
        except ValueError:
            return None

    def told(self, prediction: KerasTensor) -> dict[str, KerasTensor]:
        """Return the median class, the expected number, and the probabilities."""
        below = ops.cumsum(prediction, axis=1)[:, :-1]
        found = {self.column: ops.sum(ops.cast(below < 0.5 - _TIE, "int32"), axis=1)}
        if self._numbers is not None:
            found[f"{self.column}_mean"] = ops.sum(prediction * self._numbers.astype(np.float32), axis=1)
        return found | {f"p_{name}": prediction[:, i] for i, name in enumerate(self.names)}

    def scores(self, fields: Encoded, prediction: np.ndarray) -> dict[str, float]:
        """Return the mean absolute error in classes and the accuracy of the median class, and its quadratic kappa.

        Kappa is NaN where all labels and all predictions are of one class.
        """
        known = self.known(fields)
        if not known.any():
            return dict.fromkeys(("mae", "kappa", "accuracy"), float("nan"))
        codes, median = self.strata(fields)[known], _median(prediction[known])
        several = len(np.union1d(codes, median)) > 1
        kappa = cohen_kappa_score(codes, median, weights="quadratic") if several else np.nan
        return {
            "mae": float(np.abs(codes - median).mean()),
            "kappa": float(kappa),
            "accuracy": float((codes == median).mean()),
        }

    def constant(self, fields: Encoded) -> np.ndarray:
        """Return the shares of the classes, of which the median has the least absolute error, [1, K]."""
        counts = np.bincount(self.strata(fields)[self.known(fields)], minlength=len(self.names))
        return (counts / counts.sum())[None].astype(np.float32)


def _median(probabilities: np.ndarray) -> np.ndarray:
    """Return the class in which half of the probability is reached, [N]."""
    below = np.cumsum(probabilities.astype(np.float64), axis=1)[:, :-1]
    return np.sum(below < 0.5 - _TIE, axis=1)
