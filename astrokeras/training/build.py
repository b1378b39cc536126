"""The network that is pre-trained, put together from what the options say."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from astrokeras.config import PretrainConfig
from astrokeras.models.precision import recast
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.source import Source
from astrokeras.tasks.base import Task
from astrokeras.tasks.model import TaskModel, check_weights
from astrokeras.training.engines.engine import Engine
from astrokeras.training.initial import Start
from astrokeras.training.optimizers.optimizer import make_optimizer, scaled
from astrokeras.training.precision import POLICIES, Fit, choose


def _steps_per_execution(config: PretrainConfig, steps: int, most: int) -> int:
    """As many as the engine allows, but checkpoints lie between executions."""
    return min(most, steps, config.checkpoint_every or steps)


@dataclasses.dataclass(frozen=True)
class ModelParts:
    """What a network is made of and trained with."""

    start: Start
    engine: Engine
    source: Source
    tasks: dict[str, Task]
    augment: Chain | None

    def build(self, precision: str) -> TaskModel:
        """Return the model, ready to train; inside the scope of the strategy."""
        config, engine, tasks = self.start.config, self.engine, self.tasks
        steps = self.source.steps(config.batch_size)
        weights = dict(zip(tasks, check_weights(list(tasks), config.task_weight), strict=True))
        for task in tasks.values():
            task.replicas = engine.replicas
        encoder = self.start.build()
        if precision != "float32":
            encoder = recast(encoder, POLICIES[precision])
        augment = None if engine.augments else self.augment
        model = TaskModel(encoder, tasks, weights, augment=augment, average=config.average)
        optimizer = make_optimizer(config, config.epochs * steps, replicas=engine.replicas.count)
        model.compile(
            optimizer=scaled(optimizer) if precision == "float16" else optimizer,
            jit_compile=engine.jit_compile,
            steps_per_execution=_steps_per_execution(config, steps, engine.most_steps),
        )
        # A checkpoint can only be restored into an optimizer that has its variables.
        model.optimizer.build(model.trainable_variables)
        return model

    @contextlib.contextmanager
    def trial(self, precision: str) -> Iterator[Fit]:
        """Return what trains a model of its own on the first batch, as many steps as it is told."""
        config = self.start.config
        with self.engine.scope():
            model = self.build(precision)
        batches = self.source.training(0, config.batch_size, model.fields, model.n_draws, config.seed)
        batch = next(iter(batches))
        yield lambda steps: model.fit(self.engine.repeat(batch, steps), verbose=0, shuffle=False)


def find_precision(parts: ModelParts, earlier: dict[str, Any] | None, report: Callable[[str], None]) -> dict[str, Any]:
    """Return what to compute in, see `choose`; a run that goes on has chosen."""
    if earlier and (chosen := earlier.get("resolved", {}).get("precision")):
        return chosen
    config, not_tried = parts.start.config, None
    if config.deterministic:
        not_tried = "since a trial's outcome would differ from time to time"
    elif parts.engine.workers.count > 1:
        not_tried = "since a trial's outcome would differ from worker to worker"
    return choose(
        config.precision,
        parts.trial,
        batch_size=config.batch_size,
        not_tried=not_tried,
        report=report,
    )
