"""Groups that are there are found, and their number too."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from astrokeras.config import ClusterConfig
from astrokeras.embedding.clustering import NONE, divide
from astrokeras.errors import UsageError
from tests.embedding.samples import grouped

CONFIG = ClusterConfig("e.parquet", "c.csv", most_groups=5)


@pytest.fixture(scope="module")
def vectors():
    """Ninety objects in three groups of different sizes."""
    vectors, group = grouped(150)
    kept = np.concatenate([np.flatnonzero(group == g)[:size] for g, size in enumerate((30, 40, 20))])
    return np.sort(kept), vectors[np.sort(kept)], group[np.sort(kept)]


@pytest.mark.parametrize(
    ("method", "options"),
    [("kmeans", {}), ("kmeans", {"groups": 3}), ("gmm", {}), ("gmm", {"groups": 3}), ("hdbscan", {"smallest": 8})],
)
def test_three_groups_are_found(vectors, method, options):
    _, vectors, group = vectors
    said = []
    found = divide(vectors, dataclasses.replace(CONFIG, method=method, **options), said.append)
    assert found.count == 3
    inside = found.number != NONE
    assert inside.all() or method == "hdbscan"
    assert adjusted_rand_score(group[inside], found.number[inside]) == 1
    sizes = np.bincount(found.number)[1:]
    assert (np.diff(sizes) <= 0).all(), "the largest is the first"
    for number in (1, 2, 3):
        mine = vectors[found.number == number]
        np.testing.assert_allclose(found.centres[number - 1], mine.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(
            found.distance[found.number == number], np.linalg.norm(mine - mine.mean(axis=0), axis=1), rtol=1e-4
        )
    assert np.isnan(found.distance[~inside]).all()
    if options or method == "hdbscan":
        assert not found.silhouettes and not said
    else:
        assert list(found.silhouettes) == [2, 3, 4, 5]
        assert "3 groups have the best silhouette" in said[0]


def test_noise_has_no_groups():
    noise = np.random.default_rng(0).uniform(size=(60, 3)).astype(np.float32)
    found = divide(noise, dataclasses.replace(CONFIG, method="hdbscan", smallest=30), print)
    assert found.count == 0 and set(found.number) == {NONE} and found.centres.shape == (0, 3)


def test_objects_that_are_all_alike():
    with pytest.warns(Warning, match="distinct clusters"):
        found = divide(np.ones((9, 2), np.float32), dataclasses.replace(CONFIG, most_groups=2), print)
    assert found.silhouettes == {2: -1.0} and found.count == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 9}, "9 objects cannot be divided into 9 groups"),
        ({"method": "hdbscan", "smallest": 10}, "9 objects, expected 10 or more: --smallest"),
    ],
)
def test_too_few_objects(options, message):
    with pytest.raises(UsageError, match=message):
        divide(np.zeros((9, 2), np.float32), dataclasses.replace(CONFIG, **options), print)
