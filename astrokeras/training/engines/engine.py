"""What differs between Keras's backends in a pre-training: devices, where batches come from, where curves go.

With TensorFlow, records are streamed, on any number of devices. With another backend (``KERAS_BACKEND=jax``) TensorFlow
is not imported: the records are read into memory and one device is used.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import keras

from astrokeras.config import PretrainConfig, as_dict
from astrokeras.errors import UsageError
from astrokeras.pipeline.arrays import Arrays, Batches
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import Records
from astrokeras.tasks.model import TaskModel
from astrokeras.tasks.replicas import Replicas
from astrokeras.training.board import Board
from astrokeras.training.distribution.cluster import MULTI_WORKER, find_cluster
from astrokeras.training.distribution.workers import Workers
from astrokeras.training.engines.meter import BetweenSteps, Meter
from astrokeras.training.run_directory import versions

if TYPE_CHECKING:
    import tensorflow as tf


# Small networks are bound by the overhead of an execution.
_MOST_STEPS = 8


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
    """

    replicas: Replicas
    workers: Workers
    augments: bool
    jit_compile: bool
    most_steps: int
    notes: tuple[str, ...]
    input_errors: tuple[type[Exception], ...]

    def scope(self) -> contextlib.AbstractContextManager:
        """Where variables have to be made."""

    def source(self, records: Records, size: int | None, augment: Chain | None, fields: Sequence[str]) -> Source:
        """Return the batches of a records directory."""

    def repeat(self, batch: tuple[Any], steps: int) -> Any:
        """Return a batch of a source that many times, from memory, for `keras.Model.fit`."""

    def fed(self, source: Source) -> Source:
        """Return the source for `fit` and `evaluate`: of each batch it gives what this process takes."""

    def board(self, directory: Path) -> Board:
        """Return what shows the curves."""

    def meter(self, model: TaskModel) -> Meter:
        """Return what measures how long a compiled model waits for batches."""


class TensorFlowEngine:
    """Streams on the devices of a `tf.distribute` strategy, all of this process."""

    workers = Workers()
    augments = True
    # XLA makes convolutions several times slower on CPUs, and fails with several replicas.
    jit_compile = False
    notes = ()

    def __init__(self, config: PretrainConfig) -> None:
        # TensorFlow is not there with every backend.
        import tensorflow as tf  # noqa: PLC0415

        from astrokeras.pipeline.shards import INPUT_ERRORS  # noqa: PLC0415
        from astrokeras.training.distribution.replicas import replicas_of  # noqa: PLC0415
        from astrokeras.training.distribution.strategy import check_batch_size  # noqa: PLC0415

        self.deterministic = config.deterministic
        self.strategy = self._start(config)
        if config.deterministic:
            tf.config.experimental.enable_op_determinism()
        check_batch_size(config.batch_size, self.strategy)
        self.replicas = replicas_of(self.strategy, self.workers)
        self.input_errors = INPUT_ERRORS

    @property
    def most_steps(self) -> int:
        """See `Engine`; with several replicas more than one would fail."""
        return _MOST_STEPS if self.replicas.count == 1 else 1

    def _start(self, config: PretrainConfig) -> "tf.distribute.Strategy":
        from astrokeras.training.distribution.strategy import make_strategy  # noqa: PLC0415

        return make_strategy(config.devices)

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

        from astrokeras.pipeline.tuning import untuned  # noqa: PLC0415

        return untuned(tf.data.Dataset.from_tensors(batch).repeat(steps))

    def fed(self, source: Source) -> Source:
        """See `Engine.fed`; Keras gives every device of the process its part."""
        return source

    def board(self, directory: Path) -> Board:
        """See `Engine.board`."""
        from astrokeras.training.tensorboard import TensorBoard  # noqa: PLC0415

        return TensorBoard(directory)

    def meter(self, model: TaskModel) -> Meter:
        """See `Engine.meter`."""
        from astrokeras.training.engines.steps import ReplicatedSteps, TimedSteps  # noqa: PLC0415

        if self.most_steps == 1:
            model.train_function = ReplicatedSteps(model, self.strategy, model.train_step, self.deterministic)
        else:
            model.train_function = TimedSteps(model, self.deterministic)
        return model.train_function


def _facts(config: PretrainConfig) -> dict[str, Any]:
    """Return what all workers have to have alike; the same records may lie elsewhere for each."""
    options = {f"--{name.replace('_', '-')}": value for name, value in as_dict(config).items() if name != "records"}
    return {**options, **versions(), "fingerprint of the records": Records.load(config.records).fingerprint}


class MultiWorkerEngine(TensorFlowEngine):
    """Streams on the devices of several processes, see `multi_worker.py`."""

    # One worker alone has a strategy for several, too.
    most_steps = 1

    def _start(self, config: PretrainConfig) -> "tf.distribute.Strategy":
        from astrokeras.training.distribution.multi_worker import start  # noqa: PLC0415

        self.cluster = find_cluster(os.environ)
        strategy, self.workers = start(self.cluster, _facts(config), config.worker_timeout)
        self.notes = (f"{len(self.cluster.workers)} workers, {strategy.num_replicas_in_sync} devices in all",)
        return strategy

    def fed(self, source: Source) -> Source:
        """See `Engine.fed`."""
        from astrokeras.training.distribution.multi_worker import WorkerStream  # noqa: PLC0415

        return WorkerStream(source, self.strategy, self.cluster)

    def board(self, directory: Path) -> Board:
        """See `Engine.board`; the first worker's shows the scores of all."""
        return super().board(directory) if self.workers.first else Board()

    def meter(self, model: TaskModel) -> Meter:
        """See `Engine.meter`."""
        from astrokeras.training.engines.steps import ReplicatedSteps  # noqa: PLC0415

        model.test_function = ReplicatedSteps(model, self.strategy, model.test_step, self.deterministic)
        return super().meter(model)


class ArrayEngine:
    """Arrays in memory on one device."""

    replicas = Replicas()
    workers = Workers()
    augments = False
    jit_compile = True
    most_steps = _MOST_STEPS
    input_errors = (ValueError, OSError)

    def __init__(self, config: PretrainConfig) -> None:
        backend = keras.backend.backend()
        if config.devices != "auto":
            raise UsageError(
                f"--devices {config.devices}: the {backend} backend takes the device it finds; leave it auto"
            )
        if config.batch_size < 1:
            raise UsageError(f"--batch-size {config.batch_size} must be positive")
        if config.deterministic and keras.distribution.list_devices() != keras.distribution.list_devices("cpu"):
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

    def fed(self, source: Source) -> Source:
        """See `Engine.fed`."""
        return source

    def board(self, directory: Path) -> Board:
        """See `Engine.board`."""
        return Board()

    def meter(self, model: TaskModel) -> Meter:
        """See `Engine.meter`."""
        return BetweenSteps()


def open_engine(config: PretrainConfig) -> Engine:
    """Return the engine for Keras's backend; call it before anything starts TensorFlow's devices.

    Raises:
        UsageError: the devices or the batch size are none that it can work with.
        AstrokerasError: there are not as many devices.
    """
    if keras.backend.backend() != "tensorflow":
        return ArrayEngine(config)
    return (MultiWorkerEngine if config.devices == MULTI_WORKER else TensorFlowEngine)(config)
