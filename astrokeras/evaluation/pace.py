"""How long a comparison will take, from what it has taken so far."""

import time
from collections.abc import Callable, Sequence

from astrokeras.evaluation.compare import Draw, EvaluationSet
from astrokeras.evaluation.schedule import Schedule
from astrokeras.evaluation.schedule_search import most_steps, steps_of_search

# What an example costs in training, in units of what it costs to look at it: forward, and backward with two products.
_TRAINED = 3
# A logistic regression, in the same units.
_FITTED = 100


def works_of(
    schedules: Sequence[Schedule], random: bool, draws: Sequence[Draw], exams: Sequence[EvaluationSet], tune: int = 0,
    held_out: Callable[[int], int] = lambda count: 0,
) -> list[float]:  # fmt: skip
    """Return the work of each fit of an arm, in examples that its network looks at.

    Args:
        schedules: from which each fit chooses.
        random: whether every repeat has an encoder of its own, whose features are worked out anew.
        draws: what is trained on, in the order of the fits.
        exams: what is measured on.
        tune: further trials of each fit.
        held_out: the steps of further trainings for labels that are held out, for a number of labels.
    """
    works, features_of = [], None
    measured = sum(exam.count for exam in exams)
    for draw in draws:
        count, work = draw.count, 0.0
        encoder = draw.repeat if random else 0
        if any(one.begins_fitted for one in schedules):
            work += _FITTED
            if encoder != features_of:
                union = {
                    i for d in draws if not random or d.repeat == draw.repeat for i in d.select.nonzero()[0].tolist()
                }
                work += len(union) + (0 if all(one.trains for one in schedules) else measured)
                features_of = encoder
        if any(one.trains for one in schedules):
            steps = steps_of_search(schedules, count, tune) + most_steps(schedules, count) + held_out(count)
            work += _TRAINED * steps * schedules[0].batch_size + measured
        works.append(work)
    return works


class Pace:
    """Counts the fits of a comparison and says how long the others will take.

    Args:
        works: of all fits, in their order.
        clock: gives seconds.
    """

    def __init__(self, works: Sequence[float], clock: Callable[[], float] = time.monotonic) -> None:
        self.works, self.done = list(works), 0
        self._clock, self._begun = clock, clock()

    def advance(self) -> None:
        """One more is done."""
        self.done += 1

    def current(self) -> str:
        """Which one comes next, in words."""
        return f"fit {self.done + 1} of {len(self.works)}"

    def left(self) -> str:
        """How long the others will take, in words; nothing before the first is done or after the last."""
        if not 0 < self.done < len(self.works):
            return ""
        taken = self._clock() - self._begun
        seconds = taken * sum(self.works[self.done :]) / sum(self.works[: self.done])
        return f"about {in_words(seconds)} left"


def in_words(seconds: float) -> str:
    """Return a time to one or two digits."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
