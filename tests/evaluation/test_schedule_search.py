import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError
from astrokeras.evaluation import schedule_search as module
from astrokeras.evaluation.arm_network import Watch
from astrokeras.evaluation.compare import Comparison, Draw, Measure
from astrokeras.evaluation.schedule import Schedule
from astrokeras.evaluation.schedule_search import (
    GRID,
    About,
    Trial,
    choose,
    folds_judged,
    parts_of_draw,
    schedules_of,
    shortened,
    steps_of_search,
    try_all,
)
from astrokeras.tasks.targets.class_ import Class
from astrokeras.training.signals import Signals

CODES = np.array([0] * 20 + [1] * 8 + [-1] * 4)
TARGET = Class(("galaxy", "star"))
DRAW = Draw("28", 0, CODES >= 0)


class Labelled:
    """A source of labels alone."""

    def columns(self, split, fields):
        assert split == "train"
        return {"class:label": CODES}


def compared(**changes) -> Comparison:
    config = FinetuneConfig("", "", **changes)
    found = Comparison(config, None, None, Labelled(), {"class": TARGET}, {"class": TARGET}, {}, None, [DRAW], [])
    found.__dict__["measure"] = Measure(("accuracy", "balanced_accuracy", "auroc"), "balanced_accuracy")
    return found


class Told:
    """Stands for a trainer: answers rightly as often as it is told for each schedule."""

    def __init__(
        self, comparison: Comparison, right: dict[int, float], schedules: list[Schedule] | None = None
    ) -> None:
        self.comparison = comparison
        self.schedules = schedules or schedules_of(comparison.config, False)
        self.right, self.calls = right, []

    def train(self, draw, schedule, about):
        self.number = next(n for n, one in enumerate(self.schedules) if shortened(one, DRAW.count) == schedule)
        self.calls.append((self.number, draw.count))
        if math.isnan(self.right[self.number]):
            raise AstrokerasError("it diverged")
        return []

    def predictions(self, draw, schedule, exam, watch):
        assert not (draw.select & exam.select).any()
        truth = CODES[exam.select]
        right = np.arange(len(truth)) < round(self.right[self.number] * len(truth))
        said = np.where(right, truth, 1 - truth)
        return {"class": np.eye(2, dtype=np.float32)[said]}


def chosen(right: dict[int, float], **changes) -> tuple[list[Trial], Told]:
    trainer = Told(compared(**changes), right)
    trials = try_all(trainer, DRAW, About(Watch(Signals()), lambda n: None, Path()))
    choose(trials, trainer.comparison.measure)
    return trials, trainer


def test_every_arm_tries_as_many_and_none_twice():
    for count in range(2, len(GRID) + 1):
        config = FinetuneConfig("", "", trials=count)
        lists = [schedules_of(config, random) for random in (False, True)]
        assert [len(one) for one in lists] == [count, count]
        assert all(len(set(one)) == count for one in lists)
    kept, random = lists
    assert {one.mode for one in kept} == {"frozen", "full", "two-phase", "side"}
    assert {one.mode for one in random} == {"frozen", "full", "side"} and not any(
        one.fixed_statistics for one in random
    )
    assert [one.mode for one in schedules_of(FinetuneConfig("", "", mode="full"), False)] == ["full"]


def test_the_default_varies_mode_rate_decay_and_statistics():
    tried = schedules_of(FinetuneConfig("", ""), False)
    for name in ("mode", "learning_rate", "weight_decay", "fixed_statistics"):
        assert len({getattr(one, name) for one in tried}) > 1


def test_what_is_held_out_is_each_label_once_and_every_class_is_in_every_part():
    parts = list(parts_of_draw(compared(), DRAW))
    assert len(parts) == 3
    np.testing.assert_array_equal(sum(held.astype(int) for _, held in parts), DRAW.select)
    for part, held in parts:
        assert not (part.select & held).any() and (part.select | held == DRAW.select).all()
        assert set(np.bincount(CODES[held])[1:]) <= {2, 3} and 6 <= np.bincount(CODES[held])[0] <= 7
    again = [held for _, held in parts_of_draw(compared(), DRAW)]
    other = [held for _, held in parts_of_draw(compared(seed=1), DRAW)]
    assert all(np.array_equal(a, b) for (_, a), b in zip(parts, again, strict=True))
    assert not all(np.array_equal(a, b) for (_, a), b in zip(parts, other, strict=True))


def test_the_best_by_all_that_was_held_out_is_chosen_and_the_worse_half_stops_after_the_first_part():
    trials, trainer = chosen({0: 0.5, 1: 0.9, 2: 0.6, 3: 0.2, 4: 1.0, 5: 0.3})
    assert [trial.chosen for trial in trials] == [n == 4 for n in range(6)]
    assert [trial.held for trial in trials] == [trials[0].held, 28, 28, trials[0].held, 28, trials[0].held]
    assert trials[4].scores["balanced_accuracy"] == 1.0
    assert [number for number, _ in trainer.calls] == [0, 1, 2, 3, 4, 5, 1, 2, 4, 1, 2, 4]
    assert all(count < DRAW.count for _, count in trainer.calls)


def test_of_equal_ones_the_first_is_chosen_and_what_fails_never():
    trials, _ = chosen(dict.fromkeys(range(6), 1.0))
    assert trials[0].chosen
    trials, _ = chosen({**dict.fromkeys(range(6), 1.0), 0: math.nan})
    assert trials[1].chosen and trials[0].reason == "it diverged" and trials[0].scores == {}
    with pytest.raises(AstrokerasError, match="it diverged"):
        chosen(dict.fromkeys(range(6), math.nan))


def test_less_is_better_of_errors():
    low, high = (Trial(Schedule("full", 1, 1, 1, 0.1), scores={"mae": value}) for value in (0.1, 0.2))
    measure = Measure(("mae",), "mae", -1)
    assert low.rank(measure) > high.rank(measure) > Trial(low.schedule).rank(measure)


def test_trials_take_few_steps():
    schedule = Schedule("full", epochs=30, min_steps=200, batch_size=32, learning_rate=1e-3)
    assert shortened(schedule, 50).steps_for(50) == 10 * 7
    assert shortened(schedule, 10_000).steps_for(10_000) == 312
    frozen = dataclasses.replace(schedule, mode="frozen")
    assert shortened(frozen, 50) is frozen
    assert (folds_judged(150), folds_judged(151)) == (3, 1)
    assert steps_of_search([schedule], 50) == 0
    # Of three, two go on.
    assert steps_of_search([frozen, schedule, schedule], 50) == 2 * 70 + 2 * 2 * 70
    assert steps_of_search([schedule], 50, tune=4) == (3 + 4 * 3) * 70


def test_a_choice_made_with_other_parts_would_be_another(monkeypatch: pytest.MonkeyPatch):
    """So that what is measured above is the parts' doing: with one part alone nothing goes on."""
    monkeypatch.setattr(module, "_FEW", 10)
    trials, trainer = chosen({0: 0.5, 1: 0.9, 2: 0.6, 3: 0.2, 4: 1.0, 5: 0.3})
    assert len(trainer.calls) == 6 and trials[4].chosen
