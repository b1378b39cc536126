import keras
import numpy as np
from scipy.special import gammaln
from scipy.stats import dirichlet_multinomial

from astrokeras.tasks.dirichlet import log_gamma, log_likelihood


def test_log_gamma_is_scipys():
    x = np.concatenate([np.geomspace(1e-3, 1e5, 200), np.arange(1, 30)]).astype(np.float32)
    ours = keras.ops.convert_to_numpy(log_gamma(x))
    np.testing.assert_allclose(ours, gammaln(x.astype(np.float64)), rtol=2e-6, atol=2e-6)


def test_the_likelihood_is_scipys_and_nothing_without_votes():
    rng = np.random.default_rng(0)
    alpha, counts = rng.uniform(0.5, 100, (100, 4)), rng.integers(0, 50, (100, 4))
    ours = keras.ops.convert_to_numpy(log_likelihood(counts.astype(np.float32), alpha.astype(np.float32)))
    np.testing.assert_allclose(ours, dirichlet_multinomial.logpmf(counts, alpha, counts.sum(axis=1)), atol=2e-3)
    nothing = log_likelihood(np.zeros((3, 4), np.float32), alpha[:3].astype(np.float32))
    assert (keras.ops.convert_to_numpy(nothing) == 0).all()
