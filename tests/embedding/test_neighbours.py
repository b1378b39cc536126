"""Neighbours found block by block are those of scikit-learn, whatever the blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from astrokeras.embedding.neighbours import METRICS, nearest


def blocks(vectors, rows):
    return [(start, vectors[start : start + rows]) for start in range(0, len(vectors), rows)]


@given(st.sampled_from(METRICS), st.integers(1, 70), st.integers(1, 70), st.integers(0, 100))
def test_they_are_the_nearest(metric, count, rows, seed):
    rng = np.random.default_rng(seed)
    vectors, queries = rng.normal(size=(60, 5)).astype(np.float32), rng.normal(size=(3, 5))
    found, far = nearest(queries, blocks(vectors, rows), count, metric)
    reference = NearestNeighbors(n_neighbors=min(count, 60), metric=metric, algorithm="brute").fit(vectors)
    distances, neighbours = reference.kneighbors(queries)
    np.testing.assert_allclose(far, distances, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(found, neighbours)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rows", [1, 4, 5, 100])
def test_of_equal_ones_the_first_rows_are_found(metric, rows):
    vectors = np.ones((20, 3), np.float32)
    found, far = nearest(vectors[:1], blocks(vectors, rows), 4, metric)
    assert found.tolist() == [[0, 1, 2, 3]]
    np.testing.assert_allclose(far, 0, atol=1e-15)


def test_close_vectors_are_told_apart():
    """In float32 their squared distances would drown in the squares of their lengths."""
    vectors = 1000 + np.arange(5, dtype=np.float32)[:, None] * np.full((1, 300), 1e-3, np.float32)
    found, far = nearest(vectors[:1], blocks(vectors, 2), 5, "euclidean")
    assert found.tolist() == [[0, 1, 2, 3, 4]]
    np.testing.assert_allclose(far[0], np.linalg.norm(vectors.astype(float) - vectors[0], axis=1), rtol=1e-3, atol=1e-6)


def test_an_embedding_of_zeros_is_like_nothing():
    found, far = nearest(np.zeros((1, 2)), [(0, np.eye(2))], 2, "cosine")
    assert far.tolist() == [[1.0, 1.0]]
    assert found.tolist() == [[0, 1]]
