"""Calibration against scikit-learn, formulas and simulated answers."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, log_loss

from astrokeras.evaluation.calibration import (
    at_temperature,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    reliability,
)


@pytest.fixture(scope="module")
def answers():
    """Probabilities that are right as often as they say, and labels drawn from them."""
    rng = np.random.default_rng(0)
    probabilities = softmax(rng.normal(0, 2, (20000, 4)), axis=1)
    labels = (rng.random((20000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return labels, probabilities


def test_honest_probabilities_have_no_error(answers):
    labels, probabilities = answers
    assert expected_calibration_error(labels, probabilities) < 0.02
    assert expected_calibration_error(labels, at_temperature(probabilities, 0.5)) > 0.08


def test_the_error_by_hand():
    # Bins of a half: one answer of 0.4 that is wrong; 0.9 and 0.7, of which one is right.
    probabilities = np.array([[0.4, 0.3, 0.3], [0.9, 0.1, 0.0], [0.2, 0.7, 0.1]])
    found = reliability(np.array([1, 0, 0]), probabilities, bins=2)
    np.testing.assert_allclose(found.confidence, [0.4, 0.8])
    np.testing.assert_allclose(found.accuracy, [0.0, 0.5])
    assert found.error == pytest.approx((0.4 * 1 + 0.3 * 2) / 3)


def test_bins_may_be_empty_and_certainty_counts():
    found = reliability(np.array([0]), np.array([[1.0, 0.0]]))
    assert found.count[-1] == 1
    assert np.isnan(found.accuracy[0])
    assert found.error == 0.0


def test_the_brier_score_is_scikit_learns(answers):
    labels, probabilities = answers[0] % 2, at_temperature(answers[1][:, :2], 1.0)
    # Of two classes the sum over both is twice that of one.
    assert brier_score(labels, probabilities) == pytest.approx(2 * brier_score_loss(labels, probabilities[:, 1]))


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_temperature_that_was_applied_is_found(answers, factor):
    labels, probabilities = answers
    wrong = at_temperature(probabilities, factor)
    temperature = fit_temperature(labels, wrong)
    assert temperature * factor == pytest.approx(1.0, rel=0.05)
    mended = at_temperature(wrong, temperature)
    assert log_loss(labels, mended) <= log_loss(labels, wrong) + 1e-9
    np.testing.assert_array_equal(mended.argmax(axis=1), wrong.argmax(axis=1))


def test_certain_answers_stay_finite():
    labels, probabilities = np.array([0, 1, 1]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    temperature = fit_temperature(labels, probabilities)
    assert np.isfinite(temperature)
    assert np.isfinite(at_temperature(probabilities, temperature)).all()


def test_a_certain_mistake_does_not_decide_the_temperature():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    said = np.where(rng.random(400) < 0.8, labels, 1 - labels)
    honest = np.full((400, 2), 0.2)
    honest[np.arange(400), said] = 0.8
    wrong = np.full((4, 2), 1e-12)
    wrong[:, 0] = 1.0
    both = np.concatenate([labels, np.ones(4, int)]), np.concatenate([honest, wrong])
    assert fit_temperature(*both) == pytest.approx(fit_temperature(labels, honest), rel=0.1)
