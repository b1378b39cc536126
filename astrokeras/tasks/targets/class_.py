"""Tell to which of several classes an object belongs.

Softmax and cross-entropy, as in Bridle 1990, "Probabilistic interpretation of feedforward classification network
outputs", Neurocomputing (NATO ASI Series 68, 227).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import Records
from astrokeras.tasks.classification import classification_scores
from astrokeras.tasks.logistic import logistic_regression
from astrokeras.tasks.target import LABEL, TARGETS, Encoded, LabelColumns, Labels, Output, Target, in_text


class KnownAccuracy(keras.metrics.Metric):
    """Share of the labelled examples whose class is the most probable one."""

    def __init__(self) -> None:
        super().__init__(name="accuracy")
        self.mean = keras.metrics.Mean(name="mean")

    def update_state(self, target: KerasTensor, prediction: KerasTensor, sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0, or without a label, don't count."""
        hits = ops.equal(ops.argmax(prediction, axis=-1), ops.cast(target, "int32"))
        weight = ops.cast(target >= 0, "float32")
        if sample_weight is not None:
            weight = weight * ops.cast(sample_weight, "float32")
        self.mean.update_state(ops.cast(hits, "float32"), sample_weight=weight)

    def result(self) -> KerasTensor:
        """Return the share so far."""
        return self.mean.result()


@TARGETS.register("class")
class Class(Target):
    """Classification into the classes of a column.

    Args:
        names: of the classes.
        column: of the labels.
    """

    legend = "accuracy: share of the labelled objects whose most probable class is theirs"
    main_score: ClassVar[str] = "balanced_accuracy"

    def __init__(self, names: tuple[str, ...], column: str = LABEL) -> None:
        self.names, self.column = tuple(names), column

    @classmethod
    def columns(cls, column: str = LABEL) -> tuple[str, ...]:
        """Return the column of the class."""
        return (column,)

    @classmethod
    def fit(cls, records: Records, columns: LabelColumns, size: int, *, names: Labels, column: str = LABEL) -> Self:
        """Take the classes' names.

        Raises:
            AstrokerasError: there are no labels in the training split, or those of one class alone.
        """
        target = cls(names.distinct(column), column)
        present = np.unique(target.encode(columns)[target.derived_fields[0]])
        present = present[present >= 0]
        if len(present) == 0:
            mend = "; convert with --label COLUMN" if column == LABEL else f" in the column {column}"
            raise AstrokerasError(f"the train split has no labels{mend}")
        if len(present) == 1:
            raise AstrokerasError(
                f"the train split has labels of one class only ({target.names[present[0]]}); a classifier needs at "
                "least two"
            )
        return target

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """See `Target.from_config`."""
        names, column = config["names"], config["column"]
        if not (isinstance(names, list) and names and all(isinstance(one, str) for one in [*names, column])):
            raise ValueError("the names of its classes are no text")
        return cls(tuple(names), column)

    @property
    def config(self) -> dict[str, Any]:
        """The names of the classes, and their column."""
        return {"names": list(self.names), "column": self.column}

    @property
    def derived_fields(self) -> tuple[str, ...]:
        """``class:COLUMN``."""
        return (f"class:{self.column}",)

    def encode(self, labels: LabelColumns) -> dict[str, np.ndarray]:
        """Return the number of the class, [N] int32; -1 where missing, or none of the names."""
        values = labels[self.column]
        numbers = {name: number for number, name in enumerate(self.names)}
        found, places = np.unique(in_text(np.ma.getdata(values)), return_inverse=True)
        codes = np.array([numbers.get(name, -1) for name in found.tolist()], np.int32)[places.reshape(-1)]
        return {self.derived_fields[0]: np.where(np.ma.getmaskarray(values), np.int32(-1), codes)}

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """Return the logits [N, C], by one linear layer."""
        return keras.layers.Dense(len(self.names), dtype="float32", name="logits")(embeddings[0])

    def activate(self, prediction: KerasTensor) -> KerasTensor:
        """Return the probabilities [N, C]."""
        return keras.layers.Activation("softmax", dtype="float32", name="probabilities")(prediction)

    def loss(self, target: KerasTensor, prediction: KerasTensor) -> KerasTensor:
        """Return the cross-entropy; 0 without a label."""
        known = target >= 0
        hot = ops.one_hot(ops.where(known, target, 0), len(self.names))
        return -ops.sum(hot * ops.log_softmax(prediction, axis=-1), axis=-1) * ops.cast(known, "float32")

    @property
    def score_names(self) -> tuple[str, ...]:
        """``accuracy``."""
        return ("accuracy",)

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `KnownAccuracy`."""
        return [KnownAccuracy()]

    def known(self, fields: Encoded) -> np.ndarray:
        """See `Target.known`."""
        return self.strata(fields) >= 0

    def strata(self, fields: Encoded) -> np.ndarray:
        """Return the classes, [N] int32."""
        return fields[self.derived_fields[0]]

    def probe(self, features: np.ndarray, fields: Encoded, seed: int) -> list[np.ndarray]:
        """Return kernel [D, C] and bias [C] of a logistic regression, see `logistic_regression`."""
        return list(logistic_regression(features, self.strata(fields), len(self.names), seed))

    def outputs(self) -> tuple[Output, ...]:
        """``class`` and ``p_NAME`` for each class."""
        chances = (Output(f"p_{name}", None, f"probability of the class {name}") for name in self.names)
        return (Output("class", None, "most probable class"), *chances)

    def describe(self, prediction: np.ndarray) -> dict[str, np.ndarray]:
        """Return the most probable class and the probabilities."""
        chances = {f"p_{name}": prediction[:, number] for number, name in enumerate(self.names)}
        return {"class": np.array(self.names)[prediction.argmax(axis=1)], **chances}

    def scores(self, fields: Encoded, prediction: np.ndarray) -> dict[str, float]:
        """See `classification_scores`."""
        known = self.known(fields)
        return classification_scores(self.strata(fields)[known], prediction[known])

    def constant(self, fields: Encoded) -> np.ndarray:
        """Return the shares of the classes, of which the most frequent one is the most probable, [1, C]."""
        counts = np.bincount(self.strata(fields)[self.known(fields)], minlength=len(self.names))
        return (counts / counts.sum())[None].astype(np.float32)
