"""The small search by which each fit chooses how it is trained, within its own labels.

Every arm makes the same number of trials, from the same list. A trial is trained on a part of the labels of the draw,
and judged by the others, which count towards the budget like the first: neither the validation split nor the test split
is looked at. With the schedule that did best the network is then trained anew on all labels of the draw.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, Stopped
from astrokeras.evaluation.compare import Comparison, Draw, EvaluationSet, Measure, score
from astrokeras.evaluation.network import Watch
from astrokeras.evaluation.prepare import strata_of
from astrokeras.evaluation.schedule import SEARCH, Schedule
from astrokeras.files import CannotWrite

if TYPE_CHECKING:
    from astrokeras.evaluation.fitting import ArmTrainer

ByTarget = Mapping[str, np.ndarray]
FOLDS = 3
# Of more labels one part alone is judged: a third of them is then enough to tell schedules apart.
_FEW = 150
# A trial takes a third of the steps of a fit, and no more than this.
_SHARE, _MOST_STEPS = 1 / 3, 400


@dataclasses.dataclass(frozen=True)
class Variant:
    """A schedule by what differs from the options: `rate` and `decay` multiply and replace theirs."""

    mode: str
    rate: float = 1.0
    decay: float | None = None
    fixed_statistics: bool = False


GRID = (
    Variant("frozen"),
    Variant("full"),
    Variant("two-phase", rate=2.0),
    Variant("full", rate=4.0, decay=0.3),
    Variant("full", rate=0.3, fixed_statistics=True),
    Variant("side", rate=3.0),
    Variant("full", rate=8.0),
    Variant("two-phase", rate=0.5, fixed_statistics=True),
    Variant("full", decay=0.3),
    Variant("full", rate=0.1),
)
"""What is tried, in this order: of fewer trials the first ones."""


def schedules_of(config: FinetuneConfig, random: bool) -> list[Schedule]:
    """Return the schedules that an arm chooses from: one in a mode that is given.

    Args:
        config: the options.
        random: whether the arm starts from random weights; then there is no second phase, and no statistics that could
            be kept, so that trials in two phases become further rates of ``full``.
    """
    if config.mode != SEARCH:
        return [Schedule.of(config, random)]
    plain = Schedule.of(dataclasses.replace(config, mode="full"), random)
    return [_varied(plain, variant, random) for variant in GRID[: config.trials]]


def mode_of(config: FinetuneConfig, random: bool) -> str:
    """Return the mode of an arm before anything is chosen."""
    return SEARCH if config.mode == SEARCH else Schedule.of(config, random).mode


def _varied(plain: Schedule, variant: Variant, random: bool) -> Schedule:
    schedule = plain.in_mode(variant.mode, random)
    return dataclasses.replace(
        schedule,
        learning_rate=plain.learning_rate * variant.rate,
        weight_decay=plain.weight_decay if variant.decay is None else variant.decay,
        fixed_statistics=variant.fixed_statistics and not random,
    )


def shortened(schedule: Schedule, count: int) -> Schedule:
    """Return the schedule of a trial: a third of the epochs, fewer if `count`, the labels of the draw, are many."""
    if not schedule.trains:
        return schedule
    each = schedule.steps_for(count) // schedule.epochs
    epochs = max(1, min(math.ceil(schedule.epochs * _SHARE), _MOST_STEPS // each))
    return dataclasses.replace(
        schedule, epochs=epochs, min_steps=min(schedule.min_steps, schedule.least_steps * epochs)
    )


def folds_judged(count: int) -> int:
    """Return how many of the `FOLDS` parts of so many labels are held out, one after the other."""
    return FOLDS if count <= _FEW else 1


def steps_of_search(schedules: list[Schedule], count: int) -> int:
    """Return the most steps that choosing takes, for a draw of `count` labels; none where there is no choice."""
    if len(schedules) < 2:
        return 0
    part = count - count // FOLDS
    steps = sorted((shortened(one, count).steps_for(part) for one in schedules), reverse=True)
    return sum(steps) + (folds_judged(count) - 1) * sum(steps[: _left(len(steps))])


def most_steps(schedules: list[Schedule], count: int) -> int:
    """Return the most steps that a fit takes, for a draw of `count` labels."""
    return max(one.steps_for(count) for one in schedules)


def _left(count: int) -> int:
    """Return how many of so many trials go on after the first part: the better half."""
    return math.ceil(count / 2)


@dataclasses.dataclass(eq=False)
class Trial:
    """What came of a schedule.

    Attributes:
        schedule: the one that a fit would have.
        answers: what it predicted for each part that was held out, with a mask of that part.
        scores: of all that was held out so far, by name; none if the trial failed.
        reason: why it failed.
        chosen: whether the fit was made with it.
    """

    schedule: Schedule
    answers: list[tuple[np.ndarray, ByTarget]] = dataclasses.field(default_factory=list)
    scores: dict[str, float] = dataclasses.field(default_factory=dict)
    reason: str = ""
    chosen: bool = False

    @property
    def held(self) -> int:
        """How many labels judged it."""
        return sum(int(mask.sum()) for mask, _ in self.answers)

    def rank(self, measure: Measure) -> tuple[float, ...]:
        """Return what is larger for a better trial: the main score, then the others in the order of the table."""
        names = (measure.main, *measure.scores)
        values = [self.scores.get(name, math.nan) for name in names]
        return tuple(-math.inf if math.isnan(value) else measure.sign * value for value in values)


def parts_of_draw(comparison: Comparison, draw: Draw) -> Iterator[tuple[Draw, np.ndarray]]:
    """Yield for each fold that is judged what is trained on, and a mask of what is held out.

    The labels of each stratum are dealt in turn, so that all parts have their share of each.
    """
    rows = np.flatnonzero(draw.select)
    strata = strata_of(comparison.targets, comparison.labels("train", draw.select))
    mixed = np.random.default_rng([comparison.config.seed, draw.repeat, FOLDS]).permutation(len(rows))
    dealt = np.empty(len(rows), int)
    dealt[mixed[np.argsort(strata[mixed], kind="stable")]] = np.arange(len(rows)) % FOLDS
    for fold in range(folds_judged(len(rows))):
        held = np.zeros_like(draw.select)
        held[rows[dealt == fold]] = True
        yield dataclasses.replace(draw, select=draw.select & ~held), held


def choose(
    trainer: "ArmTrainer", draw: Draw, watch: Watch, advance: Callable[[int], None], directory: Path
) -> list[Trial]:
    """Return all that was tried on a draw, of which one is chosen.

    Every schedule is judged by the first part that is held out, the better half of them by the others too. Of equally
    good ones the first in the list is chosen.

    Raises:
        AstrokerasError: every trial failed.
        Stopped: a signal came.
    """
    comparison = trainer.comparison
    trials = [Trial(schedule) for schedule in trainer.schedules]
    going = list(trials)
    if len(trials) > 1:
        for number, (part, held) in enumerate(parts_of_draw(comparison, draw)):
            if number == 1:
                going = sorted(going, key=lambda one: one.rank(comparison.measure), reverse=True)
                going = [trial for trial in trials if trial in going[: _left(len(trials))]]
            for trial in going:
                _judge(trainer, trial, draw.count, part, held, (watch, advance, directory))
        if not any(trial.scores for trial in going):
            raise AstrokerasError(next(trial.reason for trial in trials if trial.reason))
    best = max(going, key=lambda trial: trial.rank(comparison.measure))
    best.chosen = True
    return trials


def _judge(trainer: "ArmTrainer", trial: Trial, count: int, part: Draw, held: np.ndarray, about: tuple) -> None:
    """Add to a trial what it says of one part that was held out."""
    comparison, short = trainer.comparison, shortened(trial.schedule, count)
    try:
        trainer.train(part, short, *about)
        trial.answers.append((held, trainer.answers(part, short, EvaluationSet("train", held, {}), about[0])))
    except (Stopped, CannotWrite):
        raise
    except AstrokerasError as error:
        trial.reason, trial.scores = str(error), {}
        return
    if trial.reason:
        return
    judged = np.logical_or.reduce([mask for mask, _ in trial.answers])
    exam = EvaluationSet("train", judged, comparison.labels("train", judged))
    told = {name: _in_order([(mask, said[name]) for mask, said in trial.answers]) for name in comparison.targets}
    trial.scores = score(comparison.targets, exam, told)


def _in_order(parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the rows of several masks in the order of the records, [N, ...]."""
    rows = np.concatenate([np.flatnonzero(mask) for mask, _ in parts])
    return np.concatenate([values for _, values in parts])[np.argsort(rows)]
