import itertools

import numpy as np
import pytest

from astrokeras.tasks.permutations import distant_permutations


@pytest.mark.parametrize("count", [1, 7, 24])
def test_is_greedy_by_the_mean_distance(count: int):
    chosen = distant_permutations(4, count).tolist()
    assert chosen[0] == [0, 1, 2, 3]
    for n in range(1, count):

        def mean(candidate: tuple[int, ...], before: int = n) -> float:
            return np.mean([sum(a != b for a, b in zip(candidate, other, strict=True)) for other in chosen[:before]])

        free = [p for p in itertools.permutations(range(4)) if list(p) not in chosen[:n]]
        assert mean(tuple(chosen[n])) == max(map(mean, free))
    assert len({tuple(permutation) for permutation in chosen}) == count


def test_each_tile_is_seen_as_often_at_each_place():
    permutations = distant_permutations(9, 64)
    assert (np.sort(permutations, axis=1) == np.arange(9)).all()
    for place in permutations.T:
        counts = np.bincount(place, minlength=9)
        assert counts.max() - counts.min() <= 1
    distances = (permutations[:, None] != permutations).sum(axis=-1)[np.triu_indices(64, 1)]
    assert distances.min() >= 4


def test_there_are_only_so_many():
    with pytest.raises(ValueError, match="there are 6 permutations of 3 things; 7 were asked for"):
        distant_permutations(3, 7)
