import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.errors import UsageError
from astrokeras.records.splits import parse_splits, split_groups, split_objects

SHARES = parse_splits("train=0.8,val=0.1,test=0.1")
LABELS = st.lists(st.integers(-1, 3), min_size=1, max_size=200).map(np.array)


def test_shares_are_scaled_and_ordered():
    assert parse_splits("test=1, train=3") == {"train": 0.75, "test": 0.25}
    assert parse_splits("train=5") == {"train": 1.0}


@pytest.mark.parametrize(
    "text", ["", "train", "train=a", "val=1", "train=0,val=1", "train=-1", "train=inf", "train=nan", "train=1,dev=1"]
)
def test_shares_that_make_no_sense_are_a_usage_error(text: str):
    with pytest.raises(UsageError, match="--splits"):
        parse_splits(text)


@given(LABELS, st.sampled_from(["train=0.8,val=0.1,test=0.1", "train=1", "train=0.5,test=0.5"]), st.integers(0, 3))
def test_every_class_has_the_shares_to_one_object(labels: np.ndarray, text: str, seed: int):
    shares = parse_splits(text)
    split = split_objects(np.array([f"id{i}" for i in range(len(labels))]), labels, shares, seed)
    for label in np.unique(labels):
        counts = np.bincount(split[labels == label], minlength=len(shares))
        assert len(counts) == len(shares)
        wanted = np.array(list(shares.values())) * counts.sum()
        assert np.all(np.abs(counts - wanted) <= 1)
        assert np.all(np.abs(np.cumsum(counts - wanted)) <= 0.5 + 1e-9)  # nor does it add up from split to split


@given(LABELS, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(labels: np.ndarray, random):
    ids = np.array([f"id{i}" for i in range(len(labels))])
    order = random.sample(range(len(ids)), len(ids))
    split = split_objects(ids, labels, SHARES, 0)
    np.testing.assert_array_equal(split_objects(ids[order], labels[order], SHARES, 0), split[order])
    groups = np.array([f"g{i % 17}" for i in range(len(labels))])
    if len(set(groups)) >= len(SHARES):
        assert split_groups(groups, labels, SHARES, 0) == split_groups(groups[order], labels[order], SHARES, 0)


def test_the_seed_changes_the_draw():
    ids, labels = np.array([str(i) for i in range(100)]), np.zeros(100, int)
    first, again, other = (split_objects(ids, labels, SHARES, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    assert split_groups(ids, labels, SHARES, 0) != split_groups(ids, labels, SHARES, 1)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(-1, 2)), min_size=3, max_size=300), st.integers(0, 5))
def test_every_group_goes_to_one_split_and_no_split_stays_empty(rows: list, seed: int):
    groups, labels = (np.array(column) for column in zip(*rows, strict=True))
    if len(set(groups)) < len(SHARES):
        with pytest.raises(UsageError, match="--split-by"):
            split_groups(groups.astype(str), labels, SHARES, seed)
        return
    assigned = split_groups(groups.astype(str), labels, SHARES, seed)
    assert set(assigned) == set(groups.astype(str))
    assert set(assigned.values()) == {0, 1, 2}


def test_many_small_groups_come_near_the_shares_of_every_class():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 300, 3000).astype(str)
    labels = np.where(rng.random(3000) < 0.1, 1, -1)  # a rare class and the unlabelled
    assigned = split_groups(groups, labels, SHARES, 0)
    split = np.array([assigned[group] for group in groups])
    for label in (-1, 1):
        np.testing.assert_allclose(
            np.bincount(split[labels == label]) / np.sum(labels == label), [0.8, 0.1, 0.1], atol=0.02
        )
