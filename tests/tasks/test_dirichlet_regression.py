"""The linear layer under which votes are most probable."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import expit
from scipy.stats import dirichlet_multinomial

from astrokeras.tasks.dirichlet_regression import LEAST, SPAN, _objective, dirichlet_regression, log_likelihoods


def drawn(features: np.ndarray, kernel: np.ndarray, bias: np.ndarray, votes: int = 30) -> np.ndarray:
    """Counts whose fractions are drawn under the layer's concentrations."""
    rng = np.random.default_rng(1)
    alpha = LEAST + SPAN * expit(features @ kernel + bias)
    return np.stack([rng.multinomial(votes, rng.dirichlet(row)) for row in alpha]).astype(np.float32)


def features(count: int = 300, width: int = 5) -> np.ndarray:
    """Features of other means and widths than 0 and 1."""
    rng = np.random.default_rng(0)
    return (rng.normal(3, 2, (count, width)) * np.arange(1, width + 1)).astype(np.float32)


KERNEL = np.array([[0.4, -0.4], [0, 0], [0, 0], [0, 0], [0, 0]])
BIAS = np.array([-3.2, -1.0])


def test_likelihoods_are_those_of_scipy():
    rng = np.random.default_rng(0)
    counts, alpha = rng.integers(0, 9, (20, 3)), rng.uniform(0.2, 30, (20, 3))
    expected = [dirichlet_multinomial.logpmf(k, a, k.sum()) for k, a in zip(counts, alpha, strict=True)]
    np.testing.assert_allclose(log_likelihoods(counts, alpha), expected, rtol=1e-9)


def test_the_gradient_is_that_of_the_objective():
    values, counts = features(40), drawn(features(40), KERNEL, BIAS)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    layer = np.random.default_rng(2).normal(0, 0.5, (6, 2)).ravel()
    gradient = _objective(layer, values, counts, 3.0)[1]
    off = check_grad(
        lambda flat: _objective(flat, values, counts, 3.0)[0],
        lambda flat: _objective(flat, values, counts, 3.0)[1],
        layer,
    )
    assert off < 1e-4 * np.abs(gradient).max()


def test_it_finds_the_concentrations_that_made_the_votes():
    kernel, bias = dirichlet_regression(features(), drawn(features(), KERNEL, BIAS), 0)
    assert kernel.dtype == bias.dtype == np.float32
    told = LEAST + SPAN * expit(features() @ kernel + bias)
    truth = LEAST + SPAN * expit(features() @ KERNEL + BIAS)
    shares = [alpha / alpha.sum(axis=1, keepdims=True) for alpha in (told, truth)]
    assert np.abs(shares[0] - shares[1]).mean() < 0.02
    assert told.sum(axis=1).mean() == pytest.approx(truth.sum(axis=1).mean(), rel=0.3)


def test_features_that_say_nothing_give_all_the_same():
    noise = features(60, 80)
    counts = drawn(np.zeros((60, 1)), np.zeros((1, 2)), BIAS)
    kernel, bias = dirichlet_regression(noise, counts, 0)
    told = LEAST + SPAN * expit(noise @ kernel + bias)
    shares = told / told.sum(axis=1, keepdims=True)
    assert shares.std(axis=0).max() < 0.05
    assert np.abs(shares.mean(axis=0) - counts.sum(axis=0) / counts.sum()).max() < 0.03


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_examples_give_the_fractions_of_their_votes(count: int):
    counts = np.tile([12.0, 4.0], (count, 1))
    kernel, bias = dirichlet_regression(features(count), counts, 0)
    told = LEAST + SPAN * expit(features(count) @ kernel + bias)
    np.testing.assert_allclose(told[:, 0] / told.sum(axis=1), 0.75, atol=0.05)
