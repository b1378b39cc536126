import numpy as np
from scipy.stats import entropy as reference

from astrokeras.embedding.uncertainty import UNSURE, entropy, margin


def test_entropy_is_that_of_scipy():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), 50)
    probabilities[0] = [1, 0, 0, 0, 0]
    np.testing.assert_allclose(entropy(probabilities), reference(probabilities, axis=1), atol=1e-12)


def test_margin_is_the_first_less_the_second():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), 50)
    ordered = np.sort(probabilities, axis=1)
    np.testing.assert_allclose(margin(probabilities), ordered[:, -1] - ordered[:, -2])


def test_the_most_unsure_comes_first_by_each_measure():
    probabilities = np.array([[0.9, 0.05, 0.05], [0.34, 0.33, 0.33], [0.5, 0.5, 0.0]])
    assert [measure(probabilities).argmax() for measure in (UNSURE["margin"], UNSURE["entropy"])] == [2, 1]


def test_what_is_not_known_is_not_a_number():
    missing = np.full((1, 3), np.nan)
    assert np.isnan(entropy(missing)) and np.isnan(margin(missing))
