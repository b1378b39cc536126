import numpy as np
from sklearn.neighbors import NearestCentroid

from astrokeras.tasks.few_labels import METHODS, classify, nearest_mean, spread
from tests.embedding import samples


def few(rows: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vectors, group = samples.grouped(rows)
    return vectors, group, np.where(np.arange(rows) < 12, group, -1)


def test_each_method_tells_groups_apart():
    vectors, group, numbers = few()
    answers = classify(vectors, spread(vectors), numbers, 3)
    assert answers.keys() == METHODS.keys()
    for method, found in answers.items():
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
        # With four labels a class a fit that scales by these alone is the worst of all.
        assert (found.argmax(axis=1) == group).mean() > (0.85 if method == "linear" else 0.97), method


def test_the_nearest_mean_is_that_of_scikit_learn():
    vectors, _, numbers = few()
    numbers[numbers == 1] = 3  # no label of class 1
    centred = vectors - vectors.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    known = numbers >= 0
    reference = NearestCentroid().fit(unit[known], numbers[known]).predict(unit)
    found = nearest_mean(vectors, numbers, 4)
    np.testing.assert_array_equal(found.argmax(axis=1), reference)
    assert (found[:, 1] == 0).all()


def test_unlabelled_objects_help_where_a_label_lies_at_the_edge():
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1], 200)
    vectors = np.stack([np.where(group, 4.0, 0), np.where(group, 0, 4.0)], axis=1) + rng.normal(size=(400, 2))
    noise = rng.normal(size=(400, 20))
    vectors = np.concatenate([vectors, noise], axis=1)
    right = {method: [] for method in METHODS}
    mixed = spread(vectors)
    for draw in range(10):
        chosen = np.random.default_rng(draw).permutation(400)
        numbers = np.full(400, -1)
        for number in (0, 1):
            numbers[[row for row in chosen if group[row] == number][:1]] = number
        for method, found in classify(vectors, mixed, numbers, 2).items():
            right[method].append((found.argmax(axis=1) == group).mean())
    assert np.mean(right["interpolated"]) > np.mean(right["linear"]) + 0.05
