"""Bootstrap intervals against formulas and simulations."""

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from astrokeras.evaluation.bootstrap import Interval, resample, resample_recalls


def accuracy(labels, predictions):
    return float(np.mean(labels == predictions))


def test_the_interval_of_a_share_is_the_binomial_one():
    labels = np.zeros(400, int)
    predictions = np.zeros((1, 400), int)
    predictions[0, :100] = 1
    found = resample({"a": predictions}, labels, accuracy, samples=4000).interval("a")
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert found.value == 0.75
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)


def test_what_arms_share_cancels():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    hard = rng.random(300) < 0.4
    one = np.where(hard, 1 - labels, labels)[None]
    other = one.copy()
    other[0, np.flatnonzero(hard)[:9]] = labels[np.flatnonzero(hard)[:9]]
    found = resample({"one": one, "other": other}, labels, accuracy)
    gain = found.difference("other", "one")
    assert gain.value == pytest.approx(9 / 300)
    assert gain.excludes_zero
    alone = found.interval("one")
    assert alone.high - alone.low > 2 * (gain.high - gain.low)
    assert found.differences() == {("other", "one"): gain}
    assert found.difference("one", "one") == Interval(0.0, 0.0, 0.0)


def test_repeats_are_drawn_too():
    labels = np.zeros(2000, int)
    predictions = np.zeros((4, 2000), int)
    predictions[:2, :1000] = 1  # two repeats of 0.5, two of 1
    found = resample({"a": predictions}, labels, accuracy).interval("a")
    assert found.value == 0.75
    # The mean of four draws of 0.5 or 1: a standard deviation of an eighth.
    assert found.low == pytest.approx(0.5, abs=0.02)
    assert found.high == pytest.approx(1.0, abs=0.02)


def test_strata_keep_every_class_in_every_sample():
    labels = np.array([0] * 50 + [1])
    found = resample({"a": labels[None]}, labels, balanced_accuracy_score, strata=labels, samples=100)
    assert (found.samples["a"] == 1.0).all()


def test_intervals_cover_the_truth():
    """A 95 % interval holds the true difference in about 95 of a hundred simulated comparisons."""
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        labels = np.zeros(200, int)
        one, other = (rng.random((1, 200)) >= share for share in (0.7, 0.8))
        found = resample_recalls({"a": ~one, "b": ~other}, labels, samples=150, seed=seed)
        gain = found.difference("b", "a")
        inside += gain.low <= 0.1 <= gain.high
    assert 0.88 <= inside / 100 <= 0.99


def test_arms_must_answer_for_the_same():
    with pytest.raises(ValueError, match="the same repeats of 3 objects"):
        resample({"a": np.zeros((1, 3)), "b": np.zeros((2, 3))}, np.zeros(3), accuracy)


def test_undefined_samples_are_left_out():
    found = resample({"a": np.zeros((1, 4))}, np.zeros(4, int), lambda truth, given: math.nan, samples=5)
    assert math.isnan(found.interval("a").low)


def test_recalls_are_what_the_general_bootstrap_gives():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, 90)
    arms = {name: rng.integers(0, 3, (2, 90)) for name in ("one", "other")}
    expected = resample(arms, labels, balanced_accuracy_score, strata=labels, samples=20, seed=3)
    hits = {arm: values == labels for arm, values in arms.items()}
    found = resample_recalls(hits, labels, samples=20, seed=3)
    assert found.values == pytest.approx(expected.values)
    for arm in arms:
        np.testing.assert_allclose(found.samples[arm], expected.samples[arm])
