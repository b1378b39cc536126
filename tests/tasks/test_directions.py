import numpy as np

from astrokeras.tasks.directions import directions


def test_lengths_are_one_and_the_mean_of_all_does_not_matter():
    vectors = np.random.default_rng(0).normal(size=(50, 4)) * [1, 2, 3, 4]
    found = directions(vectors)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    np.testing.assert_allclose(directions(vectors + np.array([9, 0, -3, 1])), found)
    np.testing.assert_allclose(
        found[3] @ (vectors[3] - vectors.mean(axis=0)), np.linalg.norm(vectors[3] - vectors.mean(0))
    )


def test_equal_objects_have_none():
    assert (directions(np.ones((3, 4))) == 0).all()
