"""Principal components in blocks are those of scikit-learn in memory."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from astrokeras.embedding.pca import components


def blocks(vectors, rows):
    return lambda: [(start, vectors[start : start + rows]) for start in range(0, len(vectors), rows)]


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_they_are_those_of_scikit_learn(rows):
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(90, 6)) * [9, 5, 3, 1, 1, 1] @ rng.normal(size=(6, 6)) + 100).astype(np.float32)
    found, reference = components(blocks(vectors, rows), 6, 3), PCA(3).fit(vectors.astype(float))
    np.testing.assert_allclose(found.variances, reference.explained_variance_)
    np.testing.assert_allclose(found.shares, reference.explained_variance_ratio_)
    signs = np.sign((found.directions * reference.components_).sum(axis=1))
    np.testing.assert_allclose(found.directions, reference.components_ * signs[:, None], atol=1e-6)
    np.testing.assert_allclose(found.project(vectors), reference.transform(vectors) * signs, atol=1e-4)
    assert (found.directions[np.arange(3), np.abs(found.directions).argmax(axis=1)] > 0).all()


def test_what_does_not_vary_has_no_variance():
    found = components(blocks(np.ones((5, 3), np.float32), 2), 3, 2)
    np.testing.assert_array_equal(found.shares, 0)
    np.testing.assert_array_equal(found.project(np.ones((2, 3))), 0)


def test_there_are_no_more_components_than_vectors_or_numbers():
    assert components(blocks(np.eye(3, 9), 9), 9, 50).directions.shape == (3, 9)
    assert components(blocks(np.eye(30, 4), 9), 4, 50).directions.shape == (4, 4)
