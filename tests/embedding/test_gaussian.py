"""The Gaussian in blocks is that of scikit-learn in memory, and its distances follow the chi distribution."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from astrokeras.embedding.gaussian import Gaussian, among
from astrokeras.errors import AstrokerasError


def blocks(vectors, rows=17):
    return lambda: [(start, vectors[start : start + rows]) for start in range(0, len(vectors), rows)]


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(1)
    return (rng.normal(size=(60, 8)) @ rng.normal(size=(8, 8)) + 20).astype(np.float32)


@pytest.mark.parametrize(("rows", "width"), [(60, 8), (6, 8), (60, 1)])
def test_the_shrunk_covariance_is_that_of_ledoit_and_wolf(vectors, rows, width):
    some = vectors[:rows, :width]
    found, reference = Gaussian.fit(blocks(some), width), LedoitWolf().fit(some.astype(float))
    assert found.shrinkage == pytest.approx(reference.shrinkage_ if width > 1 else 1.0)
    if width > 1:
        covariance = found.directions.T * found.variances @ found.directions
        np.testing.assert_allclose(covariance, reference.covariance_, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(found.distances(some) ** 2, reference.mahalanobis(some.astype(float)), rtol=1e-6)


def test_distances_of_normal_objects_follow_the_chi_distribution():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(5, 5))
    found = Gaussian.fit(blocks(rng.normal(size=(20_000, 5)) @ mixing, 5000), 5)
    distances = found.distances(rng.normal(size=(20_000, 5)) @ mixing)
    for share in (0.2, 0.01):
        assert (distances > found.threshold(share)).mean() == pytest.approx(share, rel=0.15)
    assert np.quantile(found.chances(distances), [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.02)


def test_low_variance_keeps_the_narrow_directions():
    rng = np.random.default_rng(0)
    spread = np.array([10.0, 3, 1, 0.1])
    found = Gaussian.fit(blocks(rng.normal(size=(5000, 4)) * spread, 999), 4)
    # The variances are 100, 9, 1 and 0.01: the last two hold 0.9 % of all.
    narrow = found.low_variance(0.01)
    assert len(narrow.variances) == 2
    along_wide, along_narrow = np.array([[50.0, 0, 0, 0]]), np.array([[0, 0, 0, 1.0]])
    assert found.distances(along_wide) == pytest.approx(5, rel=0.05)
    assert narrow.distances(along_wide) < 0.5
    assert narrow.distances(along_narrow) > 5
    assert len(found.low_variance(1e-9).variances) == 1 and len(found.low_variance(1.0).variances) == 4


def test_what_is_not_normal_takes_no_part(vectors):
    chosen = np.arange(60) % 3 > 0
    found, alone = Gaussian.fit(among(blocks(vectors), chosen), 8), Gaussian.fit(blocks(vectors[chosen]), 8)
    np.testing.assert_allclose(found.distances(vectors), alone.distances(vectors))
    assert found.rows == 40


def test_what_no_gaussian_can_be_fitted_to(vectors):
    with pytest.raises(AstrokerasError, match="1 normal objects, expected 2 or more"):
        Gaussian.fit(blocks(vectors[:1]), 8)
    with pytest.raises(AstrokerasError, match="of all normal objects are equal"):
        Gaussian.fit(blocks(np.ones((9, 3))), 3)
