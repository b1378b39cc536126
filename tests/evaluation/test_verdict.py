"""What is said of a comparison."""

import math

import numpy as np
import pytest

from astrokeras.evaluation.bootstrap import Resampled
from astrokeras.evaluation.verdict import curves, needed, ranking, verdict


def found(scores, spread=0.01):
    """Scores by number of labels and arm, whose samples share nothing."""
    rng = np.random.default_rng(0)
    return {
        count: Resampled(values, {arm: rng.normal(value, spread, 2000) for arm, value in values.items()})
        for count, values in scores.items()
    }


TWO = {10: {"scratch": 0.5, "ours": 0.7}, 100: {"scratch": 0.7, "ours": 0.8}}


def test_the_best_arm_with_its_lead_and_what_it_saves():
    said = verdict(found(TWO), "balanced accuracy")
    assert said.startswith(
        "ours is the best: its balanced accuracy is 0.700 with 10 labels, 0.200 above scratch [+0.17"
    )
    assert "and 0.800 with 100 labels, 0.100 above scratch [+0.07" in said
    assert said.endswith("With 10 labels it is as good as scratch with 100 (0.700).")


def test_labels_saved_between_budgets():
    said = verdict(found({10: {"a": 0.5, "b": 0.6}, 100: {"a": 0.7, "b": 0.8}}), "accuracy")
    assert said.endswith("For what a reaches with 100 labels (0.700) it needs about 32, 68% fewer.")


def test_nothing_is_decided_where_the_intervals_hold_zero():
    assert verdict(found(TWO, spread=0.5), "accuracy").startswith("Nothing is decided: ours has the best accuracy")


def test_a_lead_that_is_sure_at_one_end_only():
    said = verdict(found({10: {"a": 0.5, "b": 0.6}, 100: {"a": 0.7, "b": 0.701}}), "accuracy")
    assert said.startswith("b is the best")
    assert "the lead may be chance" in said


def test_of_errors_the_smaller_is_the_better():
    scores = found({10: {"a": 0.5, "b": 0.3}, 100: {"a": 0.3, "b": 0.2}})
    assert ranking(scores, errors=True) == ["b", "a"]
    assert "0.300 with 10 labels, 0.200 below a" in verdict(scores, "error", errors=True)
    assert needed(scores, errors=True)["b"]["a"] == 10


def test_an_arm_that_failed_somewhere_is_not_ranked():
    scores = found({10: {"a": 0.5, "b": 0.9}, 100: {"a": 0.7}})
    assert ranking(scores) == ["a"]
    assert set(curves(scores)["b"]) == {10}
    assert verdict(scores, "accuracy") == "a reaches 0.700 in accuracy with 100 labels."


@pytest.mark.parametrize("scores", [{10: {"a": 0.5}}, {10: {"a": 0.5, "b": 0.7}}])
def test_one_budget_is_enough(scores):
    assert verdict(found(scores), "accuracy")


def test_never_reached():
    assert math.isnan(needed(found(TWO))["scratch"]["ours"])


THREE = {
    10: {"scratch": 0.5, "imagenet": 0.55, "ours": 0.7, "small": 0.66},
    100: {"scratch": 0.7, "imagenet": 0.71, "ours": 0.8, "small": 0.79},
}


def test_an_encoder_of_the_survey_is_held_against_the_best_other_start():
    said = verdict(found(THREE), "accuracy", ["scratch", "imagenet"])
    assert said.startswith("ours is the best: its accuracy is 0.700 with 10 labels, 0.150 above imagenet [+0.1")
    assert " With 10 labels it is as good as imagenet with 100 (0.710)." not in said  # 0.700 is below 0.710
    assert " small comes second, 0.040 behind with 10 labels [-0.06" in said
    assert "and 0.010 behind with 100 labels [-0.0" in said
    assert said.endswith("; where the interval holds zero, the lead may be chance.")


def test_where_pre_training_did_not_pay_the_best_pre_trained_arm_is_named():
    said = verdict(found(THREE), "accuracy", ["ours", "small"])
    assert "0.150 above imagenet" in said
    assert "small comes second" in said


def test_of_errors_the_second_is_above():
    scores = found({10: {"scratch": 0.5, "ours": 0.2, "small": 0.3}}, spread=0.001)
    said = verdict(scores, "error", ["scratch"], errors=True)
    assert "0.300 below scratch" in said
    assert " small comes second, 0.100 behind with 10 labels [+0." in said
