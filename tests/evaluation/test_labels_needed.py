"""The number of labels that a score takes."""

import math

import pytest

from astrokeras.evaluation.labels_needed import labels_needed

SCORES = {10: 0.5, 100: 0.7, 1000: 0.8}


@pytest.mark.parametrize(
    ("target", "expected"),
    [(0.5, 10), (0.4, 10), (0.6, math.sqrt(1000)), (0.7, 100), (0.75, math.sqrt(1e5)), (0.8, 1000)],
)
def test_between_budgets_by_the_logarithm(target, expected):
    assert labels_needed(SCORES, target) == pytest.approx(expected)


def test_a_score_that_is_never_reached():
    assert math.isnan(labels_needed(SCORES, 0.81))


def test_errors_fall():
    assert labels_needed({10: 0.4, 1000: 0.2}, 0.3, errors=True) == pytest.approx(100)


def test_a_dip_does_not_count():
    assert labels_needed({10: 0.6, 20: 0.5, 40: 0.7}, 0.65) == pytest.approx(20 * math.sqrt(2))
