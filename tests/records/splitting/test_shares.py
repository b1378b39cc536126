import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.errors import UsageError
from astrokeras.records.splitting.shares import describe_scaling, parse_splits, read_splits, split_groups, split_objects

SHARES = parse_splits("train=0.8,val=0.1,test=0.1")
COUNTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=60).map(np.array)


def names(count: int) -> np.ndarray:
    return np.array([f"g{i}" for i in range(count)])


def test_shares_are_scaled_and_ordered():
    assert parse_splits("test=1, train=3") == {"train": 0.75, "test": 0.25}
    assert parse_splits("train=5") == {"train": 1.0}


def test_shares_that_are_scaled_are_said():
    assert describe_scaling("train=0.8,val=0.1") == "--splits adds up to 0.9: taken as train 0.889, val 0.111"
    assert describe_scaling("val=1,train=3") == "--splits adds up to 4: taken as train 0.75, val 0.25"
    for whole in ("train=1", "test=0.3,val=0.1,train=0.6", "train=0.333,val=0.333,test=0.333"):
        assert describe_scaling(whole) is None


@pytest.mark.parametrize(
    "text", ["", "train", "train=a", "val=1", "train=0,val=1", "train=-1", "train=inf", "train=nan", "train=1,dev=1"]
)
def test_shares_that_make_no_sense_are_a_usage_error(text: str):
    with pytest.raises(UsageError, match="--splits"):
        parse_splits(text)


@given(st.lists(st.text(max_size=9), unique=True, min_size=1, max_size=80), st.data(), st.integers(0, 3))
def test_an_object_stays_in_its_split_whatever_other_rows_there_are(ids: list[str], data: st.DataObject, seed: int):
    whole = dict(zip(ids, split_objects(np.array(ids), SHARES, seed), strict=True))
    some = data.draw(st.lists(st.sampled_from(ids), unique=True, min_size=1))
    assert dict(zip(some, split_objects(np.array(some), SHARES, seed), strict=True)) == {i: whole[i] for i in some}


def test_the_split_of_an_id_is_that_of_its_hash_for_good():
    # Written out here once more: a release that split otherwise would move objects of earlier records.
    for name in ("1", "SDSS J000102.33-010203.4", "Sérsic"):
        number = int.from_bytes(hashlib.sha256(f"7:{name}".encode()).digest()[:8], "big") / 2**64
        (split,) = split_objects(np.array([name]), SHARES, 7)
        assert split == (0 if number < 0.8 else 1 if number < 0.9 else 2)


def test_every_class_has_the_shares_as_near_as_chance_allows():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 20_000, p=[0.9, 0.08, 0.02])
    split = split_objects(np.arange(20_000).astype(str), SHARES, 0)
    for label in range(3):
        counts = np.bincount(split[labels == label], minlength=3)
        share = np.array(list(SHARES.values()))
        assert np.all(np.abs(counts - share * counts.sum()) < 4 * np.sqrt(counts.sum() * share * (1 - share)))


def test_the_seed_changes_the_draw():
    first, again, other = (split_objects(names(100), SHARES, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    counts = np.ones((100, 1))
    assert np.any(split_groups(names(100), counts, SHARES, 0) != split_groups(names(100), counts, SHARES, 1))


@given(COUNTS, st.integers(0, 5))
def test_every_group_goes_to_one_split_and_no_split_stays_empty(counts: np.ndarray, seed: int):
    split = split_groups(names(len(counts)), counts, SHARES, seed)
    assert set(split) == {0, 1, 2}


@given(COUNTS, st.randoms(use_true_random=False), st.integers(0, 2))
def test_the_order_of_groups_does_not_matter(counts: np.ndarray, random, seed: int):
    order = np.array(random.sample(range(len(counts)), len(counts)))
    split = split_groups(names(len(counts)), counts, SHARES, seed)
    np.testing.assert_array_equal(split_groups(names(len(counts))[order], counts[order], SHARES, seed), split[order])


@given(COUNTS, st.data(), st.integers(0, 2))
def test_groups_with_a_split_keep_it(counts: np.ndarray, data: st.DataObject, seed: int):
    known = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=len(counts), max_size=len(counts))))
    split = split_groups(names(len(counts)), counts, SHARES, seed, known)
    np.testing.assert_array_equal(split[known >= 0], known[known >= 0])
    assert set(split) <= {0, 1, 2}
    if np.sum(known < 0) >= 3:
        assert set(split) == {0, 1, 2}


def test_new_groups_go_where_they_are_missed():
    known = np.array([0] * 40 + [-1] * 60)
    split = split_groups(names(100), np.ones((100, 1)), SHARES, 0, known)
    np.testing.assert_array_equal(np.bincount(split), [80, 10, 10])


def test_many_small_groups_come_near_the_shares_of_every_class():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 300, 3000)
    rare = rng.random(3000) < 0.1
    counts = np.stack([np.bincount(groups[chosen], minlength=300) for chosen in (rare, ~rare)], axis=1)
    split = split_groups(names(300), counts, SHARES, 0)
    for column in counts.T:
        shares = np.bincount(split, weights=column) / column.sum()
        np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.02)


def test_published_splits_are_read_by_their_usual_names():
    values = np.array(["Train", "valid", "TEST", "", "training", "test"])
    shares, split = read_splits(values, "--split-column set")
    assert list(shares) == ["train", "val", "test"]
    assert shares == pytest.approx({"train": 0.4, "val": 0.2, "test": 0.4})
    assert split.tolist() == [0, 1, 2, -1, 0, 2]
    assert read_splits(np.array(["train", "test"]), "x")[1].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["train", "hold-out"], "--split-column set: expected train, val .* found 'hold-out'"),
        (["train", *"abcdefg"], "found 'a', 'b', 'c', 'd', 'e' and 2 more"),
        (["test", ""], "no object is in train"),
    ],
)
def test_other_words_are_no_splits(values, message):
    with pytest.raises(UsageError, match=message):
        read_splits(np.array(values), "--split-column set")
