import numpy as np
from scipy.spatial.distance import cdist

from astrokeras.embedding.coverage import Coverage


def test_distances_are_those_of_scipy():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3000, 16)).astype(np.float32) + 1000  # far from the origin, as ReLU features may be
    covered = rng.permutation(3000)[:1500]
    coverage = Coverage(vectors, covered)
    np.testing.assert_allclose(coverage.distances, cdist(vectors, vectors[covered]).min(axis=1), atol=5e-3)
    coverage.add(7)
    reference = cdist(vectors, vectors[[*covered, 7]]).min(axis=1)
    np.testing.assert_allclose(coverage.distances, reference, atol=5e-3)


def test_greedy_choice_is_that_of_the_algorithm():
    vectors = np.random.default_rng(1).normal(size=(200, 3))
    chosen, coverage = [0, 1], Coverage(vectors, [0, 1])
    for _ in range(10):
        number, distance = coverage.farthest(np.ones(200, dtype=bool))
        reference = cdist(vectors, vectors[chosen]).min(axis=1)
        assert number == reference.argmax()
        np.testing.assert_allclose(distance, reference.max(), rtol=1e-4)
        coverage.add(number)
        chosen.append(number)


def test_only_candidates_and_the_most_ordinary_first():
    vectors = np.array([[0.0], [4.0], [5.0], [100.0]])
    coverage = Coverage(vectors, [])
    assert coverage.farthest(np.ones(4, dtype=bool)) == (2, np.inf), "nearest to the mean, 27.25"
    coverage.add(0)
    assert coverage.farthest(np.array([True, True, True, False]))[0] == 2


def test_equal_objects_are_at_no_distance():
    coverage = Coverage(np.full((5, 4), 1e3, np.float32), [2])
    assert coverage.distances.tolist() == [0.0] * 5
