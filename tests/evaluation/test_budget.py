import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_sample_weight

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.budget import Budget, balanced_weights, check_budget, draw, parse_budget

LABELS = np.repeat([-1, 0, 1, 2], [50, 70, 20, 10])


def test_all_takes_every_labelled_object_and_no_other():
    assert np.array_equal(draw(LABELS, Budget(), 0, 0), LABELS >= 0)


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
    chosen = draw(labels, Budget(budget), seed, repeat)
    assert chosen.sum() == budget
    assert np.array_equal(np.unique(labels[chosen]), np.arange(len(counts)))


def test_draws_are_nested_repeatable_and_different_from_repeat_to_repeat():
    small, large = draw(LABELS, Budget(20), 3, 1), draw(LABELS, Budget(50), 3, 1)
    assert np.all(large[small])
    assert np.array_equal(small, draw(LABELS, Budget(20), 3, 1))
    assert not np.array_equal(small, draw(LABELS, Budget(20), 3, 2))
    assert not np.array_equal(small, draw(LABELS, Budget(20), 4, 1))


def test_classes_keep_their_shares():
    chosen = LABELS[draw(LABELS, Budget(50), 0, 0)]
    assert [int(np.sum(chosen == c)) for c in range(3)] == [35, 10, 5]


@pytest.mark.parametrize("text", ["0", "-3", "many", "1.5", "", "5/", "5/band", "all/class", "0/class"])
def test_a_budget_is_a_number_or_all(text):
    with pytest.raises(UsageError, match="expected a number of labelled objects, as 50, or 25/class, or all"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("budget", "labels", "message"),
    [
        ("all", np.full(5, -1), "no labels"),
        ("all", np.array([0, 0, -1]), "one class only"),
        ("101", LABELS, "more than the 100 labelled"),
        ("2", LABELS, "less than one object for each of the 3 classes"),
        ("11/class", LABELS, "only 10 labelled objects of c; ask for fewer of each"),
    ],
)
def test_a_budget_that_cannot_be_drawn_is_refused(budget, labels, message):
    with pytest.raises(AstrokerasError, match=message):
        check_budget(parse_budget(budget), labels, "abc")


def test_a_budget_for_each_class_takes_as_many_of_each():
    small, large = (draw(LABELS, parse_budget(f"{count}/class"), 0, 0) for count in (4, 10))
    assert [int(np.sum(LABELS[small] == c)) for c in range(-1, 3)] == [0, 4, 4, 4]
    assert [int(np.sum(LABELS[large] == c)) for c in range(-1, 3)] == [0, 10, 10, 10]
    assert np.all(large[small])


def test_balanced_weights_are_those_of_scikit_learn():
    known = LABELS >= 0
    expected = compute_sample_weight("balanced", LABELS[known])
    weights = balanced_weights(LABELS)
    np.testing.assert_allclose(weights[known], expected, rtol=1e-6)
    assert not weights[~known].any()
