"""What somebody finds boring sinks, what is like nothing that was looked at stays."""

import numpy as np
import pytest

from astrokeras.embedding.feedback import rank_anew


@pytest.fixture
def groups():
    """Three groups of odd objects far apart: one is boring, one interesting, and nobody has looked at the third."""
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(centre, 0.1, (20, 3)) for centre in ((0, 0, 0), (30, 0, 0), (0, 300, 0))])
    interest = np.full(60, np.nan)
    interest[:5], interest[20:25] = 0, 1
    return vectors, interest


def test_scores_change_near_labels_alone(groups):
    vectors, interest = groups
    found = rank_anew(vectors, np.r_[np.full(59, 5.0), 0.0], interest, seed=0)
    boring, liked, unseen = found[:20], found[20:40], found[40:59]
    assert boring.max() < 1 and liked.min() > 4
    assert unseen == pytest.approx(5.0, rel=0.05)


@pytest.mark.parametrize("said", [0.0, 1.0])
def test_the_equation_of_the_paper(groups, said):
    """Where all labels are the same the forest can say nothing else, and the rest is arithmetic."""
    vectors, interest = groups
    scores = np.linspace(0, 10, 60)
    found = rank_anew(vectors, scores, np.where(np.isnan(interest), np.nan, said), seed=0)
    labelled = vectors[~np.isnan(interest)]
    far = np.linalg.norm(vectors[:, None] - labelled, axis=2).min(axis=1)
    expected = scores / 2 * np.tanh(np.exp(far / far.mean()) - 1 + np.arctanh(0.1 + 0.85 * said))
    np.testing.assert_allclose(found, expected)


def test_the_same_seed_gives_the_same_ranks(groups):
    vectors, interest = groups
    scores = np.random.default_rng(0).random(60)
    np.testing.assert_array_equal(rank_anew(vectors, scores, interest, 3), rank_anew(vectors, scores, interest, 3))


def test_objects_that_are_all_alike(groups):
    vectors = np.zeros((4, 2))
    found = rank_anew(vectors, np.ones(4), np.array([1, np.nan, np.nan, np.nan]), 0)
    assert np.isfinite(found).all() and np.ptp(found) == 0
