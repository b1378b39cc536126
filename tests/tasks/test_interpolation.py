import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from astrokeras.tasks.interpolation import interpolate, neighbour_graph


def dense_graph(vectors: np.ndarray, neighbours: int) -> np.ndarray:
    """E as the paper defines it, written out."""
    cosines = cosine_similarity(vectors)
    np.fill_diagonal(cosines, -np.inf)
    ties = np.zeros_like(cosines)
    for row, near in enumerate(np.argsort(-cosines, axis=1)[:, :neighbours]):
        ties[row, near] = np.maximum(cosines[row, near], 0)
    ties = np.maximum(ties, ties.T)
    root = 1 / np.sqrt(ties.sum(axis=1))
    return root[:, None] * ties * root


@pytest.mark.parametrize(("neighbours", "alpha", "steps"), [(5, 0.5, 3), (1, 0.0, 1), (8, 2.0, 2)])
def test_it_is_the_formula(neighbours, alpha, steps):
    vectors = np.random.default_rng(0).uniform(size=(60, 7))
    graph = dense_graph(vectors, neighbours)
    np.testing.assert_allclose(neighbour_graph(vectors, neighbours).toarray(), graph, atol=1e-6)
    reference = np.linalg.matrix_power(alpha * np.eye(60) + graph, steps) @ vectors
    np.testing.assert_allclose(interpolate(vectors, neighbours, alpha, steps), reference, rtol=1e-4, atol=1e-6)


def test_no_steps_change_nothing():
    vectors = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    np.testing.assert_array_equal(interpolate(vectors, 4, 0.5, 0), vectors)


def test_groups_draw_together():
    rng = np.random.default_rng(2)
    centres = np.repeat(np.eye(2, 6) * 4, 50, axis=0)
    vectors = centres + rng.normal(size=(100, 6))
    mixed = interpolate(vectors)

    def separation(x):
        first, second = x[:50], x[50:]
        return np.linalg.norm(first.mean(0) - second.mean(0)) / np.sqrt(first.var(0).sum() + second.var(0).sum())

    assert separation(mixed) > 2 * separation(vectors)


def test_vectors_of_zeros_and_few_objects():
    assert np.isfinite(interpolate(np.zeros((4, 3)), 10)).all()
    assert interpolate(np.eye(2), 10).shape == (2, 2)
