"""Trainings with Keras's other backends: arrays in memory on one device, without TensorFlow."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from astrokeras.config import TrainingOptions
from astrokeras.errors import UsageError
from astrokeras.pipeline.arrays import Arrays, Batches
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.model import TaskModel
from astrokeras.tasks.replicas import Replicas
from astrokeras.training.board import Board
from astrokeras.training.distribution.workers import Workers
from astrokeras.training.engines.base import MOST_STEPS, TRAINED_ON
from astrokeras.training.engines.meter import BetweenSteps, Meter


class ArrayEngine:
    """Arrays in memory on one device."""

    replicas = Replicas()
    workers = Workers()
    augments = False
    jit_compile = True
    most_steps = MOST_STEPS
    input_errors = (ValueError, OSError)
    exhausted = (MemoryError,)

    def __init__(self, config: TrainingOptions) -> None:
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

    def source(
        self, records: RecordsDirectory, size: int | None, augment: Chain | None, fields: Sequence[str],
        splits: Sequence[str] = TRAINED_ON,
    ) -> Source:  # fmt: skip
        """See `Engine.source`."""
        there = [split for split in splits if split == "train" or records.counts.get(split, 0)]
        return Arrays.load(records, there, fields, size)

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
