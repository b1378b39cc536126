"""Trainings with TensorFlow: records are streamed, on any number of devices."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from astrokeras.config import TrainingOptions, as_dict
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.shards import INPUT_ERRORS
from astrokeras.pipeline.source import Source
from astrokeras.pipeline.stream import Stream
from astrokeras.pipeline.tuning import untuned
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.model import TaskModel
from astrokeras.training.board import Board
from astrokeras.training.distribution.multi_worker import WorkerStream, start
from astrokeras.training.distribution.strategy import check_batch_size, make_strategy
from astrokeras.training.distribution.strategy_replicas import replicas_of
from astrokeras.training.distribution.worker_cluster import find_cluster
from astrokeras.training.distribution.workers import Workers
from astrokeras.training.engines.base import MOST_STEPS, TRAINED_ON
from astrokeras.training.engines.meter import Meter
from astrokeras.training.engines.steps import ReplicatedSteps, TimedSteps
from astrokeras.training.run_directory import versions
from astrokeras.training.tensorboard import TensorBoard


class TensorFlowEngine:
    """Streams on the devices of a `tf.distribute` strategy, all of this process."""

    workers = Workers()
    augments = True
    # XLA makes convolutions several times slower on CPUs, and fails with several replicas.
    jit_compile = False
    notes = ()
    exhausted = (MemoryError, tf.errors.ResourceExhaustedError)

    def __init__(self, config: TrainingOptions) -> None:
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
        return MOST_STEPS if self.replicas.count == 1 else 1

    def _start(self, config: TrainingOptions) -> tf.distribute.Strategy:
        return make_strategy(config.devices)

    def scope(self) -> contextlib.AbstractContextManager:
        """See `Engine.scope`."""
        return self.strategy.scope()

    def source(
        self, records: RecordsDirectory, size: int | None, augment: Chain | None, fields: Sequence[str],
        splits: Sequence[str] = TRAINED_ON,
    ) -> Source:  # fmt: skip
        """See `Engine.source`."""
        return Stream(records, size, augment)

    def repeat(self, batch: tuple[Any], steps: int) -> Any:
        """See `Engine.repeat`."""
        return untuned(tf.data.Dataset.from_tensors(batch).repeat(steps))

    def fed(self, source: Source) -> Source:
        """See `Engine.fed`; Keras gives every device of the process its part."""
        return source

    def board(self, directory: Path) -> Board:
        """See `Engine.board`."""
        return TensorBoard(directory)

    def meter(self, model: TaskModel) -> Meter:
        """See `Engine.meter`."""
        if model.steps_per_execution == 1:
            model.train_function = ReplicatedSteps(model, self.strategy, model.train_step, self.deterministic)
        else:
            model.train_function = TimedSteps(model, self.deterministic)
        return model.train_function


def _facts(config: TrainingOptions) -> dict[str, Any]:
    """Return what all workers have to have alike; the same records may lie elsewhere for each."""
    options = {f"--{name.replace('_', '-')}": value for name, value in as_dict(config).items() if name != "records"}
    return {**options, **versions(), "fingerprint of the records": RecordsDirectory.load(config.records).fingerprint}


class MultiWorkerEngine(TensorFlowEngine):
    """Streams on the devices of several processes, see `multi_worker.py`."""

    # One worker alone has a strategy for several, too.
    most_steps = 1

    def _start(self, config: TrainingOptions) -> tf.distribute.Strategy:
        self.cluster = find_cluster(os.environ)
        strategy, self.workers = start(self.cluster, _facts(config), config.worker_timeout)
        self.notes = (f"{len(self.cluster.workers)} workers, {strategy.num_replicas_in_sync} devices in all",)
        return strategy

    def fed(self, source: Source) -> Source:
        """See `Engine.fed`."""
        return WorkerStream(source, self.strategy, self.cluster)

    def board(self, directory: Path) -> Board:
        """See `Engine.board`; the first worker's shows the scores of all."""
        return super().board(directory) if self.workers.first else Board()

    def meter(self, model: TaskModel) -> Meter:
        """See `Engine.meter`."""
        model.test_function = ReplicatedSteps(model, self.strategy, model.test_step, self.deterministic)
        return super().meter(model)
