import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.budget import check_budget, draw, parse_budget

LABELS = np.repeat([-1, 0, 1, 2], [50, 70, 20, 10])


def test_all_takes_every_labelled_object_and_no_other():
    assert np.array_equal(draw(LABELS, None, 0, 0), LABELS >= 0)


@settings(deadline=None, max_examples=60)
@given(
    counts=st.lists(st.integers(1, 30), min_size=2, max_size=5),
    extra=st.integers(0, 100),
    seed=st.integers(0, 5),
    repeat=st.integers(0, 3),
)
def test_a_draw_has_its_size_every_class_and_no_unlabelled_object(counts, extra, seed, repeat):
    labels = np.concatenate([np.repeat(np.arange(len(counts)), counts), np.full(7, -1)])
    budget = min(len(counts) + extra, sum(counts))
    chosen = draw(labels, budget, seed, repeat)
    assert chosen.sum() == budget
    assert np.array_equal(np.unique(labels[chosen]), np.arange(len(counts)))


def test_draws_are_nested_repeatable_and_different_from_repeat_to_repeat():
    small, large = draw(LABELS, 20, 3, 1), draw(LABELS, 50, 3, 1)
    assert np.all(large[small])
    assert np.array_equal(small, draw(LABELS, 20, 3, 1))
    assert not np.array_equal(small, draw(LABELS, 20, 3, 2))
    assert not np.array_equal(small, draw(LABELS, 20, 4, 1))


def test_classes_keep_their_shares():
    chosen = LABELS[draw(LABELS, 50, 0, 0)]
    assert [int(np.sum(chosen == c)) for c in range(3)] == [35, 10, 5]


@pytest.mark.parametrize("text", ["0", "-3", "many", "1.5", ""])
def test_a_budget_is_a_number_or_all(text):
    with pytest.raises(UsageError, match="expected a number of labelled objects, or all"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("budget", "labels", "message"),
    [
        (None, np.full(5, -1), "no labels"),
        (None, np.array([0, 0, -1]), "one class only"),
        (101, LABELS, "more than the 100 labelled"),
        (2, LABELS, "less than one object for each of the 3 classes"),
    ],
)
def test_a_budget_that_cannot_be_drawn_is_refused(budget, labels, message):
    with pytest.raises(AstrokerasError, match=message):
        check_budget(budget, labels)
