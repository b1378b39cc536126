from pathlib import Path

import keras
import numpy as np
import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.tasks.label_columns import Labels
from astrokeras.tasks.logistic import logistic_regression
from astrokeras.tasks.targets.hierarchy import Hierarchy
from astrokeras.tasks.trees import Tree

# galaxy (early, late (Sa, Sc)) and star
TREE = Tree(("galaxy", "star", "early", "late", "Sa", "Sc"), (-1, -1, 0, 0, 3, 3))
FIELD = "hierarchy:kind"
GALAXY, STAR, EARLY, LATE, SA, SC = range(6)


def target() -> Hierarchy:
    return Hierarchy(TREE, "kind")


def softmax(values: np.ndarray) -> np.ndarray:
    odds = np.exp(values)
    return odds / odds.sum(axis=1, keepdims=True)


def by_hand(logits: np.ndarray) -> np.ndarray:
    found = np.empty_like(logits)
    found[:, :2] = softmax(logits[:, :2])
    found[:, 2:4] = softmax(logits[:, 2:4]) * found[:, :1]
    found[:, 4:] = softmax(logits[:, 4:]) * found[:, 3:4]
    return found


def logits(count: int = 30) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 2, (count, 6)).astype(np.float32)


def test_probabilities_sum_along_the_tree_and_the_loss_is_that_of_the_labelled_node():
    raw = logits()
    told = keras.ops.convert_to_numpy(target().activate(keras.ops.convert_to_tensor(raw)))
    np.testing.assert_allclose(told, by_hand(raw.astype(np.float64)), rtol=1e-5)
    np.testing.assert_allclose(told[:, [GALAXY, STAR]].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(told[:, [EARLY, LATE]].sum(axis=1), told[:, GALAXY], rtol=1e-5)
    np.testing.assert_allclose(told[:, [SA, SC]].sum(axis=1), told[:, LATE], rtol=1e-5)
    codes = np.resize(np.int32([GALAXY, STAR, EARLY, LATE, SA, SC, -1]), 30)
    loss = keras.ops.convert_to_numpy(target().loss(codes, raw))
    np.testing.assert_allclose(loss[codes >= 0], -np.log(told[np.arange(30), codes])[codes >= 0], rtol=1e-4)
    assert (loss[codes < 0] == 0).all()


def test_a_coarse_label_says_nothing_about_what_lies_below():
    raw = logits(1)
    other = raw.copy()
    other[:, [EARLY, LATE, SA, SC]] += np.float32([1, -2, 3, 1])
    first, second = (float(target().loss(np.int32([GALAXY]), one)[0]) for one in (raw, other))
    assert first == pytest.approx(second)


def test_scores_by_hand():
    leaves = {EARLY: [0.9, 0.1, 0.9, 0.0, 0, 0], SC: [0.9, 0.1, 0.1, 0.8, 0.1, 0.7], STAR: [0.1, 0.9, 0.1, 0, 0, 0]}
    told = np.array([leaves[EARLY], leaves[SC], leaves[SC], leaves[SC], leaves[STAR], leaves[STAR]])
    codes = np.int32([EARLY, SC, SA, GALAXY, SC, -1])
    scores = target().scores({FIELD: codes}, told)
    # On the paths: 2 of 2, 3 of 3, 2 of 3, 1 of 1 (cut), 0 of 3 with one node told.
    assert scores["hierarchical_f1"] == pytest.approx(2 * 8 / (12 + 10))
    assert scores["accuracy_1"] == pytest.approx(4 / 5)
    assert scores["accuracy_2"] == pytest.approx(3 / 4)
    assert scores["accuracy_3"] == pytest.approx(1 / 3)
    assert scores["accuracy"] == pytest.approx(3 / 5)


def test_the_metric_is_the_accuracy_of_the_scores():
    raw = logits(60)
    codes = np.random.default_rng(1).integers(-1, 6, 60).astype(np.int32)
    (metric,) = target().metrics()
    metric.update_state(codes, raw)
    assert float(metric.result()) == pytest.approx(target().scores({FIELD: codes}, by_hand(raw))["accuracy"])


def test_the_probe_is_a_logistic_regression_among_siblings():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(90, 4))
    codes = np.resize(np.int32([GALAXY, STAR, EARLY, LATE, SA, SC]), 90)
    kernel, bias = target().probe(features, {FIELD: codes}, 3)
    top, offset = logistic_regression(features, (codes == STAR).astype(int), 2, 3)
    np.testing.assert_array_equal(kernel[:, :2], top)
    np.testing.assert_array_equal(bias[:2], offset)
    below = np.isin(codes, [EARLY, LATE, SA, SC])
    middle, _ = logistic_regression(features[below], (codes[below] != EARLY).astype(int), 2, 3)
    np.testing.assert_array_equal(kernel[:, 2:4], middle)
    few = target().probe(features[:2], {FIELD: np.int32([EARLY, EARLY])}, 3)
    assert few[1][EARLY] > few[1][LATE] and few[1][GALAXY] > few[1][STAR]


def test_the_constant_sums_along_the_tree():
    codes = np.int32([STAR, GALAXY, EARLY, SA, SA, SC, -1])
    (guess,) = target().constant({FIELD: codes})
    np.testing.assert_allclose(guess, [5 / 6, 1 / 6, 5 / 24, 15 / 24, 10 / 24, 5 / 24], rtol=1e-4)


def test_labels_of_different_precision_from_a_file_or_from_paths(tmp_path: Path):
    tree = tmp_path / "tree.toml"
    tree.write_text('galaxy = ["early", "late"]\nlate = ["Sa", "Sc"]\n')
    columns = {"kind": np.ma.masked_array(["galaxy", "Sa", "", "early"], mask=[0, 0, 1, 0])}
    labels = Labels({"train": columns})
    fitted = Hierarchy.fit(None, columns, 32, names=labels, labels=("kind",), tree=str(tree))
    names = np.array([*fitted.tree.names, None])
    assert names[fitted.encode(columns)[FIELD]].tolist() == ["galaxy", "Sa", None, "early"]
    paths = {"kind": np.ma.masked_array(["galaxy/late/Sa", "galaxy", "star"])}
    spelt = Hierarchy.fit(None, paths, 32, names=Labels({"train": paths}), labels=("kind",))
    assert set(spelt.tree.names) == {"galaxy", "star", "galaxy/late", "galaxy/late/Sa"}
    odd = {"kind": np.ma.masked_array(["Sa", "\x1b[31mSb"])}
    with pytest.raises(AstrokerasError, match=r"stand in no node of .*tree.toml: \\x1b\[31mSb; add them"):
        Hierarchy.fit(None, odd, 32, names=Labels({"train": odd}), labels=("kind",), tree=str(tree))
