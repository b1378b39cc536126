"""What is compared: targets, draws of labelled objects, and the objects that judge them."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.label_table import LabelTable
from astrokeras.evaluation.schedule import UNTRAINED
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.sometimes import Sometimes
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.base import Task
from astrokeras.tasks.target import Encoded, Target
from astrokeras.training.engines.base import Engine

Targets = Mapping[str, Target]
WEIGHT = "weight"
"""The field by which the losses of examples are multiplied."""
ByTarget = Mapping[str, Encoded]


@dataclasses.dataclass(frozen=True)
class Draw:
    """The labelled training objects of one budget and repeat: `select` is a mask over the train split."""

    budget: str
    repeat: int
    select: np.ndarray

    @property
    def count(self) -> int:
        """How many objects there are."""
        return int(self.select.sum())


@dataclasses.dataclass(frozen=True)
class EvaluationSet:
    """The labelled objects of one split to be measured on.

    Attributes:
        split: its name.
        select: which objects of the split, [N] booleans.
        fields: by target what `Target.encode` makes of their labels.
    """

    split: str
    select: np.ndarray
    fields: ByTarget

    @property
    def count(self) -> int:
        """How many objects there are."""
        return int(self.select.sum())


@dataclasses.dataclass(frozen=True)
class Measure:
    """By what arms are compared.

    Attributes:
        scores: the names of all scores of a split, in the order of the targets.
        main: the one that decides.
        sign: 1 where more is better, -1 where less is.
        calibration: the name of the calibration error, of the first target; empty if it has none.
    """

    scores: tuple[str, ...]
    main: str
    sign: int = 1
    calibration: str = ""

    @classmethod
    def of(cls, targets: Targets, exam: EvaluationSet) -> Self:
        """Return the measure by the first target; of several, names of scores begin with the target's."""
        name, first = next(iter(targets.items()))
        prefix = f"{name}_" if len(targets) > 1 else ""
        guess = {name: target.constant(exam.fields[name]) for name, target in targets.items()}
        shapes = {name: np.repeat(one, exam.count, axis=0) for name, one in guess.items()}
        scores, sign = tuple(score(targets, exam, shapes)), -1 if first.errors else 1
        return cls(scores, prefix + first.main_score, sign, f"{prefix}calibration_error" if first.tempered else "")


def score(targets: Targets, exam: EvaluationSet, predictions: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the scores of predictions for the objects of an exam; of several targets under ``TARGET_SCORE``."""
    found = {}
    for name, target in targets.items():
        prefix = f"{name}_" if len(targets) > 1 else ""
        scores = target.scores(exam.fields[name], predictions[name])
        found.update({prefix + key: float(value) for key, value in scores.items()})
    return found


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All that the arms share.

    Attributes:
        config: the options.
        records: the survey.
        engine: the way to train.
        source: of the stamps, with the fields of all tasks.
        targets: by name.
        tasks: those and the pretext tasks beside them, by name.
        weights: of their losses.
        augment: changes the flux in training.
        draws: what is trained on.
        exams: what is measured on; the first one is the test.
        table: of labels, if they are not the records' own.
        baselines: lines of the table for simple methods, see `simple_methods.baseline_rows`.
    """

    config: FinetuneConfig
    records: RecordsDirectory
    engine: Engine
    source: Source
    targets: Targets
    tasks: Mapping[str, Task]
    weights: Mapping[str, float]
    augment: Chain | None
    draws: list[Draw]
    exams: list[EvaluationSet]
    table: LabelTable | None = None
    baselines: tuple[dict[str, Any], ...] = ()
    _some: dict[float, Sometimes] = dataclasses.field(default_factory=dict, repr=False)

    @functools.cached_property
    def measure(self) -> Measure:
        """By what the arms are compared."""
        return Measure.of(self.targets, self.exams[0])

    def augmented(self, share: float) -> Chain | None:
        """Return the augmentation of a share of the stamps, the same object every time."""
        if self.augment is None or share >= 1:
            return self.augment
        return self._some.setdefault(share, Sometimes(self.augment, share))

    def labels(self, split: str, select: np.ndarray) -> ByTarget:
        """Return by target the fields of some objects of a split."""
        return encoded(self.targets, self.source, split, select)

    def draws_for(self, mode: str, random: bool) -> list[Draw]:
        """Return those draws that an arm, of random weights or not, is trained on in this mode."""
        if mode in UNTRAINED and not random:
            # Nothing differs from repeat to repeat: the same examples, the same features, the same fit.
            return [draw for draw in self.draws if draw.budget != "all" or draw.repeat == 0]
        return self.draws


def encoded(targets: Targets, source: Source, split: str, select: np.ndarray | None = None) -> ByTarget:
    """Return by target the fields of the objects of a split, or of some of them."""
    found = {}
    for name, target in targets.items():
        columns = source.columns(split, target.derived_fields)
        found[name] = columns if select is None else {field: values[select] for field, values in columns.items()}
    return found
