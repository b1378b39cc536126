import numpy as np
import pytest

from astrokeras.evaluation.compare import Draw, EvaluationSet
from astrokeras.evaluation.pace import Pace, in_words, works_of
from astrokeras.evaluation.schedule import Schedule


def draws(*counts: int, repeats: int = 2) -> list[Draw]:
    """Draws of which the smaller is part of the larger."""
    return [Draw(str(n), r, np.arange(100) < n) for r in range(repeats) for n in counts]


EXAMS = [EvaluationSet("test", np.ones(40, bool), {}), EvaluationSet("val", np.ones(10, bool), {})]


def test_the_work_of_frozen_fits_is_that_of_the_features_once():
    schedule = Schedule("frozen", 30, 200, 32, 1e-3)
    assert works_of([schedule], False, draws(8, 20), EXAMS) == [100 + 20 + 50, 100, 100, 100]
    assert works_of([schedule], True, draws(8, 20), EXAMS) == [170, 100, 170, 100]


def test_the_work_of_full_fits_is_that_of_their_steps():
    """20 epochs of 2 batches, or of as many as make 50 steps."""
    works = works_of([Schedule("full", 20, 50, 32, 1e-3)], True, draws(10, 64, repeats=1), EXAMS)
    assert works == [3 * 60 * 32 + 50, 3 * 60 * 32 + 50]
    both = works_of([Schedule("two-phase", 20, 50, 32, 1e-3)], False, draws(10, repeats=1), EXAMS)
    assert both == [3 * 60 * 32 + 50 + 100 + 10]


def test_trainings_for_labels_that_are_held_out_are_counted():
    full = Schedule("full", 20, 50, 32, 1e-3)
    works = works_of([full], True, draws(10, repeats=1), EXAMS, held_out=lambda count: 7 * count)
    assert works == [3 * (60 + 70) * 32 + 50]


def test_what_is_left_follows_from_what_it_took():
    now = [100.0]
    pace = Pace([10, 10, 20, 40], clock=lambda: now[0])
    assert (pace.current(), pace.left()) == ("fit 1 of 4", "")
    now[0] += 50
    pace.advance()
    assert (pace.current(), pace.left()) == ("fit 2 of 4", "about 6 min left")  # 50 s × 70 / 10 = 350 s
    now[0] += 10
    pace.advance()
    assert pace.left() == "about 3 min left"  # 60 s × 60 / 20 = 180 s
    pace.advance()
    pace.advance()
    assert pace.left() == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (42.4, "42 s"), (89, "89 s"), (91, "2 min"), (3600, "60 min"), (5400, "1.5 h"), (36000, "10.0 h")],
)
def test_times_in_words(seconds: float, said: str):
    assert in_words(seconds) == said
