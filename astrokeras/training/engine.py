"""What differs between Keras's backends in a pre-training: devices, where batches come from, where curves go.

With TensorFlow, records are streamed, on any number of devices. With another backend (``KERAS_BACKEND=jax``) TensorFlow
is not imported: the records are read into memory and one device is used.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import keras

from astrokeras.config import PretrainConfig
from astrokeras.errors import UsageError
from astrokeras.pipeline.arrays import Arrays, Batches
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.source import Source
from astrokeras.pretext.replicas import Replicas
from astrokeras.records.directory import Records
from astrokeras.training.board import Board
from astrokeras.training.meter import BetweenSteps, Meter


class Engine(Protocol):
    """A way to train.

    Attributes:
        replicas: the devices that share a batch.
        augments: whether the source augments its batches; the model has to do it otherwise.
        jit_compile: what Keras's `compile` gets.
        notes: what the user should know, a line each.
        input_errors: what is raised where records can't be read.
    """

    replicas: Replicas
    augments: bool
    jit_compile: bool
    notes: tuple[str, ...]
    input_errors: tuple[type[Exception], ...]

    def scope(self) -> contextlib.AbstractContextManager:
        """Where variables have to be made."""

    def source(self, records: Records, size: int | None, augment: Chain | None, fields: Sequence[str]) -> Source:
        """The batches of a records directory."""

    def repeat(self, batch: tuple[Any], steps: int) -> Any:
        """A batch of a source that many times, from memory, for `keras.Model.fit`."""

    def board(self, directory: Path) -> Board:
        """What shows the curves."""

    def meter(self, model: keras.Model) -> Meter | None:
        """What measures how long a compiled model waits for batches; None where that can't be known."""


class TensorFlowEngine:
    """Streams on the devices of a `tf.distribute` strategy."""

    augments = True
    # XLA makes convolutions several times slower on CPUs, and fails with several replicas.
    jit_compile = False
    notes = ()

    def __init__(self, devices: str, batch_size: int, deterministic: bool) -> None:
        # TensorFlow is not there with every backend.
        import tensorflow as tf  # noqa: PLC0415

        from astrokeras.training.replicas import replicas_of  # noqa: PLC0415
        from astrokeras.training.strategy import check_batch_size, make_strategy  # noqa: PLC0415

        self.strategy = make_strategy(devices)
        self.deterministic = deterministic
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        check_batch_size(batch_size, self.strategy)
        self.replicas = replicas_of(self.strategy)
        errors = tf.errors
        self.input_errors = (
            errors.DataLossError, errors.NotFoundError, errors.InvalidArgumentError, errors.FailedPreconditionError,
            errors.OutOfRangeError, errors.UnknownError, errors.PermissionDeniedError,
        )  # fmt: skip

    def scope(self) -> contextlib.AbstractContextManager:
        """See `Engine.scope`."""
        return self.strategy.scope()

    def source(self, records: Records, size: int | None, augment: Chain | None, fields: Sequence[str]) -> Source:
        """See `Engine.source`."""
        from astrokeras.pipeline.stream import Stream  # noqa: PLC0415

        return Stream(records, size, augment)

    def repeat(self, batch: tuple[Any], steps: int) -> Any:
        """See `Engine.repeat`."""
        import tensorflow as tf  # noqa: PLC0415

        return tf.data.Dataset.from_tensors(batch).repeat(steps)

    def board(self, directory: Path) -> Board:
        """See `Engine.board`."""
        from astrokeras.training.tensorboard import TensorBoard  # noqa: PLC0415

        return TensorBoard(directory)

    def meter(self, model: keras.Model) -> Meter | None:
        """See `Engine.meter`; with several devices each is fed by a buffer of its own, which says nothing."""
        if self.replicas.count > 1:
            return None
        from astrokeras.training.steps import TimedSteps  # noqa: PLC0415

        model.train_function = TimedSteps(model, self.deterministic)
        return model.train_function


class ArrayEngine:
    """Arrays in memory on one device."""

    replicas = Replicas()
    augments = False
    jit_compile = True
    input_errors = (ValueError, OSError)

    def __init__(self, devices: str, batch_size: int, deterministic: bool) -> None:
        backend = keras.backend.backend()
        if devices != "auto":
            raise UsageError(f"--devices {devices}: the {backend} backend takes the device it finds; leave it auto")
        if batch_size < 1:
            raise UsageError(f"--batch-size {batch_size} must be positive")
        if deterministic and keras.distribution.list_devices() != keras.distribution.list_devices("cpu"):
            raise UsageError(
                f"--deterministic: with the {backend} backend on CPUs alone; leave it out, or set JAX_PLATFORMS=cpu"
            )
        self.notes = (f"backend {backend}: one device, records in memory, no TensorBoard",)

    def scope(self) -> contextlib.AbstractContextManager:
        """See `Engine.scope`."""
        return contextlib.nullcontext()

    def source(self, records: Records, size: int | None, augment: Chain | None, fields: Sequence[str]) -> Source:
        """See `Engine.source`."""
        splits = ["train", "val"] if records.counts.get("val", 0) else ["train"]
        return Arrays.load(records, splits, fields, size)

    def repeat(self, batch: tuple[Any], steps: int) -> Any:
        """See `Engine.repeat`."""
        return Batches(steps, lambda _: batch[0])

    def board(self, directory: Path) -> Board:
        """See `Engine.board`."""
        return Board()

    def meter(self, model: keras.Model) -> Meter | None:
        """See `Engine.meter`."""
        return BetweenSteps()


def open_engine(config: PretrainConfig) -> Engine:
    """The engine for Keras's backend; call it before anything starts TensorFlow's devices.

    Raises:
        UsageError: the devices or the batch size are none that it can work with.
        AstrokerasError: there are not as many devices.
    """
    kind = TensorFlowEngine if keras.backend.backend() == "tensorflow" else ArrayEngine
    return kind(config.devices, config.batch_size, config.deterministic)
