"""The network of an arm: built once, and started anew for every draw of labels."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.budget import balanced_weights
from astrokeras.evaluation.compare import WEIGHT, Comparison, Draw, EvaluationSet, score
from astrokeras.evaluation.predictions import predict
from astrokeras.evaluation.schedule import Schedule
from astrokeras.models.precision import copy_variables, recast
from astrokeras.tasks.model import predictor
from astrokeras.training.build import ModelParts
from astrokeras.training.checkpoints.checkpoint import Beginning, History
from astrokeras.training.checkpoints.state import put, take
from astrokeras.training.nonfinite import explain_nonfinite
from astrokeras.training.optimizers.optimizer import Rate
from astrokeras.training.signals import Signals
from astrokeras.training.trainer import NonFinite, Trainer, no_bar

Shown = Callable[[int], AbstractContextManager[Callable[[int], None]]]


def _not_shown(steps: int) -> AbstractContextManager[Callable[[int], None]]:
    return no_bar("", steps)


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


@dataclasses.dataclass(frozen=True)
class FineTuneResult:
    """One trained network.

    Attributes:
        draw: what it was trained on.
        mode: how.
        scores: by split.
        answers: its predictions for the objects of each exam, by split and target.
        history: by epoch; empty in frozen mode.
        seconds: that it took.
    """

    draw: Draw
    mode: str
    scores: dict[str, dict[str, float]]
    answers: dict[str, Mapping[str, np.ndarray]]
    history: History
    seconds: float


def parts_of(arm: Arm, comparison: Comparison, schedule: Schedule) -> ModelParts:
    """Return what the network of an arm is made of and trained with."""
    config = dataclasses.replace(comparison.config, learning_rate=schedule.peak_rate)
    for target in comparison.targets.values():
        target.dropout = schedule.dropout
    return ModelParts(
        config, arm.start.build, comparison.engine, comparison.source, dict(comparison.tasks),
        dict(comparison.weights), comparison.augment, steps=max(1, schedule.steps_for(comparison.draws[0].count)),
        fixed_statistics=schedule.mode == "two-phase",
    )  # fmt: skip


class ArmTrainer:
    """The network of an arm.

    Args:
        arm: the start.
        comparison: what it shares with others.
        precision: in which its backbone computes.

    Attributes:
        schedule: how it is trained.
        served: from flux to the predictions of the targets, in float32; what is measured and saved, within `trained`.
    """

    def __init__(self, arm: Arm, comparison: Comparison, precision: str = "float32") -> None:
        self.arm, self.comparison = arm, comparison
        self.schedule = Schedule.of(comparison.config, arm.random)
        self.draws = comparison.draws_for(self.schedule.mode, arm.random)
        parts = parts_of(arm, comparison, self.schedule)
        self.config, self.rate, self._scope = parts.config, Rate(parts.config), comparison.engine.scope
        keras.utils.set_random_seed(comparison.config.seed)
        with self._scope():
            self.model = parts.build(precision, self.rate)
        self.model.weighed = comparison.config.class_weights != "none"
        self.encoder = self.model.encoder if precision == "float32" else recast(self.model.encoder, "float32")
        self.served = predictor(self.model, self.encoder, list(comparison.targets))
        flux = keras.Input(self.encoder.input_shape[1:], dtype="float32")
        self._features_of = keras.Model(flux, self.encoder(flux))
        self._meter = None if self.schedule.mode == "frozen" else comparison.engine.meter(self.model)
        self._fresh = take(self.model)
        self._features: dict[str, dict[int, np.ndarray]] = {}
        self._features_from: int | None = None

    def start(self, seed: int) -> None:
        """Forget all training: the encoder of `seed`, new heads, a new optimizer."""
        with self._scope():
            put(self.model, self._fresh)
            keras.utils.set_random_seed(seed)
            if self.arm.random:
                self.model.encoder.set_weights(self.arm.start.build().get_weights())
            for head in self.model.heads.values():
                head.set_weights(keras.models.clone_model(head).get_weights())
            # Dropout goes on where it stopped unless told otherwise: set_random_seed reaches new layers only.
            for variable in self.model.variables:
                if variable.name == "seed_generator_state":
                    variable.assign(np.array([seed, 0], dtype=variable.dtype))
        self._copy_encoder()

    def _copy_encoder(self) -> None:
        if self.encoder is not self.model.encoder:
            copy_variables(self.model.encoder, self.encoder)

    def fit(self, draw: Draw, watch: Watch, directory: Path) -> FineTuneResult:
        """Train on a draw; afterwards `served`, within `trained`, is what was trained.

        Args:
            draw: what to train on.
            watch: looks at it.
            directory: of the fit, for what is to say of a loss that is not finite.

        Raises:
            AstrokerasError: a head can't be fitted, or the training diverged.
            Stopped: a signal came.
        """
        started = time.perf_counter()
        seed, mode = self.comparison.config.seed + 1000 * draw.repeat, self.schedule.mode
        self.start(seed)
        history: History = []
        with watch.shown(self.schedule.steps_for(draw.count) or 1) as advance:
            if mode != "full":
                self.fit_heads(self._features_for(draw, "train", draw.select, watch), draw.select, seed)
            if mode != "frozen":
                history = self._train(draw, seed, watch, advance, directory)
        with self.trained():
            exams = self.comparison.exams
            answers = {exam.split: self._predictions(draw, exam, watch) for exam in exams}
            scores = {exam.split: score(self.comparison.targets, exam, answers[exam.split]) for exam in exams}
        return FineTuneResult(draw, mode, scores, answers, history, time.perf_counter() - started)

    def fit_heads(self, features: np.ndarray, select: np.ndarray, seed: int) -> None:
        """Fit the head of each target on the encoder's features [N, D] of the objects that `select` keeps.

        Raises:
            AstrokerasError: it can't be fitted.
        """
        labels = self.comparison.labels("train", select)
        for name, target in self.comparison.targets.items():
            known = target.known(labels[name])
            fields = {field: values[known] for field, values in labels[name].items()}
            try:
                weights = target.probe(features[known], fields, seed)
            except ValueError as error:
                raise AstrokerasError(f"the linear probe of target {name} cannot be fitted: {error}") from error
            self.model.heads[name].set_weights(weights)

    def _train(self, draw: Draw, seed: int, watch: Watch, advance: Callable[[int], None], directory: Path) -> History:
        """Train encoder and heads together on a draw, beginning with what they are now."""
        engine, config = self.comparison.engine, dataclasses.replace(self.config, seed=seed)
        if self.model.weighed:
            first = next(iter(self.comparison.targets))
            target, fields = self.comparison.targets[first], self.comparison.labels("train", draw.select)[first]
            weights = np.zeros(len(draw.select), np.float32)
            weights[draw.select] = balanced_weights(np.where(target.known(fields), target.strata(fields), -1))
            self.comparison.source.add(WEIGHT, {"train": weights})
        source = self.comparison.source.chosen(draw.select, self.schedule.least_steps)
        with self._scope():
            self.rate.begin(config.epochs * source.steps(config.batch_size))
        trainer = Trainer(
            self.model, config, source, Beginning(take(self.model)), watch.signals, meter=self._meter,
            bar=lambda label, total: contextlib.nullcontext(advance), workers=engine.workers, fed=engine.fed(source),
            place=watch.place,
        )  # fmt: skip
        try:
            return trainer.through()
        except NonFinite as error:
            raise explain_nonfinite(error, trainer, self._scope, directory) from error

    @contextlib.contextmanager
    def trained(self) -> Iterator[keras.Model]:
        """Return a time in which `served` has the weights to be measured and saved: their average, if there is one."""
        with self.model.averaged():
            self._copy_encoder()
            yield self.served

    def _predictions(self, draw: Draw, exam: EvaluationSet, watch: Watch) -> Mapping[str, np.ndarray]:
        """Return by target what is predicted for the objects of an exam."""
        names = list(self.comparison.targets)
        if self.schedule.mode == "frozen":
            features = self._features_for(draw, exam.split, exam.select, watch)
            return {name: _output(self.model.activated(name), features) for name in names}
        source, batch = self.comparison.source, self.config.batch_size
        found = predict(self.served, source, exam.split, batch, exam.select, watch.stop_if_asked)
        return found if len(names) > 1 else {names[0]: found}

    def _features_for(self, draw: Draw, split: str, select: np.ndarray, watch: Watch) -> np.ndarray:
        """Return the untouched encoder's features [N, D], computed once for all draws that share an encoder.

        `start` must just have been called for this draw.
        """
        encoder = draw.repeat if self.arm.random else 0
        if encoder != self._features_from:
            self._features, self._features_from = {}, encoder
        if split not in self._features:
            mine = [other.select for other in self.draws if not self.arm.random or other.repeat == draw.repeat]
            every = np.logical_or.reduce(mine) if split == "train" else select
            source, batch = self.comparison.source, self.config.batch_size
            features = predict(self._features_of, source, split, batch, every, watch.stop_if_asked)
            self._features[split] = dict(zip(np.flatnonzero(every).tolist(), features, strict=True))
        rows = self._features[split]
        return np.stack([rows[row] for row in np.flatnonzero(select).tolist()])


def _output(head: keras.Model, features: np.ndarray) -> Any:
    return keras.tree.map_structure(keras.ops.convert_to_numpy, head([features], training=False))
