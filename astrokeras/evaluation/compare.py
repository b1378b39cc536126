"""Train one arm on every draw of labels and measure it on the same test objects."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import keras
import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.classify import ClassifierTrainer, predict
from astrokeras.pipeline.augment import Chain
from astrokeras.records.directory import Records
from astrokeras.tasks.classification import classification_scores
from astrokeras.training.trainer import no_bar

Shown = Callable[[int], AbstractContextManager[Callable[[int], None]]]


def _not_shown(steps: int) -> AbstractContextManager[Callable[[int], None]]:
    return no_bar("", steps)


@dataclasses.dataclass(frozen=True)
class Draw:
    """The labelled training objects of one budget and repeat: `select` is a mask over the train split."""

    budget: str
    repeat: int
    select: np.ndarray


@dataclasses.dataclass(frozen=True)
class FineTuneResult:
    """One trained classifier: how it was trained, its metrics by split, its history by epoch (empty in frozen mode)."""

    draw: Draw
    mode: str
    metrics: dict[str, dict[str, float]]
    history: dict[str, list[float]]
    seconds: float


@dataclasses.dataclass(frozen=True)
class EvaluationSet:
    """The labelled objects of one split to be measured on: a mask over the split and their labels."""

    split: str
    select: np.ndarray
    labels: np.ndarray


def draws_of(mode: str, random: bool, draws: list[Draw]) -> list[Draw]:
    """Those draws that an arm, of random weights or not, is trained on in this mode."""
    if mode == "frozen" and not random:
        # Nothing differs from repeat to repeat: the same examples, the same features, the same fit.
        return [draw for draw in draws if draw.budget != "all" or draw.repeat == 0]
    return draws


def run_arm(  # noqa: PLR0913 - what a comparison consists of
    arm: Arm, trainer: ClassifierTrainer, records: Records, config: FinetuneConfig, *, draws: list[Draw],
    exams: list[EvaluationSet], labels: np.ndarray, augment: Chain | None, shown: Shown = _not_shown,
) -> Iterator[tuple[FineTuneResult, keras.Model]]:  # fmt: skip
    """Train the arm on every draw; the model that is yielded serves until the next one is asked for.

    Args:
        arm: the initialisation.
        trainer: its classifier.
        records: the data.
        config: the options of the call.
        draws: what to train on.
        exams: what to measure on.
        labels: of the train split, ``[N]``.
        augment: changes the flux of training batches.
        shown: shows how far a fit is: given the number of its steps, what to call with numbers of steps done.
    """
    mode = trainer.schedule.mode
    draws = draws_of(mode, arm.random, draws)
    features = _Features(arm, trainer, records, config, draws, exams)
    for draw in draws:
        with shown(trainer.schedule.steps_for(int(draw.select.sum())) or 1) as advance:
            started = time.perf_counter()
            seed = config.seed + 1000 * draw.repeat
            trainer.start(seed)
            history: dict[str, list[float]] = {}
            if mode != "full":
                trainer.fit_head(features.of_train(draw), labels[draw.select], seed)
            if mode != "frozen":
                history = trainer.fit_all(records, draw.select, augment, seed, advance)
            metrics = {}
            for exam in exams:
                if mode == "frozen":
                    probabilities = trainer.head_output(features.of_exam(draw, exam))
                else:
                    probabilities = predict(trainer.model, records, exam.split, config.batch_size, exam.select)
                metrics[exam.split] = classification_scores(exam.labels, probabilities)
        yield FineTuneResult(draw, mode, metrics, history, time.perf_counter() - started), trainer.model


class _Features:
    """The untouched encoder's features, computed once for all the draws that share an encoder."""

    def __init__(
        self,
        arm: Arm,
        trainer: ClassifierTrainer,
        records: Records,
        config: FinetuneConfig,
        draws: list[Draw],
        exams: list[EvaluationSet],
    ) -> None:
        self._arm, self._trainer, self._records, self._batch = arm, trainer, records, config.batch_size
        self._draws, self._exams, self._frozen = draws, exams, config.mode == "frozen"
        self._encoder_of: int | None = None
        self._train: dict[int, np.ndarray] = {}
        self._by_split: dict[str, np.ndarray] = {}

    def of_train(self, draw: Draw) -> np.ndarray:
        """Features of the drawn examples, ``[N, D]``; the trainer must just have been started for this draw."""
        self._fill(draw)
        return np.stack([self._train[row] for row in np.flatnonzero(draw.select)])

    def of_exam(self, draw: Draw, exam: EvaluationSet) -> np.ndarray:
        """Features of the objects to be measured on, ``[N, D]``."""
        self._fill(draw)
        return self._by_split[exam.split]

    def _fill(self, draw: Draw) -> None:
        encoder_of = draw.repeat if self._arm.random else 0
        if encoder_of == self._encoder_of:
            return
        mine = [d.select for d in self._draws if not self._arm.random or d.repeat == draw.repeat]
        union = np.logical_or.reduce(mine)
        features = predict(self._trainer.encoder, self._records, "train", self._batch, union)
        self._train = dict(zip(np.flatnonzero(union).tolist(), features, strict=True))
        if self._frozen:
            self._by_split = {
                exam.split: predict(self._trainer.encoder, self._records, exam.split, self._batch, exam.select)
                for exam in self._exams
            }
        self._encoder_of = encoder_of
