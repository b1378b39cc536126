import math

import numpy as np
import pytest

from astrokeras.tasks.classification import classification_scores


def test_a_perfect_classifier_scores_one():
    labels = np.array([0, 1, 2, 1, 0])
    assert classification_scores(labels, np.eye(3)[labels]) == {
        "accuracy": 1.0,
        "balanced_accuracy": 1.0,
        "macro_f1": 1.0,
        "auroc": 1.0,
    }


def test_numbers_worked_out_by_hand():
    # Class 0: 3 of 4 right. Class 1: 1 of 2 right. The confusion is symmetric in nothing else.
    labels = np.array([0, 0, 0, 0, 1, 1])
    second = np.array([0.1, 0.2, 0.3, 0.9, 0.4, 0.8])
    scores = classification_scores(labels, np.stack([1 - second, second], axis=1))
    assert scores["accuracy"] == pytest.approx(4 / 6)
    assert scores["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    f1 = [2 * 3 / (2 * 3 + 1 + 1), 2 * 1 / (2 * 1 + 1 + 1)]
    assert scores["macro_f1"] == pytest.approx(np.mean(f1))
    # Pairs of one object of each class that are in the right order: 3 + 3 of 8 (0.9 beats both).
    assert scores["auroc"] == pytest.approx(6 / 8)


def test_a_class_that_is_predicted_but_does_not_occur_is_left_out():
    labels = np.array([0, 0, 1, 1])
    scores = classification_scores(labels, np.eye(3)[[0, 2, 1, 1]])
    assert scores["balanced_accuracy"] == pytest.approx(0.75)
    assert not math.isnan(scores["auroc"])


def test_one_class_has_no_area_under_a_curve():
    assert math.isnan(classification_scores(np.zeros(3, int), np.eye(2)[[0, 1, 0]])["auroc"])
