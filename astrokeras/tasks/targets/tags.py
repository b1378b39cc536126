"""Tell which of several properties an object has, each by itself: a bar, a ring, a companion.

A sigmoid and binary cross-entropy for each, the multi-label form of a logistic regression; average precision as in
scikit-learn, the sum over the thresholds of precision times the step in recall (Everingham et al. 2010, IJCV 88, 303,
without the interpolation).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops
from sklearn.metrics import average_precision_score

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import ColumnNames, Number, Parameter
from astrokeras.tasks.known import KnownMean, masked, numbers_of
from astrokeras.tasks.label_columns import LabelColumns, Labels
from astrokeras.tasks.logistic import logistic_regression
from astrokeras.tasks.target import TARGETS, Encoded, Output, Target
from astrokeras.tasks.written import numbers, texts

_SMALLEST = 1e-3  # share of a property that none, or all, of the labelled objects have


def _logit(share: float) -> float:
    share = min(max(share, _SMALLEST), 1 - _SMALLEST)
    return float(np.log(share / (1 - share)))


@TARGETS.register("tags")
class Tags(Target):
    """Independent yes or no, a column each.

    Args:
        names: of the columns, of T properties.
        threshold: a number of at least this is a yes, a smaller one a no; a negative one, and none, is missing.
        shares: of the labelled objects of the training split that have each property, [T].
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (ColumnNames("labels"), Number("threshold", 0.0, default=0.5))
    legend = "accuracy: share of the labels that are told right"
    constant_name: ClassVar[str] = "always the shares of all"
    main_score: ClassVar[str] = "average_precision"

    def __init__(self, names: tuple[str, ...], threshold: float, shares: np.ndarray) -> None:
        self.tags, self.threshold = tuple(names), float(threshold)
        self.shares = np.asarray(shares, np.float64)

    @classmethod
    def columns(cls, labels: tuple[str, ...], threshold: float = 0.5) -> tuple[str, ...]:
        """Return the columns of the properties."""
        return labels

    @classmethod
    def fit(
        cls,
        records: RecordsDirectory,
        columns: LabelColumns,
        size: int,
        *,
        names: Labels,
        threshold: float = 0.5,
        **options: Any,
    ) -> Self:
        """Count how many objects have each property.

        Raises:
            AstrokerasError: a property is known of no object of the training split.
        """
        tags = tuple(options["labels"])
        values = cls(tags, threshold, np.zeros(len(tags)))._values(columns)
        nowhere = [tag for tag, known in zip(tags, np.isfinite(values).any(axis=0), strict=True) if not known]
        if nowhere:
            raise AstrokerasError(f"the train split has no labels in the column {', '.join(nowhere)}")
        return cls(tags, threshold, np.nanmean(values, axis=0))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """See `Target.from_config`."""
        tags = texts(config, "tags")
        (threshold,) = numbers({"threshold": [config["threshold"]]}, "threshold")
        return cls(tags, threshold, numbers(config, "shares", len(tags)))

    @property
    def config(self) -> dict[str, Any]:
        """The columns, the threshold, and the shares of the training split."""
        return {"tags": list(self.tags), "threshold": self.threshold, "shares": self.shares.tolist()}

    @property
    def width(self) -> int:
        """The number of properties."""
        return len(self.tags)

    @property
    def notes(self) -> list[str]:
        """The properties of which there is nothing to tell."""
        same = [tag for tag, share in zip(self.tags, self.shares, strict=True) if share in (0.0, 1.0)]
        return [f"in the training split all labelled objects are alike in {', '.join(same)}"] if same else []

    @property
    def derived_fields(self) -> tuple[str, ...]:
        """``tags(THRESHOLD):COLUMNS``."""
        return (f"tags({self.threshold:g}):{','.join(self.tags)}",)

    def _values(self, labels: LabelColumns) -> np.ndarray:
        values = numbers_of(labels, self.tags)
        return np.where(values >= 0, (values >= self.threshold).astype(np.float32), np.float32(np.nan))

    def encode(self, labels: LabelColumns) -> dict[str, np.ndarray]:
        """Return 1 for yes, 0 for no, NaN where missing, [N, T] float32."""
        return {self.derived_fields[0]: self._values(labels)}

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """Return the logits [N, T], by one linear layer."""
        return keras.layers.Dense(len(self.tags), dtype="float32", name="logits")(embeddings[0])

    def activate(self, prediction: KerasTensor) -> KerasTensor:
        """Return the probabilities [N, T]."""
        return keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")(prediction)

    def loss(self, target: KerasTensor, prediction: KerasTensor) -> KerasTensor:
        """Return the binary cross-entropy of the known properties, summed, divided by the number of all."""
        truth, known = masked(target)
        entropy = ops.softplus(prediction) - truth * prediction
        return ops.sum(entropy * known, axis=-1) / len(self.tags)

    @property
    def score_names(self) -> tuple[str, ...]:
        """``accuracy``."""
        return ("accuracy",)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the share of the known labels that are told right."""

        def hits(target: KerasTensor, prediction: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
            truth, known = masked(target)
            return ops.cast(ops.equal(prediction > 0, truth > 0.5), "float32"), known

        return [KnownMean("accuracy", hits)]

    def known(self, fields: Encoded) -> np.ndarray:
        """Which examples have a label of any property."""
        return np.isfinite(fields[self.derived_fields[0]]).any(axis=1)

    def strata(self, fields: Encoded) -> np.ndarray:
        """Return the rarest property that an example has, counted from 1 in the order of the columns; 0 for none."""
        has = fields[self.derived_fields[0]] == 1
        rarity = np.where(has, self.shares, np.inf)
        return np.where(has.any(axis=1), rarity.argmin(axis=1) + 1, 0).astype(np.int32)

    def probe(self, features: np.ndarray, fields: Encoded, seed: int) -> list[np.ndarray]:
        """Return kernel [D, T] and bias [T] of a logistic regression for each property, see `logistic_regression`."""
        truth = fields[self.derived_fields[0]]
        kernel = np.zeros((features.shape[1], len(self.tags)), np.float32)
        bias = np.zeros(len(self.tags), np.float32)
        for i, column in enumerate(truth.T):
            known = np.isfinite(column)
            yes = column[known].astype(int)
            if len(np.unique(yes)) < 2:
                bias[i] = _logit(float(yes.mean()) if len(yes) else float(self.shares[i]))
                continue
            weights, offsets = logistic_regression(features[known], yes, 2, seed)
            kernel[:, i], bias[i] = weights[:, 1] - weights[:, 0], offsets[1] - offsets[0]
        return [kernel, bias]

    def outputs(self) -> tuple[Output, ...]:
        """``p_TAG`` for each property."""
        return tuple(Output(f"p_{tag}", None, f"probability of {tag}") for tag in self.tags)

    def told(self, prediction: KerasTensor) -> dict[str, KerasTensor]:
        """Return the probabilities."""
        return {f"p_{tag}": prediction[:, i] for i, tag in enumerate(self.tags)}

    def scores(self, fields: Encoded, prediction: np.ndarray) -> dict[str, float]:
        """Return the average precision of each property and its mean, and the accuracy.

        A property that none of the labelled objects has, or all of them, has no average precision: it is NaN, and left
        out of the mean.
        """
        truth = fields[self.derived_fields[0]]
        each = []
        for yes, chance in zip(truth.T, prediction.T, strict=True):
            known = np.isfinite(yes)
            both = len(np.unique(yes[known])) == 2
            each.append(float(average_precision_score(yes[known], chance[known])) if both else np.nan)
        known = np.isfinite(truth)
        right = (prediction > 0.5) == (truth == 1)
        defined = [value for value in each if np.isfinite(value)]
        return {
            "average_precision": float(np.mean(defined)) if defined else np.nan,
            "accuracy": float(right[known].mean()) if known.any() else np.nan,
            **{f"average_precision_{tag}": value for tag, value in zip(self.tags, each, strict=True)},
        }

    def constant(self, fields: Encoded) -> np.ndarray:
        """Return the share of the labelled objects that have each property, [1, T]."""
        truth = np.ma.masked_invalid(fields[self.derived_fields[0]])
        return np.ma.filled(truth.mean(axis=0), 0.5)[None].astype(np.float32)
