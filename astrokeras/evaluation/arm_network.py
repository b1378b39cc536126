"""The compiled network of an arm, which is started anew for every fit."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import keras
import numpy as np

from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.budget import balanced_weights
from astrokeras.evaluation.compare import WEIGHT, Comparison, Draw
from astrokeras.evaluation.schedule import Schedule
from astrokeras.evaluation.temperature import set_temperatures
from astrokeras.models.joined import encoders_of
from astrokeras.models.recast import copy_variables, recast
from astrokeras.models.side import BASE, SIDE, side_tuned
from astrokeras.models.turns import turned
from astrokeras.progress import not_shown
from astrokeras.tasks.model import predictor
from astrokeras.training.build import ModelParts
from astrokeras.training.checkpoints.checkpoint import Beginning, History
from astrokeras.training.checkpoints.state import put, take
from astrokeras.training.nonfinite import explain_nonfinite
from astrokeras.training.optimizers.optimizer import Rate
from astrokeras.training.signals import Signals
from astrokeras.training.trainer import NonFinite, Trainer

Shown = Callable[[int], AbstractContextManager[Callable[[int], None]]]


def _not_shown(steps: int) -> AbstractContextManager[Callable[[int], None]]:
    return not_shown("", steps)


@dataclasses.dataclass(frozen=True)
class Watch:
    """What looks at a fit while it lasts.

    Attributes:
        signals: end it.
        shown: shows how far it is: given the number of its steps, what to call with numbers of steps done.
        place: what a signal ends the comparison after, in words.
    """

    signals: Signals
    shown: Shown = _not_shown
    place: str = "the start"

    def stop_if_asked(self) -> None:
        """End the comparison if a signal came.

        Raises:
            Stopped: one came.
        """
        if self.signals.caught:
            raise self.signals.stopped(self.place)


def parts_of(arm: Arm, comparison: Comparison, schedule: Schedule) -> ModelParts:
    """Return what the network of an arm is made of and trained with."""
    for target in comparison.targets.values():
        target.dropout = schedule.dropout
    build = (lambda: side_tuned(arm.start.build())) if schedule.side else arm.start.build
    augment = comparison.augmented(schedule.augmented)
    return ModelParts(
        comparison.config, build, comparison.engine, comparison.source, dict(comparison.tasks),
        dict(comparison.weights), augment, steps=max(1, schedule.steps_for(comparison.draws[0].count)),
        fixed_statistics=schedule.fixed_statistics, by_layer=True,
    )  # fmt: skip


class ArmNetwork:
    """The compiled network of an arm, for all schedules of one structure.

    Args:
        arm: the start.
        comparison: what it shares with others.
        schedule: one of them.
        precision: in which its backbone computes.

    Attributes:
        model: what is trained.
        encoder: that of the model, in float32.
        served: from flux to the predictions of the targets, in float32; what is measured and saved, within `trained`.
        looks: from flux to the embedding of the encoder that the arm starts from, as the heads are given it; one for
            each encoder that it is joined from.
        features_of: the same, together.
        tells: the heads of the targets as they are served, by name.
    """

    def __init__(self, arm: Arm, comparison: Comparison, schedule: Schedule, precision: str = "float32") -> None:
        self.arm, self.comparison = arm, comparison
        parts = parts_of(arm, comparison, schedule)
        self.config, self.rate, self._scope = parts.config, Rate(parts.config), comparison.engine.scope
        keras.utils.set_random_seed(comparison.config.seed)
        with self._scope():
            self.model = parts.build(precision, self.rate)
        self.model.weighed = comparison.config.class_weights != "none"
        self.encoder = self.model.encoder if precision == "float32" else recast(self.model.encoder, "float32")
        seen = turned(self.encoder) if comparison.config.turns else self.encoder
        self.served = predictor(self.model, seen, list(comparison.targets))
        self.tells = {name: self.model.activated(name) for name in comparison.targets}
        flux = keras.Input(self.encoder.input_shape[1:], dtype="float32")
        self.looks = [
            turned(part) if comparison.config.turns else keras.Model(flux, part(flux))
            for part in encoders_of(_base(self.encoder))
        ]
        together = [look(flux) for look in self.looks]
        self.features_of = keras.Model(flux, keras.ops.concatenate(together, axis=-1))
        self._meter = comparison.engine.meter(self.model) if schedule.trains else None
        self._fresh = take(self.model)

    def start(self, seed: int, schedule: Schedule, encoder: list[np.ndarray] | None = None) -> None:
        """Forget all training: new heads, a new optimizer.

        Args:
            seed: of everything random.
            schedule: gives the rates and the decay.
            encoder: weights; those of the arm's start if None.
        """
        with self._scope():
            put(self.model, self._fresh)
            keras.utils.set_random_seed(seed)
            if encoder is not None:
                _base(self.model.encoder).set_weights(encoder)
            for part in (*self.model.heads.values(), *_sides(self.model.encoder)):
                part.set_weights(keras.models.clone_model(part).get_weights())
            # Dropout goes on where it stopped unless told otherwise: set_random_seed reaches new layers only.
            for variable in self.model.variables:
                if variable.name == "seed_generator_state":
                    variable.assign(np.array([seed, 0], dtype=variable.dtype))
            set_temperatures(self.tells, {})
            rates = schedule.rates(self.model, self.config.learning_rate)
            plain(self.model.optimizer).set_rates(rates, schedule.weight_decay)
        self._copy_encoder()

    def _copy_encoder(self) -> None:
        if self.encoder is not self.model.encoder:
            copy_variables(self.model.encoder, self.encoder)

    def train(
        self, draw: Draw, schedule: Schedule, seed: int, watch: Watch, advance: Callable[[int], None], directory: Path
    ) -> History:  # fmt: skip
        """Train encoder and heads together on a draw, beginning with what they are now.

        Raises:
            AstrokerasError: the training diverged; what there is to say of it is in `directory`.
            Stopped: a signal came.
        """
        engine, source = self.comparison.engine, self.comparison.source
        config = dataclasses.replace(self.config, seed=seed, epochs=schedule.epochs)
        if self.model.weighed:
            first = next(iter(self.comparison.targets))
            target, fields = self.comparison.targets[first], self.comparison.labels("train", draw.select)[first]
            weights = np.zeros(len(draw.select), np.float32)
            weights[draw.select] = balanced_weights(np.where(target.known(fields), target.strata(fields), -1))
            source.add(WEIGHT, {"train": weights})
        chosen = source.chosen(draw.select, schedule.least_steps)
        if engine.augments:
            chosen.augment = self.comparison.augmented(schedule.augmented)
        with self._scope():
            self.rate.begin(config.epochs * chosen.steps(config.batch_size))
        trainer = Trainer(
            self.model, config, chosen, Beginning(take(self.model)), watch.signals, meter=self._meter,
            progress=lambda label, total: contextlib.nullcontext(advance), workers=engine.workers,
            fed=engine.fed(chosen), place=watch.place,
        )  # fmt: skip
        try:
            return trainer.through()
        except NonFinite as error:
            raise explain_nonfinite(error, trainer, self._scope, directory) from error

    @contextlib.contextmanager
    def trained(self) -> Iterator[keras.Model]:
        """Give `served` the weights to be measured and saved while the block lasts: their average, if there is one."""
        with self.model.averaged():
            self._copy_encoder()
            yield self.served


def _base(encoder: keras.Model) -> keras.Model:
    """Return the encoder that an arm starts from: the frozen part of one that has a side network."""
    return encoder.get_layer(BASE) if _sides(encoder) else encoder


def _sides(encoder: keras.Model) -> list[keras.Model]:
    """Return the side network of an encoder, if it has one of ours."""
    return [layer for layer in encoder.layers if layer.name == SIDE and isinstance(layer, keras.Model)]


def plain(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return the optimizer that takes the steps, which scaled losses have another one around."""
    return getattr(optimizer, "inner_optimizer", optimizer)
