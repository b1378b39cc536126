"""What differs between Keras's backends in a training: devices, where batches come from, where curves go.

With TensorFlow, records are streamed, on any number of devices. With another backend (``KERAS_BACKEND=jax``) TensorFlow
is not imported: the records are read into memory and one device is used.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import keras

from astrokeras.config import TrainingOptions
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.model import TaskModel
from astrokeras.tasks.replicas import Replicas
from astrokeras.training.board import Board
from astrokeras.training.distribution.worker_cluster import MULTI_WORKER
from astrokeras.training.distribution.workers import Workers
from astrokeras.training.engines.meter import Meter

# Small networks are bound by the overhead of an execution.
MOST_STEPS = 8
TRAINED_ON = ("train", "val")


class Engine(Protocol):
    """A way to train.

    Attributes:
        replicas: the devices that share a batch.
        workers: the processes that do.
        augments: whether the source augments its batches; the model has to do it otherwise.
        jit_compile: what Keras's `compile` gets.
        most_steps: how many steps an execution may have.
        notes: what the user should know, a line each.
        input_errors: what is raised where records can't be read.
        exhausted: what is raised where the memory of a device does not suffice.
    """

    replicas: Replicas
    workers: Workers
    augments: bool
    jit_compile: bool
    most_steps: int
    notes: tuple[str, ...]
    input_errors: tuple[type[Exception], ...]
    exhausted: tuple[type[Exception], ...]

    def scope(self) -> contextlib.AbstractContextManager:
        """Return where variables have to be made."""

    def source(
        self, records: RecordsDirectory, size: int | None, augment: Chain | None, fields: Sequence[str],
        splits: Sequence[str] = TRAINED_ON,
    ) -> Source:  # fmt: skip
        """Return the batches of a records directory, of these fields of these splits, empty ones left out."""

    def repeat(self, batch: tuple[Any], steps: int) -> Any:
        """Return a batch of a source that many times, from memory, for `keras.Model.fit`."""

    def fed(self, source: Source) -> Source:
        """Return the source for `fit` and `evaluate`: of each batch it gives what this process takes."""

    def board(self, directory: Path) -> Board:
        """Return what shows the curves."""

    def meter(self, model: TaskModel) -> Meter:
        """Return what measures how long a compiled model waits for batches."""


def open_engine(config: TrainingOptions) -> Engine:
    """Return the engine for Keras's backend; call it before anything starts TensorFlow's devices.

    Raises:
        UsageError: the devices or the batch size are none that it can work with.
        AstrokerasError: there are not as many devices.
    """
    # Each imports what the other has to do without.
    if keras.backend.backend() != "tensorflow":
        from astrokeras.training.engines.array_engine import ArrayEngine  # noqa: PLC0415

        return ArrayEngine(config)
    from astrokeras.training.engines.tensorflow import MultiWorkerEngine, TensorFlowEngine  # noqa: PLC0415

    return (MultiWorkerEngine if config.devices == MULTI_WORKER else TensorFlowEngine)(config)
