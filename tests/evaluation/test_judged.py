"""Figures of a classifier against scikit-learn and by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from astrokeras.evaluation.compare import EvaluationSet
from astrokeras.evaluation.fit_predictions import Predictions
from astrokeras.evaluation.judged import class_figures, confusion, judge, mistakes
from astrokeras.tasks.targets.class_ import Class

NAMES = ("a", "b", "c")
LABELS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array([[0.8, 0.2, 0.0], [0.4, 0.6, 0.0], [0.1, 0.9, 0.0], [0.3, 0.5, 0.2]])


def test_figures_by_hand():
    found = class_figures(LABELS, PROBABILITIES, NAMES)
    assert found["recall a"] == 0.5
    assert found["precision b"] == pytest.approx(2 / 3)
    assert math.isnan(found["precision c"]) and math.isnan(found["recall c"])
    assert found["kappa"] == 0.5
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.8, 0.4, 0.9, 0.5])))
    assert found["matthews"] == pytest.approx(1 / math.sqrt(3))


def test_the_main_score_is_that_of_the_target_and_arms_with_missing_repeats_are_left_out():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [20, 12, 4])
    exam = EvaluationSet("test", np.ones(36, bool), {"class": {"class:label": labels}})
    values = [rng.dirichlet([1, 1, 1], 36) for _ in range(3)]
    lines = [{"arm": arm, "labels": 9, "budget": "9"} for arm in ("one", "one", "other")]
    answers = Predictions(exam, lines, [{"class": value} for value in values])
    (found,) = judge(Class(NAMES), "class", answers, 0).values()
    expected = np.mean([balanced_accuracy_score(labels, value.argmax(axis=1)) for value in values[:2]])
    assert found.values == pytest.approx({"one": expected})
    # A frozen arm has one repeat of all labels, which stands for all.
    for line in lines:
        line["budget"] = "all"
    (found,) = judge(Class(NAMES), "class", answers, 0).values()
    assert set(found.values) == {"one", "other"}


def test_budgets_of_one_number_of_labels_are_not_mixed():
    labels = np.array([0, 1, 2])
    exam = EvaluationSet("test", np.ones(3, bool), {"class": {"class:label": labels}})
    right, wrong = np.eye(3), np.roll(np.eye(3), 1, axis=0)
    lines = [
        {"arm": arm, "labels": 9, "budget": budget} for budget in ("3/class", "9", "all") for arm in ("one", "other")
    ]
    answers = Predictions(exam, lines, [{"class": v} for v in (right, wrong, wrong, right, wrong, right)])
    assert answers.budgets == {9: "3/class"}
    (found,) = judge(Class(NAMES), "class", answers, 0).values()
    assert found.values == {"one": 1.0, "other": 0.0}


def test_confusion_and_mistakes():
    twice = np.stack([PROBABILITIES, PROBABILITIES])
    np.testing.assert_array_equal(confusion(LABELS, twice, 3), [[2, 2, 0], [0, 4, 0], [0, 0, 0]])
    assert mistakes(LABELS, PROBABILITIES, 5).tolist() == [1]
    assert mistakes(np.array([2, 2, 2, 2]), PROBABILITIES, 2).tolist() == [2, 0]


def test_objects_that_only_another_target_has_labels_of_are_not_judged():
    labels = np.array([0, -1, 1, 1])
    exam = EvaluationSet("test", np.array([True, True, False, True, True]), {"class": {"class:label": labels}})
    lines = [{"arm": arm, "labels": 9, "budget": "9"} for arm in ("one", "other")]
    other = np.array([[0.0, 1.0, 0.0]] * 4)
    answers = Predictions(exam, lines, [{"class": PROBABILITIES}, {"class": other}])
    (found,) = judge(Class(NAMES), "class", answers, 0).values()
    assert found.values == pytest.approx({"one": 1.0, "other": 0.5})
    assert answers.labelled("class", Class(NAMES)).exam.select.tolist() == [True, False, False, True, True]


def test_soft_labels_are_judged_by_their_most_probable_class():
    labels = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [np.nan, 1.0]], np.float32)
    exam = EvaluationSet("test", np.ones(4, bool), {"class": {"class:a,b": labels}})
    answers = Predictions(exam, [{"arm": "one", "labels": 9, "budget": "9"}], [{"class": np.array([[1.0, 0.0]] * 4)}])
    (found,) = judge(Class(("a", "b"), ("a", "b")), "class", answers, 0).values()
    assert found.values == pytest.approx({"one": 0.5})
