"""Refinement of labels: by hand with networks that are made up, and within a fit."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from astrokeras.evaluation.arm_network import Watch
from astrokeras.evaluation.compare import Draw
from astrokeras.evaluation.refining import refined_labels
from astrokeras.evaluation.schedule import Schedule
from astrokeras.evaluation.schedule_search import About
from astrokeras.training.signals import Signals
from tests.evaluation.test_fitting import compared, trainer_of
from tests.synthetic import write_records

CODES, SOFT = "class:label", "class:label:refined"


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("refined")
    write_records(path / "records", counts={"train": 40, "test": 30})
    return path


class MadeUp:
    """A trainer whose networks say how often the first class was among the labels that they learned, plus the round."""

    def __init__(self, comparison):
        self.comparison = comparison
        self.learned, self.asked = [], []

    def train(self, draw, schedule, about):
        self.learned.append(draw.select)

    def predictions(self, draw, schedule, exam, watch):
        self.asked.append(exam.select)
        share = np.float32(0.1 * len(self.asked))
        return {"class": np.tile([share, 1 - share], (exam.count, 1)).astype(np.float32)}


def refined(trainer, draw):
    schedule = Schedule.of(trainer.comparison.config, random=False)
    return refined_labels(trainer, draw, schedule, About(Watch(Signals()), lambda _: None, Path()))


def test_labels_follow_those_that_have_not_seen_them_and_come_back(path: Path):
    comparison = compared(path, target=("class(refine=true)",), mode="frozen")
    made_up, source = MadeUp(comparison), comparison.source
    before = source.columns("train", [CODES, SOFT])
    draw = dataclasses.replace(comparison.draws[0], select=comparison.draws[0].select.copy())
    draw.select[::3] = False
    with refined(made_up, draw):
        soft = source.columns("train", [SOFT])[SOFT]
    assert len(made_up.learned) == len(made_up.asked) == 6
    for learned, asked in zip(made_up.learned, made_up.asked, strict=True):
        assert not (learned & asked).any() and not (asked & ~draw.select).any()
        assert ((learned | asked) == draw.select).all()
        # Each class is as frequent in a part as in the others.
        counts = [np.bincount(before[CODES][part], minlength=2) for part in (asked, draw.select)]
        assert np.abs(counts[0] - counts[1] / 3).max() < 1.5
    for round_ in (made_up.asked[:3], made_up.asked[3:]):
        assert (np.sum(round_, axis=0) == draw.select).all()
    assert any((a != b).any() for a, b in zip(made_up.asked[:3], made_up.asked[3:], strict=True))
    # Halfway from the label to what the second round says: 0.4, 0.5 and 0.6 for the first class.
    for number, asked in enumerate(made_up.asked[3:], 4):
        told = np.array([0.1 * number, 1 - 0.1 * number])
        np.testing.assert_allclose(soft[asked], (np.eye(2)[before[CODES][asked]] + told) / 2, rtol=1e-5)
    np.testing.assert_array_equal(soft[~draw.select], before[SOFT][~draw.select])
    for name, values in source.columns("train", [CODES, SOFT]).items():
        np.testing.assert_array_equal(values, before[name])


def test_labels_come_back_after_a_failure_too(path: Path):
    comparison = compared(path, target=("class(refine=true)",), mode="frozen")
    before = comparison.source.columns("train", [SOFT])[SOFT]
    with pytest.raises(KeyError), refined(MadeUp(comparison), comparison.draws[0]):
        assert (comparison.source.columns("train", [SOFT])[SOFT] != before).any()
        raise KeyError
    np.testing.assert_array_equal(comparison.source.columns("train", [SOFT])[SOFT], before)


def test_too_few_labels_to_part_stay_what_they_are(path: Path):
    comparison = compared(path, target=("class(refine=true)",), mode="frozen")
    select = np.zeros_like(comparison.draws[0].select)
    select[:3] = True
    made_up = MadeUp(comparison)
    with refined(made_up, Draw("3", 0, select)):
        assert not made_up.learned


def test_a_fit_learns_the_refined_labels_and_is_measured_on_the_true_ones(path: Path):
    answers = {}
    for target in ("class", "class(refine=true)"):
        comparison = compared(path, target=(target,), mode="frozen")
        outcome = trainer_of(comparison, random=False).fit(comparison.draws[0], Watch(Signals()), path)
        answers[target] = outcome.predictions["test"]["class"]
        assert outcome.scores["test"]["accuracy"] > 0.6
    plain, refined = (values.max(axis=1).mean() for values in answers.values())
    assert refined < plain - 0.01  # who learns soft labels is less sure
