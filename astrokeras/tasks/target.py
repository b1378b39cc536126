"""What a target is, a task that reads what people know from labels, and the targets by name.

A target is one file in `astrokeras/tasks/targets/` that subclasses `Target` and registers itself. Model and trainer see
it as a task like any other: what it makes of the labels are fields of the batches.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.records.directory import RecordsDirectory
from astrokeras.registration import Registry
from astrokeras.tasks.base import Fields, Task

LabelColumns = Mapping[str, np.ma.MaskedArray]
"""By column name: [N] each, text or numbers, masked where missing."""

Encoded = Mapping[str, np.ndarray]
"""What `Target.encode` gives, by field name: [N, ...] each, NaN or -1 where missing."""

LABEL = "label"
"""The column of the labels that stood in the catalogue at conversion."""


@dataclasses.dataclass(frozen=True)
class Output:
    """One named column of what is predicted.

    Attributes:
        name: of the column.
        unit: as astropy writes it, None for a number without one.
        description: what it is.
        values: of a column that is one of several names or numbers, these; `Target.told` gives their places.
    """

    name: str
    unit: str | None
    description: str
    values: tuple[str, ...] | tuple[float, ...] = ()

    @property
    def record(self) -> dict[str, Any]:
        """Name, unit and description, ready for JSON."""
        return {"name": self.name, "unit": self.unit, "description": self.description}


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of every split.

    Attributes:
        splits: by the name of the split, the columns, in the order of the records.
        names: of columns whose values are known beforehand, these, in their order.
    """

    splits: Mapping[str, LabelColumns]
    names: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def split(self, name: str) -> LabelColumns:
        """Return the columns of a split."""
        return self.splits[name]

    def distinct(self, column: str) -> tuple[str, ...]:
        """Return the values of a column in all splits, as text: in the order known beforehand, or sorted."""
        if column in self.names:
            return self.names[column]
        known = [np.ma.compressed(columns[column]) for columns in self.splits.values()]
        return tuple(in_text(np.unique(np.concatenate(known))).tolist()) if known else ()


def in_text(values: np.ndarray) -> np.ndarray:
    """Return values as text; whole numbers without a point.

    Example:
        >>> in_text(np.array([3.0, 0.5])).tolist()
        ['3', '0.5']
    """
    if values.dtype.kind == "f":
        return np.array([f"{value:.15g}" for value in values], dtype=str)
    return values.astype(str)


def labels_of(records: RecordsDirectory, codes: Mapping[str, np.ndarray]) -> Labels:
    """Return the labels that stand in records, as the column `LABEL`.

    Args:
        records: with the names of the classes.
        codes: by split the numbers of the classes, [N], -1 for none.

    Example:
        >>> labels_of(records, {"train": codes}).distinct("label")  # doctest: +SKIP
        ('star', 'galaxy')
    """
    names = np.array([*records.classes, ""])
    splits = {split: {LABEL: np.ma.masked_array(names[code], mask=code < 0)} for split, code in codes.items()}
    return Labels(splits, {LABEL: tuple(records.classes)})


class Target(Task):
    """A task that reads labels.

    Its ``prediction`` outside of the loss and the metrics is what `activate` makes of the head's: probabilities, say.

    Attributes:
        names: of the classes, if it has any.
        main_score: the one of `scores` by which arms are compared first; less is better if the scores are `errors`.
        repeated_rows: whether several rows of one id in a table of labels can be used, added up.
        of_classes: whether the values of a single column are names of classes, of which negative numbers are none.
        constant_name: what `constant` is called in tables.
        photometric_name: what `photometric` is called there; "" where there is no such method.
        rounds: how often labels are refined before training, see `refined`.
        training_fields: those of `derived_fields` that the loss and the probe alone look at.
        tempered: whether its heads have a layer ``temperature`` for probabilities that mean what they say.
        balanced: whether `probe` lets all classes count alike; it is set from outside.
    """

    n_views = 1
    names: tuple[str, ...] = ()
    main_score: ClassVar[str]
    repeated_rows: ClassVar[bool] = False
    of_classes: ClassVar[bool] = False
    constant_name: ClassVar[str] = "always the same answer"
    photometric_name: ClassVar[str] = ""
    rounds: int = 0
    training_fields: tuple[str, ...] = ()
    tempered: bool = False
    balanced: bool = False

    @classmethod
    @abc.abstractmethod
    def columns(cls, **options: Any) -> tuple[str, ...]:
        """Return the columns of the labels that it reads, from its options."""

    @classmethod
    @abc.abstractmethod
    def fit(cls, records: RecordsDirectory, columns: LabelColumns, size: int, *, names: Labels, **options: Any) -> Self:
        """Return the target for these labels.

        Args:
            records: the survey.
            columns: `columns` of the training split, in the order of the records.
            size: side of the stamps that the encoder gets.
            names: the labels of all splits, of which `Labels.distinct` tells the names of classes; statistics come
                from the training split alone.
            options: those of the target, as typed.

        Raises:
            AstrokerasError: the labels lack what the target needs.
            UsageError: an option has a value that it can't have.
        """

    @classmethod
    @abc.abstractmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the target that `config` came from; it may be anybody's.

        Raises:
            KeyError, TypeError, ValueError: it is of no such target.
        """

    @property
    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """All that was fitted, ready for JSON: what stands in ``run.json``, and suffices for `describe`."""

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """How many numbers a prediction of an example has."""

    @property
    @abc.abstractmethod
    def derived_fields(self) -> tuple[str, ...]:
        """The names of what `encode` gives: no other target or column has them, as in ``class:label``."""

    @abc.abstractmethod
    def encode(self, labels: LabelColumns) -> dict[str, np.ndarray]:
        """Return the fields for the batches, [N, ...] numbers each; NaN or -1 where missing."""

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], Any]:
        """Return the stamp as it is, and the field, or the fields by name if there are several."""
        names = self.derived_fields
        return [flux], fields[names[0]] if len(names) == 1 else {name: fields[name] for name in names}

    @abc.abstractmethod
    def known(self, fields: Encoded) -> np.ndarray:
        """Which examples have a label, [N] bool: those that a budget draws from."""

    @abc.abstractmethod
    def strata(self, fields: Encoded) -> np.ndarray:
        """Return the groups by which draws are stratified, [N] integers: classes, or ranges of a number."""

    @abc.abstractmethod
    def probe(self, features: np.ndarray, fields: Encoded, seed: int) -> list[np.ndarray]:
        """Return the weights of the head's layers, in the order of ``get_weights``, fitted by scikit-learn.

        Args:
            features: of the examples, [N, D], all of which have a label.
            fields: of the same examples.
            seed: of everything random.
        """

    @abc.abstractmethod
    def outputs(self) -> tuple[Output, ...]:
        """Return the named columns of a prediction."""

    @abc.abstractmethod
    def told(self, prediction: KerasTensor) -> dict[str, KerasTensor]:
        """Return the columns of `outputs`, [N] each, of a prediction, by operations of `keras.ops`.

        It is called with arrays for tables, and within the graph that is exported. Of a column with `Output.values` the
        places of these, as integers.
        """

    def describe(self, prediction: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns of `outputs`, [N] each, of a prediction: numbers, or names."""
        told = {name: ops.convert_to_numpy(column) for name, column in self.told(prediction).items()}
        return {
            output.name: np.array(output.values)[told[output.name]] if output.values else told[output.name]
            for output in self.outputs()
        }

    @abc.abstractmethod
    def scores(self, fields: Encoded, prediction: np.ndarray) -> dict[str, float]:
        """Return how good a prediction of a whole split is; what has no label is left out, NaN where undefined."""

    @abc.abstractmethod
    def constant(self, fields: Encoded) -> np.ndarray:
        """Return the best constant prediction that these training fields allow, [1, ...], as a model would give it."""

    def refined(self, fields: Encoded, prediction: np.ndarray) -> dict[str, np.ndarray]:
        """Return the `training_fields` to go on with, where a network that has not seen these labels predicts this.

        Called only of a target that has `rounds`.
        """
        raise NotImplementedError

    def photometric(self, fluxes: np.ndarray, fields: Encoded, others: np.ndarray) -> np.ndarray:
        """Return what a linear fit on photometry predicts for other objects, [M, ...], as a model would.

        Called only of a target that has a `photometric_name`.

        Args:
            fluxes: logarithms of the aperture fluxes of the labelled objects, [N, F].
            fields: of these objects, all of which have a label.
            others: the same of the objects to predict, [M, F].
        """
        raise NotImplementedError

    def mean(self, predictions: list[KerasTensor]) -> KerasTensor:
        """Return the mean of what several networks predict, by a layer of Keras."""
        return keras.layers.Average(dtype="float32", name="mean")(predictions)


TARGETS: Registry[type[Target]] = Registry("target", "astrokeras.tasks.targets")
