"""The network that is trained, put together from what the options say."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import keras

from astrokeras.config import TrainingOptions
from astrokeras.models.normalization import freeze_normalization
from astrokeras.models.recast import recast
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.source import Source
from astrokeras.tasks.base import Task
from astrokeras.tasks.model import TaskModel
from astrokeras.training.engines.base import Engine
from astrokeras.training.optimizers.optimizer import Rate, make_optimizer, with_loss_scale
from astrokeras.training.precision_trial import POLICIES, Fit, choose_precision


@dataclasses.dataclass(frozen=True)
class ModelParts:
    """What a network is made of and trained with.

    Attributes:
        config: the options, with what follows from the start filled in.
        encoder: gives the encoder as it is at the start.
        engine: the way to train.
        source: of the batches.
        tasks: fitted, by name.
        weights: of their losses.
        augment: changes the flux in training.
        steps: of the whole training.
        at_once: the most steps of an execution.
        fixed_statistics: whether BatchNormalization goes on as it is.
        by_layer: whether rates can be set by variable, see `optimizers.layered`.
    """

    config: TrainingOptions
    encoder: Callable[[], keras.Model]
    engine: Engine
    source: Source
    tasks: dict[str, Task]
    weights: dict[str, float]
    augment: Chain | None
    steps: int
    at_once: int = 1
    fixed_statistics: bool = False
    by_layer: bool = False

    def build(self, precision: str, rate: Rate) -> TaskModel:
        """Return the model, ready to train; inside the scope of the strategy."""
        config, engine, tasks = self.config, self.engine, self.tasks
        for task in tasks.values():
            task.replicas = engine.replicas
        encoder = self.encoder()
        if self.fixed_statistics:
            freeze_normalization(encoder)
        if precision != "float32":
            encoder = recast(encoder, POLICIES[precision])
        augment = None if engine.augments else self.augment
        model = TaskModel(encoder, tasks, self.weights, augment=augment, average=config.average)
        optimizer = make_optimizer(config, rate, replicas=engine.replicas.count, by_layer=self.by_layer)
        rate.begin(self.steps)
        model.compile(
            optimizer=with_loss_scale(optimizer) if precision == "float16" else optimizer,
            jit_compile=engine.jit_compile,
            steps_per_execution=min(engine.most_steps, self.at_once),
        )
        # A checkpoint can only be restored into an optimizer that has its variables.
        model.optimizer.build(model.trainable_variables)
        return model

    @contextlib.contextmanager
    def trial(self, precision: str) -> Iterator[Fit]:
        """Return what trains a model of its own on the first batch, as many steps as it is told."""
        config = self.config
        with self.engine.scope():
            model = self.build(precision, Rate(config))
        batches = self.source.training(0, config.batch_size, model.fields, model.n_draws, config.seed)
        batch = next(iter(batches))
        yield lambda steps: model.fit(self.engine.repeat(batch, steps), verbose=0, shuffle=False)


def find_precision(parts: ModelParts, earlier: dict[str, Any] | None, report: Callable[[str], None]) -> dict[str, Any]:
    """Return what to compute in, see `choose_precision`; a run that goes on has chosen."""
    if earlier and (chosen := earlier.get("resolved", {}).get("precision")):
        return chosen
    config, not_tried = parts.config, None
    if config.deterministic:
        not_tried = "since a trial's outcome would differ from time to time"
    elif parts.engine.workers.count > 1:
        not_tried = "since a trial's outcome would differ from worker to worker"
    return choose_precision(
        config.precision,
        parts.trial,
        batch_size=config.batch_size,
        not_tried=not_tried,
        report=report,
    )
