"""Agreement of groups with labels."""

import numpy as np
import pytest

from astrokeras.embedding.agreement import agreement

LABELS = np.array(["a", "a", "b", "b", "c", None], object)


def test_groups_that_are_the_classes():
    found = agreement(np.array([2, 2, 1, 1, 3, 1]), LABELS)
    assert (found["labelled"], found["nmi"], found["ari"], found["accuracy"]) == (5, pytest.approx(1), 1, 1)
    assert found["classes"] == ["a", "b", "c"]
    assert found["table"] == [[0, 0, 0], [0, 2, 0], [2, 0, 0], [0, 0, 1]]


def test_each_class_has_one_group_alone():
    """Both groups hold most of a; but only one can stand for it, and the best whole is 2 + 1 of 5."""
    found = agreement(np.array([1, 1, 1, 2, 2]), np.array(["a", "a", "b", "a", "b"], object))
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["ari"] < 0.01


def test_what_is_in_no_group_is_wrong():
    found = agreement(np.array([1, 1, 0, 0, 2, 1]), LABELS)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["table"][0] == [0, 2, 0]
    assert found["ari"] == 1, "as a group of its own it agrees"
    assert agreement(np.zeros(6, int), LABELS)["accuracy"] == 0


def test_nothing_to_compare_with():
    assert agreement(np.array([1, 2]), np.array([None, None], object)) is None
