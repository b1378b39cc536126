"""What a pretext task is, and the tasks by name.

A task is one file here that subclasses `Task` and registers itself; `astrokeras/pretext/registry.py` imports it.
The trainer knows nothing else of it.
"""

import abc
from collections.abc import Mapping
from typing import ClassVar, Self

import keras
from keras import KerasTensor

from astrokeras.records.directory import Records
from astrokeras.registry import Registry

Scores = dict[str, float]


class Task(abc.ABC):
    """A pretext task with what it has learned about the training split."""

    # What it reads from a record beside the pixels.
    fields: ClassVar[tuple[str, ...]]
    # What an augmentation must leave as it is for the targets to be true; words of `augmentations.base.PROPERTIES`.
    breaks: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    @abc.abstractmethod
    def fit(cls, records: Records) -> Self:
        """The task for these records.

        Raises:
            AstrokerasError: the training split lacks what the task needs.
        """

    @property
    def notes(self) -> list[str]:
        """What the user should know about the fit, a line each."""
        return []

    @abc.abstractmethod
    def target(self, fields: Mapping[str, KerasTensor]) -> KerasTensor:
        """The targets of a batch from its fields."""

    @abc.abstractmethod
    def head(self, embedding: KerasTensor) -> KerasTensor:
        """The prediction from the embedding [N, D]."""

    @abc.abstractmethod
    def loss(self) -> keras.losses.Loss:
        """The loss of (target, prediction), a value an example: the trainer takes the mean."""

    @property
    @abc.abstractmethod
    def score_names(self) -> tuple[str, ...]:
        """The names of the values of `metrics`, in the order in which to show them."""

    @abc.abstractmethod
    def metrics(self) -> list[keras.metrics.Metric]:
        """New metrics of (target, prediction); one may give several named values."""

    def baselines(self, records: Records, split: str, size: int | None) -> dict[str, Scores]:
        """What simple methods reach on the same examples: by method, the names of `metrics`."""
        return {}


TASKS: Registry[type[Task]] = Registry("task")
