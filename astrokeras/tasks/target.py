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

from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.registration import Registry
from astrokeras.tasks.base import Fields, Task
from astrokeras.tasks.label_columns import LabelColumns, Labels

Encoded = Mapping[str, np.ndarray]
"""What `Target.encode` gives, by field name: [N, ...] each, NaN or -1 where missing."""


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
        """Name, unit and description, ready for JSON.

        Example:
            >>> Output("z", None, "redshift").record
            {'name': 'z', 'unit': None, 'description': 'redshift'}
        """
        return {"name": self.name, "unit": self.unit, "description": self.description}


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

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a target that announces what it does not give.

        Raises:
            TypeError: it has `rounds` and no `refined`, or a `photometric_name` and no `photometric`.
        """
        super().__init_subclass__(**options)
        if missing := _missing(cls, cls):
            raise TypeError(missing)

    @classmethod
    @abc.abstractmethod
    def columns(cls, **options: Any) -> tuple[str, ...]:
        """Return the columns of the labels that it reads, from its options.

        Example:
            >>> TARGETS.get("class").columns(("kind",))
            ('kind',)
        """

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

        Example:
            >>> labels = Labels({"train": {"label": np.ma.masked_array(["star", "galaxy"])}})
            >>> TARGETS.get("class").fit(None, labels.split("train"), 64, names=labels).names
            ('galaxy', 'star')
        """

    @classmethod
    @abc.abstractmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the target that `config` came from; it may be anybody's.

        Raises:
            KeyError, TypeError, ValueError: it is of no such target.

        Example:
            >>> target = TARGETS.get("class")(("star", "galaxy"))
            >>> TARGETS.get("class").from_config(target.config).names
            ('star', 'galaxy')
        """

    @property
    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """All that was fitted, ready for JSON: what stands in ``run.json``, and suffices for `describe`.

        Example:
            >>> sorted(TARGETS.get("class")(("star", "galaxy")).config)
            ['columns', 'groups', 'names', 'options']
        """

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """How many numbers a prediction of an example has.

        Example:
            >>> TARGETS.get("class")(("star", "galaxy")).width
            2
        """

    @property
    @abc.abstractmethod
    def derived_fields(self) -> tuple[str, ...]:
        """The names of what `encode` gives: no other target or column has them, as in ``class:label``.

        Example:
            >>> TARGETS.get("class")(("star", "galaxy")).derived_fields
            ('class:label',)
        """

    @abc.abstractmethod
    def encode(self, labels: LabelColumns) -> dict[str, np.ndarray]:
        """Return the fields for the batches, [N, ...] numbers each; NaN or -1 where missing.

        Example:
            >>> target = TARGETS.get("class")(("star", "galaxy"))
            >>> target.encode({"label": np.ma.masked_array(["galaxy", "star", "?"])})
            {'class:label': array([ 1,  0, -1], dtype=int32)}
        """

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], Any]:
        """Return the stamp as it is, and the field, or the fields by name if there are several.

        Example:
            >>> target = TARGETS.get("class")(("star", "galaxy"))
            >>> _, truth = target.views(np.zeros((2, 8, 8, 3)), {"class:label": np.array([1, -1])}, None)
            >>> truth.tolist()
            [1, -1]
        """
        names = self.derived_fields
        return [flux], fields[names[0]] if len(names) == 1 else {name: fields[name] for name in names}

    @abc.abstractmethod
    def known(self, fields: Encoded) -> np.ndarray:
        """Which examples have a label, [N] bool: those that a budget draws from.

        Example:
            >>> target = TARGETS.get("class")(("star", "galaxy"))
            >>> target.known({"class:label": np.array([1, -1])}).tolist()
            [True, False]
        """

    @abc.abstractmethod
    def strata(self, fields: Encoded) -> np.ndarray:
        """Return the groups by which draws are stratified, [N] integers: classes, or ranges of a number.

        Example:
            >>> target = TARGETS.get("class")(("star", "galaxy"))
            >>> target.strata({"class:label": np.array([1, -1])}).tolist()
            [1, -1]
        """

    @abc.abstractmethod
    def probe(self, features: np.ndarray, fields: Encoded, seed: int) -> list[np.ndarray]:
        """Return the weights of the head's layers, in the order of ``get_weights``, fitted by scikit-learn.

        Args:
            features: of the examples, [N, D], all of which have a label.
            fields: of the same examples.
            seed: of everything random.

        Example:
            >>> target = TARGETS.get("class")(("star", "galaxy"))
            >>> kernel, bias = target.probe(np.eye(4), {"class:label": np.array([0, 0, 1, 1])}, seed=0)
            >>> kernel.shape, bias.shape
            ((4, 2), (2,))
        """

    @abc.abstractmethod
    def outputs(self) -> tuple[Output, ...]:
        """Return the named columns of a prediction.

        Example:
            >>> [output.name for output in TARGETS.get("class")(("star", "galaxy")).outputs()]
            ['class', 'p_star', 'p_galaxy']
        """

    @abc.abstractmethod
    def told(self, prediction: KerasTensor) -> dict[str, KerasTensor]:
        """Return the columns of `outputs`, [N] each, of a prediction, by operations of `keras.ops`.

        It is called with arrays for tables, and within the graph that is exported. Of a column with `Output.values` the
        places of these, as integers.

        Example:
            >>> list(TARGETS.get("class")(("star", "galaxy")).told(np.float32([[0.2, 0.8]])))
            ['class', 'p_star', 'p_galaxy']
        """

    def describe(self, prediction: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns of `outputs`, [N] each, of a prediction: numbers, or names.

        Example:
            >>> TARGETS.get("class")(("star", "galaxy")).describe(np.float32([[0.2, 0.8]]))["class"].tolist()
            ['galaxy']
        """
        told = {name: ops.convert_to_numpy(column) for name, column in self.told(prediction).items()}
        return {
            output.name: np.array(output.values)[told[output.name]] if output.values else told[output.name]
            for output in self.outputs()
        }

    @abc.abstractmethod
    def scores(self, fields: Encoded, prediction: np.ndarray) -> dict[str, float]:
        """Return how good a prediction of a whole split is; what has no label is left out, NaN where undefined.

        Example:
            >>> target = TARGETS.get("class")(("star", "galaxy"))
            >>> target.scores({"class:label": np.array([0, 1])}, np.float32([[0.9, 0.1], [0.2, 0.8]]))["accuracy"]
            1.0
        """

    @abc.abstractmethod
    def constant(self, fields: Encoded) -> np.ndarray:
        """Return the best constant prediction that these training fields allow, [1, ...], as a model would give it.

        Example:
            >>> target = TARGETS.get("class")(("star", "galaxy"))
            >>> target.constant({"class:label": np.array([0, 0, 0, 1])}).tolist()
            [[0.75, 0.25]]
        """

    def refined(self, fields: Encoded, prediction: np.ndarray) -> dict[str, np.ndarray]:
        """Return the `training_fields` to go on with, where a network that has not seen these labels predicts this.

        Called only of a target that has `rounds`.

        Example:
            >>> from astrokeras.tasks.targets.class_ import ClassOptions
            >>> target = TARGETS.get("class")(("star", "galaxy"), options=ClassOptions(refine=True))
            >>> target.refined({"class:label": np.array([1])}, np.float32([[0.5, 0.5]]))
            {'class:label:refined': array([[0.25, 0.75]], dtype=float32)}
        """
        raise AstrokerasError(_LACKS.format(type(self).__name__, "rounds", "refined"))

    def photometric(self, fluxes: np.ndarray, fields: Encoded, others: np.ndarray) -> np.ndarray:
        """Return what a linear fit on photometry predicts for other objects, [M, ...], as a model would.

        Called only of a target that has a `photometric_name`.

        Args:
            fluxes: logarithms of the aperture fluxes of the labelled objects, [N, F].
            fields: of these objects, all of which have a label.
            others: the same of the objects to predict, [M, F].

        Example:
            >>> regression.photometric(fluxes, fields, others).shape  # doctest: +SKIP
            (100, 1)
        """
        raise AstrokerasError(_LACKS.format(type(self).__name__, "photometric_name", "photometric"))

    def mean(self, predictions: list[KerasTensor]) -> KerasTensor:
        """Return the mean of what several networks predict, by a layer of Keras.

        Example:
            >>> shares = TARGETS.get("class")(("star", "galaxy"), ("star", "galaxy"))
            >>> ops.convert_to_numpy(shares.mean([np.float32([[0.25, 0.75]]), np.float32([[0.75, 0.25]])])).tolist()
            [[0.5, 0.5]]
        """
        return keras.layers.Average(dtype="float32", name="mean")(predictions)


_LACKS = "target {} has {}, but no method {}; give it one, or leave that out"
_ANNOUNCED = {"rounds": "refined", "photometric_name": "photometric"}


def _missing(kind: type[Target], target: Target | type[Target]) -> str:
    """Return what a target announces and its class does not give, in a sentence; nothing if it is whole."""
    for name, method in _ANNOUNCED.items():
        if getattr(target, name) and getattr(kind, method) is getattr(Target, method):
            return _LACKS.format(kind.__name__, name, method)
    return ""


def check_whole(target: Target) -> None:
    """Make sure that a target gives what it announces, which may depend on its options.

    Raises:
        AstrokerasError: it has `rounds` and no `refined`, or a `photometric_name` and no `photometric`.

    Example:
        >>> check_whole(TARGETS.get("class")(("star", "galaxy")))
    """
    if missing := _missing(type(target), target):
        raise AstrokerasError(missing)


TARGETS: Registry[type[Target]] = Registry("target", "astrokeras.tasks.targets")
