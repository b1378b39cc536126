"""The small search by which each fit chooses how it is trained, within its own labels.

Every arm makes the same number of trials, from the same list. A trial is trained on a part of the labels of the draw,
and judged by the others, which count towards the budget like the first: neither the validation split nor the test split
is looked at. With the schedule that did best the network is then trained anew on all labels of the draw.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, Stopped
from astrokeras.evaluation.arm_network import Watch
from astrokeras.evaluation.compare import Comparison, Draw, EvaluationSet, Measure, score
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


def steps_of_search(schedules: Sequence[Schedule], count: int, tune: int = 0) -> int:
    """Return the most steps that choosing takes, for a draw of `count` labels; none where there is no choice.

    Args:
        schedules: the list.
        count: labels of the draw.
        tune: further trials, see `optuna_search`.
    """
    if len(schedules) < 2 and not tune:
        return 0
    part, folds = count - count // FOLDS, folds_judged(count)
    steps = sorted((shortened(one, count).steps_for(part) for one in schedules), reverse=True)
    return sum(steps) + (folds - 1) * sum(steps[: _left(len(steps))]) + tune * folds * steps[0]


def most_steps(schedules: Sequence[Schedule], count: int) -> int:
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
        held: how many labels that were held out have judged it.
        scores: of these, by name; none if the trial failed.
        reason: why it failed.
        chosen: whether the fit was made with it.
        predictions: what it predicted for each part that was held out, with a mask of that part.
    """

    schedule: Schedule
    held: int = 0
    scores: dict[str, float] = dataclasses.field(default_factory=dict)
    reason: str = ""
    chosen: bool = False
    predictions: list[tuple[np.ndarray, ByTarget]] = dataclasses.field(default_factory=list)

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


@dataclasses.dataclass(frozen=True)
class About:
    """What looks at the trainings of a fit.

    Attributes:
        watch: see `Watch`.
        advance: is called with numbers of steps done.
        directory: of the fit, for what is to say of a loss that is not finite.
    """

    watch: Watch
    advance: Callable[[int], None]
    directory: Path


def try_all(trainer: "ArmTrainer", draw: Draw, about: About) -> list[Trial]:
    """Return what came of the schedules of an arm on a draw.

    Every schedule is judged by the first part that is held out, the better half of them by the others too. A single one
    is judged if there will be others beside it.

    Raises:
        Stopped: a signal came.
    """
    comparison = trainer.comparison
    trials = [Trial(schedule) for schedule in trainer.schedules]
    if len(trials) == 1 and not comparison.config.tune:
        return trials
    going = trials
    for number, (part, held) in enumerate(parts_of_draw(comparison, draw)):
        if number == 1:
            best = sorted(trials, key=lambda one: one.rank(comparison.measure), reverse=True)[: _left(len(trials))]
            going = [trial for trial in trials if trial in best]
        for trial in going:
            judge(trainer, trial, draw.count, part, held, about)
    return trials


def choose(trials: list[Trial], measure: Measure) -> Trial:
    """Return the trial that did best by all that was held out; of equally good ones the first.

    Raises:
        AstrokerasError: every trial failed.
    """
    most = max(trial.held for trial in trials)
    going = [trial for trial in trials if trial.held == most]
    best = max(going, key=lambda trial: trial.rank(measure))
    if best.reason:
        raise AstrokerasError(best.reason)
    best.chosen = True
    return best


def judge(trainer: "ArmTrainer", trial: Trial, count: int, part: Draw, held: np.ndarray, about: About) -> None:
    """Add to a trial what it says of one part that was held out; a failure is noted, and nothing more is tried.

    Args:
        trainer: of the arm.
        trial: what is judged.
        count: the labels of the whole draw.
        part: what is trained on.
        held: a mask of what is held out.
        about: what looks at it.
    """
    trial.held += int(held.sum())
    if trial.reason:
        return
    comparison, short = trainer.comparison, shortened(trial.schedule, count)
    try:
        trainer.train(part, short, about)
        trial.predictions.append(
            (held, trainer.predictions(part, short, EvaluationSet("train", held, {}), about.watch))
        )
    except (Stopped, CannotWrite):
        raise
    except AstrokerasError as error:
        trial.reason, trial.scores = str(error), {}
        return
    judged = np.logical_or.reduce([mask for mask, _ in trial.predictions])
    exam = EvaluationSet("train", judged, comparison.labels("train", judged))
    told = {name: in_order([(mask, said[name]) for mask, said in trial.predictions]) for name in comparison.targets}
    trial.scores = score(comparison.targets, exam, told)


def in_order(parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the rows of several masks in the order of the records, [N, ...]."""
    rows = np.concatenate([np.flatnonzero(mask) for mask, _ in parts])
    return np.concatenate([values for _, values in parts])[np.argsort(rows)]
