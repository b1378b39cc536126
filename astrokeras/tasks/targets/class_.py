"""Tell to which of several classes an object belongs.

Softmax and cross-entropy, as in Bridle 1990, "Probabilistic interpretation of feedforward classification network
outputs", Neurocomputing (NATO ASI Series 68, 227). Options:

- smoothing of labels (Szegedy et al. 2016, arXiv 1512.00567, section 7);
- an additive margin between the classes (AM-softmax: Wang et al. 2018, arXiv 1801.05599, eq. 6; to do well on images
  unlike those of the training, Sovrasov & Sidnev 2020, arXiv 2003.07618);
- auxiliary classifiers of groups of labels (self-supervised autogenous learning, SSAL: Palacio et al. 2020, arXiv
  2101.03057), which share the whole network;
- a BatchNormalization before the softmax, for classes of different frequency (Kocaman, Shir & Bäck 2020, arXiv
  2011.06319);
- refinement of labels (Stochastic Label Refinery: Fang, Yang & Ni, ICPR 2020): twice, networks that are trained on
  random parts of the labels predict the others, which become soft labels by it. How far they follow the prediction the
  abstract leaves open; here it is half of the way, so that no label changes its most probable class.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops
from sklearn.preprocessing import normalize

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.normalization import batch_normalization
from astrokeras.models.outputs import CosineLogits, FirstLogits, TemperedMean, most_probable
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import ColumnNames, File, Flag, Number, Parameter
from astrokeras.tasks.class_groups import ClassGroup, read_groups
from astrokeras.tasks.classification import classification_scores
from astrokeras.tasks.known import KnownMean, numbers_of
from astrokeras.tasks.label_columns import LABEL, LabelColumns, Labels, in_text
from astrokeras.tasks.logistic import logistic_regression
from astrokeras.tasks.target import TARGETS, Encoded, Output, Target
from astrokeras.tasks.written import texts

_SCALE = 16.0  # of the cosines: within it a softmax can be sure, and beyond it gradients vanish
_ROUNDS = 2  # of refinement
_LEAST = 1e-6  # share of all examples together, below which a class has none


@dataclasses.dataclass(frozen=True)
class ClassOptions:
    """How classes are learned.

    Attributes:
        smoothing: share of each label that is spread evenly over all classes.
        margin: by which the cosine of the true class has to lead; 0 for a linear layer instead of cosines.
        final_norm: whether the logits are normalised over the batch.
        refine: whether labels are made softer before training, see `evaluation.refining`.
    """

    smoothing: float = 0.0
    margin: float = 0.0
    final_norm: bool = False
    refine: bool = False


@TARGETS.register("class")
class Class(Target):
    """Classification into the classes of a column, or with soft labels into several columns.

    Args:
        names: of the C classes.
        columns: of the labels: one that holds the names, or one for each class that holds its share.
        options: how.
        groups: auxiliary classifications of the same labels.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        ColumnNames("labels", default=(LABEL,)),
        Number("smoothing", 0.0, 0.9, 0.0),
        Number("margin", 0.0, 0.9, 0.0),
        File("groups", ""),
        Flag("final_norm"),
        Flag("refine"),
    )
    legend = "accuracy: share of the labelled objects whose most probable class is theirs"
    main_score: ClassVar[str] = "balanced_accuracy"
    of_classes: ClassVar[bool] = True
    constant_name: ClassVar[str] = "always the most frequent class"

    def __init__(
        self,
        names: tuple[str, ...],
        columns: tuple[str, ...] = (LABEL,),
        options: ClassOptions = ClassOptions(),
        groups: tuple[ClassGroup, ...] = (),
    ) -> None:
        self.names, self.sources, self.options, self.groups = tuple(names), tuple(columns), options, tuple(groups)

    @classmethod
    def columns(cls, labels: tuple[str, ...] = (LABEL,), **options: Any) -> tuple[str, ...]:
        """Return the column of the class, or those of the classes."""
        return labels

    @classmethod
    def fit(
        cls,
        records: RecordsDirectory,
        columns: LabelColumns,
        size: int,
        *,
        names: Labels,
        labels: tuple[str, ...] = (LABEL,),
        groups: str = "",
        **options: Any,
    ) -> Self:
        """Take the classes' names.

        Raises:
            AstrokerasError: there are no labels in the training split, or those of one class alone.
            UsageError: options that contradict each other.
        """
        chosen = ClassOptions(**options)
        if chosen.margin and chosen.final_norm:
            raise UsageError(
                "--target class: margin and final_norm=true are two scales of the same logits; leave one of them out"
            )
        classes = tuple(labels) if len(labels) > 1 else names.distinct(labels[0])
        target = cls(classes, labels, chosen, read_groups(groups, classes, "--target class") if groups else ())
        present = np.unique(target.strata(target.encode(columns)))
        present = present[present >= 0]
        if len(present) == 0:
            mend = "; convert with --label COLUMN" if labels == (LABEL,) else f" in the column {', '.join(labels)}"
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
        names, columns = texts(config, "names"), texts(config, "columns")
        if not names or not columns or (len(columns) > 1 and columns != names):
            raise ValueError("it has no classes, or other columns")
        groups = tuple(ClassGroup.from_config(group, len(names)) for group in config["groups"])
        return cls(names, columns, ClassOptions(**config["options"]), groups)

    @property
    def config(self) -> dict[str, Any]:
        """The names of the classes, their columns, the options and the groups."""
        return {
            "names": list(self.names),
            "columns": list(self.sources),
            "options": dataclasses.asdict(self.options),
            "groups": [group.config for group in self.groups],
        }

    @property
    def width(self) -> int:
        """The number of classes."""
        return len(self.names)

    @property
    def soft(self) -> bool:
        """Whether labels are shares of the classes."""
        return len(self.sources) > 1

    @property
    def tempered(self) -> bool:
        """Whether labels are single classes, by which a temperature can be fitted."""
        return not self.soft

    @property
    def derived_fields(self) -> tuple[str, ...]:
        """``class:COLUMN``, and ``class:COLUMN:refined`` if it is asked for."""
        return (f"class:{','.join(self.sources)}", *self.training_fields)

    @property
    def training_fields(self) -> tuple[str, ...]:
        """``class:COLUMN:refined``, the shares of the classes that are learned, if labels are refined."""
        return (f"class:{','.join(self.sources)}:refined",) if self.options.refine else ()

    @property
    def rounds(self) -> int:
        """Two if labels are refined."""
        return _ROUNDS if self.options.refine else 0

    def refined(self, fields: Encoded, prediction: np.ndarray) -> dict[str, np.ndarray]:
        """Return as shares the mean of each label and of what is predicted, [N, C]; NaN without a label."""
        given = self._as_shares(fields[self.derived_fields[0]])
        return {name: (0.5 * (given + prediction)).astype(np.float32) for name in self.training_fields}

    def _as_shares(self, values: np.ndarray) -> np.ndarray:
        """Return labels as shares of the classes, [N, C] float32, NaN where missing."""
        if self.soft:
            return values
        hot = np.eye(len(self.names), dtype=np.float32)[np.maximum(values, 0)]
        return np.where(values[:, None] >= 0, hot, np.float32(np.nan))

    def encode(self, labels: LabelColumns) -> dict[str, np.ndarray]:
        """Return the number of the class, [N] int32; -1 where missing, or none of the names.

        Soft labels: the shares of the classes, [N, C] float32 that sum to 1; NaN where one is missing, or all are 0.
        What is refined begins as the shares of the labels.

        Raises:
            AstrokerasError: a share is negative.
        """
        values = self._shares(labels) if self.soft else self._codes(labels)
        return {self.derived_fields[0]: values} | {name: self._as_shares(values) for name in self.training_fields}

    def _codes(self, labels: LabelColumns) -> np.ndarray:
        values = labels[self.sources[0]]
        numbers = {name: number for number, name in enumerate(self.names)}
        found, places = np.unique(in_text(np.ma.getdata(values)), return_inverse=True)
        codes = np.array([numbers.get(name, -1) for name in found.tolist()], np.int32)[places.reshape(-1)]
        return np.where(np.ma.getmaskarray(values), np.int32(-1), codes)

    def _shares(self, labels: LabelColumns) -> np.ndarray:
        amounts = numbers_of(labels, self.sources)
        if np.any(amounts < 0):
            raise AstrokerasError(f"the labels in the columns {', '.join(self.sources)} have negative shares")
        total = amounts.sum(axis=1, keepdims=True)
        return amounts / np.where(total > 0, total, np.float32(np.nan))

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """Return the logits [N, C], and those of the groups behind them, by one linear layer, or by cosines."""
        width = len(self.names) + sum(group.count for group in self.groups)
        if self.options.margin:
            return CosineLogits(width, _SCALE, name="logits")(embeddings[0])
        logits = keras.layers.Dense(width, dtype="float32", name="logits")(embeddings[0])
        return batch_normalization("final_norm")(logits) if self.options.final_norm else logits

    def activate(self, prediction: KerasTensor) -> KerasTensor:
        """Return the probabilities [N, C]."""
        if self.groups:
            prediction = FirstLogits(len(self.names), name="classes")(prediction)
        probabilities = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(prediction)
        return TemperedMean(name="temperature")([probabilities]) if self.tempered else probabilities

    def mean(self, predictions: list[KerasTensor]) -> KerasTensor:
        """Return the mean of the probabilities [N, C], which has a temperature of its own."""
        return TemperedMean(name="temperature")(predictions) if self.tempered else super().mean(predictions)

    def _truth(self, target: Any, place: int = 0) -> tuple[KerasTensor, KerasTensor]:
        """Return labels as shares [N, C], 0 where missing, and where they are known, [N]; of several fields one."""
        values = target[self.derived_fields[place]] if isinstance(target, Mapping) else target
        if len(values.shape) == 1:
            known = values >= 0
            return ops.one_hot(ops.where(known, values, 0), len(self.names)), ops.cast(known, "float32")
        known = ops.all(ops.isfinite(values), axis=-1)
        return ops.where(ops.isfinite(values), values, 0.0), ops.cast(known, "float32")

    def loss(self, target: Any, prediction: KerasTensor) -> KerasTensor:
        """Return the cross-entropy of the classes and of the groups; 0 without a label."""
        truth, known = self._truth(target, -1)
        total = self._entropy(truth, prediction[:, : len(self.names)])
        start = len(self.names)
        for group in self.groups:
            logits = prediction[:, start : start + group.count]
            total = total + self._entropy(ops.matmul(truth, group.matrix), logits)
            start += group.count
        return total * known

    def _entropy(self, truth: KerasTensor, logits: KerasTensor) -> KerasTensor:
        logits = logits - _SCALE * self.options.margin * truth
        share, count = self.options.smoothing, truth.shape[-1]
        wanted = truth * (1.0 - share) + share / count if share else truth
        return -ops.sum(wanted * ops.log_softmax(logits, axis=-1), axis=-1)

    @property
    def score_names(self) -> tuple[str, ...]:
        """``accuracy``."""
        return ("accuracy",)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the share of the labelled examples whose most probable class is that of the label."""

        def hits(target: Any, prediction: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
            truth, known = self._truth(target)
            told = ops.argmax(prediction[:, : len(self.names)], axis=-1)
            return ops.cast(ops.equal(told, ops.argmax(truth, axis=-1)), "float32"), known

        return [KnownMean("accuracy", hits)]

    def known(self, fields: Encoded) -> np.ndarray:
        """See `Target.known`."""
        return self.strata(fields) >= 0

    def strata(self, fields: Encoded) -> np.ndarray:
        """Return the classes, of soft labels the most probable ones, [N] int32; -1 without a label."""
        values = fields[self.derived_fields[0]]
        if not self.soft:
            return values
        return np.where(np.isfinite(values).all(axis=1), np.nan_to_num(values).argmax(axis=1), -1).astype(np.int32)

    def probe(self, features: np.ndarray, fields: Encoded, seed: int) -> list[np.ndarray]:
        """Return kernel [D, C] and bias [C] of a logistic regression of the most probable class, and of the groups.

        If labels are refined, of their shares. With a margin, the kernel alone: the centroids of the classes among the
        directions of the features.
        """
        codes = self.strata(fields)
        shares = fields[self.training_fields[0]] if self.options.refine else np.eye(len(self.names))[codes]
        tables = [(codes, shares), *((np.array(group.of)[codes], shares @ group.matrix) for group in self.groups)]
        if self.options.margin:
            return [np.concatenate([_centroids(features, of) for _, of in tables], axis=1)]
        fits = [_logistic(features, *table, self, seed) for table in tables]
        weights = [np.concatenate([fit[i] for fit in fits], axis=-1) for i in range(2)]
        return [*weights, *_no_norm(weights[1].shape[0])] if self.options.final_norm else weights

    def outputs(self) -> tuple[Output, ...]:
        """``class`` and ``p_NAME`` for each class."""
        chances = (Output(f"p_{name}", None, f"probability of the class {name}") for name in self.names)
        return (Output("class", None, "most probable class", self.names), *chances)

    def told(self, prediction: KerasTensor) -> dict[str, KerasTensor]:
        """Return the most probable class and the probabilities."""
        chances = {f"p_{name}": prediction[:, number] for number, name in enumerate(self.names)}
        return {"class": most_probable(prediction), **chances}

    def scores(self, fields: Encoded, prediction: np.ndarray) -> dict[str, float]:
        """See `classification_scores`; of soft labels the most probable class counts."""
        known = self.known(fields)
        return classification_scores(self.strata(fields)[known], prediction[known])

    def constant(self, fields: Encoded) -> np.ndarray:
        """Return the shares of the classes, of which the most frequent one is the most probable, [1, C]."""
        counts = np.bincount(self.strata(fields)[self.known(fields)], minlength=len(self.names))
        return (counts / counts.sum())[None].astype(np.float32)


def _logistic(
    features: np.ndarray, codes: np.ndarray, shares: np.ndarray, target: Class, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of a logistic regression, 0 where all examples are alike."""
    count = shares.shape[1]
    if len(np.unique(codes)) < 2:
        return np.zeros((features.shape[1], count), np.float32), np.zeros(count, np.float32)
    refined = shares if target.options.refine else None
    return logistic_regression(features, codes, count, seed, balanced=target.balanced, shares=refined)


def _centroids(features: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the mean direction of each class, [D, C]; one that is far from all for a class without examples."""
    directions, amounts = normalize(features.astype(np.float64)), shares.sum(axis=0, dtype=np.float64)
    found = directions.T @ shares / np.maximum(amounts, _LEAST)
    return np.where(amounts >= _LEAST, found, -directions.mean(axis=0)[:, None]).astype(np.float32)


def _no_norm(width: int) -> list[np.ndarray]:
    """Return the weights of a BatchNormalization that changes nothing: gamma, beta, mean and variance."""
    zero, one = np.zeros(width, np.float32), np.ones(width, np.float32)
    return [one * np.float32(np.sqrt(1.0 + keras.layers.BatchNormalization().epsilon)), zero, zero, one]
