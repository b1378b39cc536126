"""Arms of ``--mode fewshot``: classes from few labels, by features interpolated among those of all objects.

There is no network that could be asked for other objects: the answers are for those of the records only.

Source: Hu, Gripon and Pateux 2020 (arXiv:2001.09849), with α = 0.5 and κ = 3, see `tasks.interpolation`.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.arm_network import Watch
from astrokeras.evaluation.arms import split_init
from astrokeras.evaluation.compare import Draw, EvaluationSet, score
from astrokeras.evaluation.fitting import ArmTrainer, FineTuneResult
from astrokeras.evaluation.schedule import Schedule
from astrokeras.evaluation.schedule_search import About
from astrokeras.spec import ColumnNames
from astrokeras.tasks.few_labels import METHODS, classify, spread
from astrokeras.tasks.registry import parse_targets
from astrokeras.training.checkpoints.checkpoint import History

_CHOSEN = "interpolated"
_SPLITS = ("train", "val", "test")


def refuse_for_fewshot(config: FinetuneConfig) -> None:
    """Make sure that ``--mode fewshot`` can do what is asked for.

    Raises:
        UsageError: a target is none of classes, or has options of a head; an arm is the mean of others.
    """
    for name, (kind, options) in parse_targets(config.target).items():
        if not kind.of_classes:
            raise UsageError(f"--mode fewshot tells classes, and --target {name} has none; take another mode")
        for parameter in kind.parameters:
            value = options[parameter.name]
            if isinstance(parameter, ColumnNames):
                if len(value) > 1:
                    raise UsageError(f"--mode fewshot: --target {name} has {len(value)} columns, expected one of names")
            elif value != parameter.default:
                raise UsageError(
                    f"--target {name}: {parameter.name} was given, but there is no head to train (--mode fewshot)"
                )
    for init in config.init:
        if split_init(init)[0] == "mean":
            raise UsageError(f"--init {init}: --mode fewshot makes no networks to take the mean of; take another mode")


class FewshotTrainer(ArmTrainer):
    """Classifies all objects by each draw of labels; arguments are those of `ArmTrainer`.

    What is `trained` is a network whose encoder alone means something.
    """

    _spread: tuple[int, np.ndarray, np.ndarray] | None = None
    _told: Mapping[str, Mapping[str, np.ndarray]] = {}

    def fit(self, draw: Draw, watch: Watch, directory: Path) -> FineTuneResult:
        """Classify by a draw, and score the other methods too.

        Raises:
            AstrokerasError: the labels are all of one class.
            Stopped: a signal came.
        """
        done = super().fit(draw, watch, directory)
        others = {
            method: {
                f"{exam.split}_{name}": value
                for exam in self.comparison.exams
                for name, value in score(self.comparison.targets, exam, self._said(method, exam)).items()
            }
            for method in METHODS
            if method != _CHOSEN
        }
        return dataclasses.replace(done, others=others)

    def train(self, draw: Draw, schedule: Schedule, about: About) -> History:
        """Work out the classes of all objects, from the start.

        Raises:
            AstrokerasError: the labels are all of one class.
            Stopped: a signal came.
        """
        self.start(self.comparison.config.seed + 1000 * draw.repeat, schedule)
        vectors, mixed = self._vectors(draw, about.watch)
        self._told = {name: self._classified(name, draw, vectors, mixed) for name in self.comparison.targets}
        return []

    def predictions(
        self, draw: Draw, schedule: Schedule, exam: EvaluationSet, watch: Watch
    ) -> Mapping[str, np.ndarray]:
        """Return by target the classes of the objects of an exam, from the draw that `train` has just seen."""
        return self._said(_CHOSEN, exam)

    def _said(self, method: str, exam: EvaluationSet) -> dict[str, np.ndarray]:
        rows = self._places(exam.split, exam.select)
        return {name: by_method[method][rows] for name, by_method in self._told.items()}

    def _classified(self, name: str, draw: Draw, vectors: np.ndarray, mixed: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return by method the probabilities of all objects, [N, C] float32, from the labels of a draw."""
        target, labels = self.comparison.targets[name], self.comparison.labels("train", draw.select)[name]
        numbers = np.full(len(vectors), -1)
        numbers[self._places("train", draw.select)] = np.where(target.known(labels), target.strata(labels), -1)
        seed = self.comparison.config.seed + 1000 * draw.repeat
        try:
            found = classify(vectors, mixed, numbers, len(target.names), seed, balanced=target.balanced)
        except ValueError as error:
            raise AstrokerasError(f"the labels of target {name} cannot be learned from: {error}") from error
        return {method: chances.astype(np.float32) for method, chances in found.items()}

    def _vectors(self, draw: Draw, watch: Watch) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of all objects, [N, D], and what `spread` makes of them; anew for another encoder."""
        encoder = draw.repeat if self.arm.random else 0
        if self._spread is None or self._spread[0] != encoder:
            counts = self._counts()
            parts = [self._features_for(draw, split, np.ones(count, bool), watch) for split, count in counts.items()]
            vectors = np.concatenate(parts)
            self._spread = encoder, vectors, spread(vectors)
        return self._spread[1:]

    def _looked_at(self, draw: Draw, split: str, select: np.ndarray) -> np.ndarray:
        return np.ones_like(select)

    def _counts(self) -> dict[str, int]:
        """Return the splits whose objects lie in the graph, with their numbers; each object lies there once."""
        records = self.comparison.records
        splits = _SPLITS[:1] if records.regrouped else _SPLITS
        return {split: records.counts[split] for split in splits if records.counts.get(split, 0)}

    def _places(self, split: str, select: np.ndarray) -> np.ndarray:
        """Return where some objects of a split lie among all."""
        before = 0
        for other, count in self._counts().items():
            if other == split:
                break
            before += count
        return np.flatnonzero(select) + (0 if self.comparison.records.regrouped else before)
