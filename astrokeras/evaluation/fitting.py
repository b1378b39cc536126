"""Fits of an arm to draws of labels."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.arm_network import ArmNetwork, Watch
from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.compare import Comparison, Draw, EvaluationSet, score
from astrokeras.evaluation.costs import Speed
from astrokeras.evaluation.optuna_search import tune
from astrokeras.evaluation.out_of_fold import HeldOut, answer_out_of_fold, calibrated, steps_out_of_fold
from astrokeras.evaluation.predictions import predict
from astrokeras.evaluation.refining import refined_labels
from astrokeras.evaluation.schedule import Schedule
from astrokeras.evaluation.schedule_search import (
    About,
    Trial,
    choose,
    most_steps,
    schedules_of,
    steps_of_search,
    try_all,
)
from astrokeras.evaluation.shared_features import SharedFeatures
from astrokeras.models.side import ALPHA
from astrokeras.training.checkpoints.checkpoint import History


@dataclasses.dataclass(frozen=True)
class FineTuneResult:
    """One trained network.

    Attributes:
        draw: what it was trained on.
        schedule: how.
        trials: from which that was chosen.
        scores: by split.
        calibration: see `temperature.calibrate`.
        predictions: its predictions for the objects of each exam, by split and target.
        held_out: what a temperature was fitted on where validation labels are missing, at that temperature.
        history: by epoch; empty in frozen mode.
        seconds: that it took.
        images_per_second: that its network looks at; NaN if that is not known.
        others: what other methods score with the same features and labels, by name and ``SPLIT_SCORE``.
    """

    draw: Draw
    schedule: Schedule
    trials: list[Trial]
    scores: dict[str, dict[str, float]]
    calibration: dict[str, Any]
    predictions: dict[str, Mapping[str, np.ndarray]]
    held_out: HeldOut | None
    history: History
    seconds: float
    images_per_second: float
    others: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)


class ArmTrainer:
    """Fits of one arm.

    Args:
        arm: the start.
        comparison: what it shares with others.
        precision: in which its backbone computes.
        out: the run directory, in which studies are kept.
        shared: features that several arms see.

    Attributes:
        schedules: from which every fit chooses.
        network: what was trained last.
    """

    def __init__(
        self, arm: Arm, comparison: Comparison, precision: str = "float32", out: Path = Path(),
        shared: SharedFeatures | None = None,
    ) -> None:  # fmt: skip
        self.arm, self.comparison, self.precision, self.out = arm, comparison, precision, out
        self.shared = shared or SharedFeatures([arm])
        self.schedules = schedules_of(comparison.config, arm.random)
        self.draws = comparison.draws_for(comparison.config.mode, arm.random)
        self._networks: dict[tuple, ArmNetwork] = {}
        self.network = self._network_for(self.schedules[0])
        self._drawn: tuple[int, list[np.ndarray]] | None = None
        self._features: dict[str, dict[int, np.ndarray]] = {}
        self._features_from: int | None = None
        self.images_per_second = math.nan

    def _network_for(self, schedule: Schedule) -> ArmNetwork:
        if not schedule.trains:  # any network has the encoder and the heads
            schedule = next((one for one in self.schedules if one.trains), schedule)
        # Where the model augments, and not the source, that is compiled into it.
        key = schedule.structure, None if self.comparison.engine.augments else schedule.augmented
        if key not in self._networks:
            self._networks[key] = ArmNetwork(self.arm, self.comparison, schedule, self.precision)
        return self._networks[key]

    def start(self, seed: int, schedule: Schedule) -> None:
        """Forget all training: the encoder of `seed`, new heads, a new optimizer."""
        self.network = self._network_for(schedule)
        self.network.start(seed, schedule, self._random_weights(seed))

    def _random_weights(self, seed: int) -> list[np.ndarray] | None:
        """Return the weights that an arm of random ones begins with; None for others, whose weights are given."""
        if not self.arm.random:
            return None
        if self._drawn is None or self._drawn[0] != seed:
            keras.utils.set_random_seed(seed)
            self._drawn = seed, self.arm.start.build().get_weights()
        return self._drawn[1]

    def fit(self, draw: Draw, watch: Watch, directory: Path) -> FineTuneResult:
        """Train on a draw; afterwards what is `trained` is what was trained.

        Args:
            draw: what to train on.
            watch: looks at it.
            directory: of the fit, for what is to say of a loss that is not finite.

        Raises:
            AstrokerasError: a head can't be fitted, or the training diverged.
            Stopped: a signal came.
        """
        started = time.perf_counter()
        tuned = self.comparison.config.tune
        steps = steps_of_search(self.schedules, draw.count, tuned) + most_steps(self.schedules, draw.count)
        steps += steps_out_of_fold(self.comparison, self.schedules, draw.count)
        with watch.shown(steps or 1) as advance:
            about = About(watch, advance, directory)
            trials = try_all(self, draw, about)
            trials += tune(self, draw, trials, about) if tuned else []
            schedule = choose(trials, self.comparison.measure).schedule
            held = answer_out_of_fold(self, draw, schedule, about)
            with refined_labels(self, draw, schedule, about):
                history = self.train(draw, schedule, about)
        exams = self.comparison.exams
        targets = self.comparison.targets
        predictions = {exam.split: self.predictions(draw, schedule, exam, watch) for exam in exams}
        predictions, held, calibration = calibrated(self.comparison, predictions, held, self.network.tells)
        scores = {exam.split: score(targets, exam, predictions[exam.split]) for exam in exams}
        seconds, speed = time.perf_counter() - started, self._speed()
        return FineTuneResult(draw, schedule, trials, scores, calibration, predictions, held, history, seconds, speed)

    def train(self, draw: Draw, schedule: Schedule, about: About) -> History:
        """Train the network of a schedule on a draw, from the start.

        Raises:
            AstrokerasError: a head can't be fitted, or the training diverged.
            Stopped: a signal came.
        """
        seed = self.comparison.config.seed + 1000 * draw.repeat
        self.start(seed, schedule)
        if schedule.begins_fitted:
            features = self._features_for(draw, "train", draw.select, about.watch)
            self.fit_heads(features * ALPHA if schedule.side else features, draw.select, seed)
            if schedule.side:
                self.network.model.encoder.get_layer("embedding").scale.assign(features.std(axis=0))
        return (
            self.network.train(draw, schedule, seed, about.watch, about.advance, about.directory)
            if schedule.trains
            else []
        )

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
            self.network.model.heads[name].set_weights(weights)

    @contextlib.contextmanager
    def trained(self) -> Iterator[keras.Model]:
        """Give the model that is served, which has the weights to be measured and saved while the block lasts."""
        with self.network.trained() as served:
            yield served

    def predictions(
        self, draw: Draw, schedule: Schedule, exam: EvaluationSet, watch: Watch
    ) -> Mapping[str, np.ndarray]:
        """Return by target what the network that was just trained predicts for the objects of an exam."""
        names = list(self.comparison.targets)
        with self.trained() as served:
            if not schedule.trains:
                features = self._features_for(draw, exam.split, exam.select, watch)
                return {name: _output(self.network.model.activated(name), features) for name in names}
            source, batch = self.comparison.source, self.comparison.config.batch_size
            speed = Speed(batch)
            found = predict(served, source, exam.split, batch, exam.select, _each(watch, speed))
            self.images_per_second = speed.images_per_second
            return found if len(names) > 1 else {names[0]: found}

    def _speed(self) -> float:
        """Return the images a second: of the whole network if it has looked, else of the encoders of its features."""
        if not math.isnan(self.images_per_second):
            return self.images_per_second
        return self.shared.speed_of(self.arm)

    def _looked_at(self, draw: Draw, split: str, select: np.ndarray) -> np.ndarray:
        """Return a mask of the objects of a split whose features are worked out: those of all draws together."""
        if split != "train":
            return select
        mine = [other.select for other in self.draws if not self.arm.random or other.repeat == draw.repeat]
        return np.logical_or.reduce(mine)

    def _features_for(self, draw: Draw, split: str, select: np.ndarray, watch: Watch) -> np.ndarray:
        """Return the untouched encoder's features [N, D], computed once for all draws that share an encoder.

        `start` must just have been called for this draw.
        """
        encoder = draw.repeat if self.arm.random else 0
        if encoder != self._features_from:
            self._features, self._features_from = {}, encoder
        if split not in self._features:
            every = self._looked_at(draw, split, select)
            source, batch = self.comparison.source, self.comparison.config.batch_size

            def compute(number: int | None) -> np.ndarray:
                look = self.network.features_of if number is None else self.network.looks[number]
                speed = Speed(batch)
                found = predict(look, source, split, batch, every, _each(watch, speed))
                self.shared.note_speed(self.arm, number, speed.images_per_second)
                return found

            places, count = np.flatnonzero(every), len(self.network.looks)
            features = self.shared.of(self.arm, split, places, count, compute)
            self._features[split] = dict(zip(places.tolist(), features, strict=True))
        rows = self._features[split]
        return np.stack([rows[row] for row in np.flatnonzero(select).tolist()])


def _each(watch: Watch, speed: Speed) -> Callable[[], None]:
    """Return what is called after each batch."""

    def done() -> None:
        speed.batch_done()
        watch.stop_if_asked()

    return done


def _output(head: keras.Model, features: np.ndarray) -> Any:
    return keras.tree.map_structure(keras.ops.convert_to_numpy, head([features], training=False))
