"""What a task is, and the pretext tasks by name.

A pretext task is one file in `astrokeras/tasks/pretext/` that subclasses `Task` and registers itself. Model and trainer
know nothing else of it. A target, which reads labels, is a task too, see `target.py`.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor

from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.registration import Registry
from astrokeras.spec import Parameter
from astrokeras.tasks.replicas import Replicas

Scores = dict[str, float]
Fields = Mapping[str, KerasTensor]
# By name, values over whole numbers.
Curves = dict[str, dict[int, float]]


@dataclasses.dataclass(frozen=True)
class Told:
    """One column of what is predicted for N objects.

    Attributes:
        name: of the column.
        values: [N].
        unit: as astropy writes it, or None.
        truth: name of the column of the records' objects that it predicts, or "".
    """

    name: str
    values: np.ndarray
    unit: str | None = None
    truth: str = ""


class Task(abc.ABC):
    """A task with what it has learned about the training split.

    For each batch the model calls `views`, runs the encoder over all of them (those of every task at once, each
    distinct one once), gives the embeddings to the head, and takes the weighted mean of `loss`. All of that is written
    with `keras.ops` and is a pure function of what the pipeline gives: nothing random is drawn here.

    Attributes:
        fields: what it reads from a record beside the pixels, see `pipeline.source`.
        derived_fields: further fields, which it makes itself, see `make_fields` and `before_epoch`.
        parameters: what may be typed behind its name, ``magnitudes(loss=huber)``; arguments of `fit`.
        broken_by: what an augmentation must leave as it is for the targets to be true; words of
            `augmentations.base.PROPERTIES`.
        legend: what the scores are, in a few words, with the unit.
        errors: whether the scores are errors, of which the smaller one is better.
        n_draws: how many uniform random numbers in [0, 1) an example needs.
        n_views: how many views of an example there are.
        replicas: the devices that share a batch; set by the trainer.
        dropout: share of the features that the head is not given in a step of the training; set by the trainer.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    derived_fields: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    broken_by: ClassVar[frozenset[str]] = frozenset()
    legend: ClassVar[str]
    errors: ClassVar[bool] = False
    n_draws: int = 0
    n_views: int = 1
    replicas: Replicas = Replicas()
    dropout: float = 0.0

    @classmethod  # noqa: B027 - most make none
    def make_fields(cls, source: Source, report: Callable[[str], None], **options: Any) -> None:
        """Add to the source what is `derived_fields`, before `fit`, whose options it gets; `report` takes lines.

        Example:
            >>> TASKS.get("clusters").make_fields(source, print, clusters=10)  # doctest: +SKIP
        """

    @classmethod
    @abc.abstractmethod
    def fit(cls, records: RecordsDirectory, columns: Mapping[str, np.ndarray], size: int, **options: Any) -> Self:
        """Return the task for these records.

        Args:
            records: the survey: its bands, unit, sky and noise.
            columns: `fields` and `derived_fields` of the training split, each [N, ...], in the order of the records.
            size: side of the stamps that the encoder gets.
            options: those of the task, as typed: ``magnitudes(loss=huber)``.

        Raises:
            AstrokerasError: the training split lacks what the task needs.
            UsageError: an option has a value that it can't have.

        Example:
            >>> TASKS.get("rotation").fit(records, {}, 64)  # doctest: +SKIP
        """

    @property
    def notes(self) -> list[str]:
        """What the user should know about the fit, a line each.

        Example:
            >>> TASKS.get("rotation")().notes
            []
        """
        return []

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], Any]:
        """Return what the encoder gets to see, and what the head's answer is compared with.

        Here: the stamp as it is, and the task's only field.

        Shapes:
            flux [N, S, S, B], fields [N, ...] each, with ``weight`` [N] (0 for padding, which has to count as
            absent); draws [N, n_draws] -> n_views views [N, S, S, B], and a tensor, or tensors, of N examples

        Units:
            flux and views in the records' unit; NaN where a pixel is missing

        Example:
            >>> views, target = TASKS.get("rotation")().views(np.zeros((2, 8, 8, 3)), {}, np.zeros((2, 0)))
            >>> len(views), target
            (4, None)
        """
        return [flux], fields[self.fields[0]]

    @abc.abstractmethod
    def head(self, embeddings: list[KerasTensor]) -> Any:
        """Return the prediction from the embeddings of the views, [N, D] each: a symbolic tensor, or several.

        Example:
            >>> logits = TASKS.get("rotation")().head([keras.Input((128,))] * 4)
            >>> len(logits), logits[0].shape
            (4, (None, 4))
        """

    def activate(self, prediction: Any) -> Any:
        """Return what a saved model predicts, from what the head gives: by layers of Keras, symbolic.

        Example:
            >>> logits = keras.Input((4,))
            >>> TASKS.get("rotation")().activate(logits) is logits
            True
        """
        return prediction

    def layers(self) -> list[keras.Layer]:
        """Layers with a state of their own that `views` or `loss` use; checkpoints hold them too.

        Example:
            >>> TASKS.get("rotation")().layers()
            []
        """
        return []

    def before_epoch(self, split: str, epoch: int, source: Source, predictions: Callable[[], np.ndarray]) -> None:  # noqa: B027
        """Renews what is `derived_fields` for a split, before it is trained on or validated.

        Args:
            split: ``train`` or ``val``.
            epoch: from 0.
            source: of the batches.
            predictions: gives what the head now predicts for the unaltered stamps of the split, in the records' order.

        Example:
            >>> task.before_epoch("train", 0, source, lambda: model.predict(flux))  # doctest: +SKIP
        """

    def resume_epoch(self, source: Source) -> None:  # noqa: B027
        """Make anew what `before_epoch` had made for the training split, within an epoch that a checkpoint interrupts.

        The state of `layers` is that of the checkpoint, so that it has to tell all; the network has changed since.

        Example:
            >>> task.resume_epoch(source)  # doctest: +SKIP
        """

    @abc.abstractmethod
    def loss(self, target: Any, prediction: Any) -> KerasTensor:
        """Return the loss of each example, [N] float32: the trainer takes the mean.

        An example's denominator must not depend on the others; what compares examples uses `replicas`.

        Example:
            >>> loss = TASKS.get("rotation")().loss(None, [np.zeros((1, 4), np.float32)] * 4)
            >>> round(float(loss[0]), 3)  # all four turns are as probable
            1.386
        """

    @property
    @abc.abstractmethod
    def score_names(self) -> tuple[str, ...]:
        """The names of the values of `metrics`, in the order in which to show them.

        Example:
            >>> TASKS.get("rotation")().score_names
            ('accuracy',)
        """

    @abc.abstractmethod
    def metrics(self) -> list[keras.metrics.Metric]:
        """Return new metrics of (target, prediction, weight); one may give several named values.

        Example:
            >>> [metric.name for metric in TASKS.get("rotation")().metrics()]
            ['accuracy']
        """

    @classmethod
    def told(cls, name: str, prediction: np.ndarray, bands: Sequence[str]) -> list[Told]:
        """Return the columns of what the head of a task of one view predicts, [N, K] as the head gives it.

        Here: numbered after the task's name, without a unit. What is served computes them too, so that they are made
        by slices and arithmetic, of NumPy's arrays as of TensorFlow's.

        Example:
            >>> [told.name for told in TASKS.get("rotation").told("turn", np.zeros((5, 2)), "gri")]
            ['turn_0', 'turn_1']
        """
        return [Told(f"{name}_{number}", prediction[:, number]) for number in range(prediction.shape[1])]

    def baselines(self, source: Source, split: str) -> dict[str, Scores]:
        """Return what simple methods reach on the same examples: by method, the names of `metrics`.

        Example:
            >>> TASKS.get("rotation")().baselines(source, "val")  # doctest: +SKIP
            {}
        """
        return {}

    def look_closer(
        self, source: Source, split: str, predictions: Callable[[], np.ndarray]
    ) -> dict[str, tuple[Scores, Curves]]:
        """Return scores and curves that need all predictions for a split at once; called once, after the training.

        Args:
            source: of the batches.
            split: of which `baselines` has been asked for before, if there is a baseline.
            predictions: see `before_epoch`.

        Returns:
            By method, ``val`` for this network or a baseline's name: further scores, and curves.

        Example:
            >>> TASKS.get("rotation")().look_closer(source, "val", lambda: model.predict(flux))  # doctest: +SKIP
            {}
        """
        return {}


TASKS: Registry[type[Task]] = Registry("task", "astrokeras.tasks.pretext")
