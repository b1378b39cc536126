import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss

from astrokeras.errors import AstrokerasError
from astrokeras.tasks.label_columns import Labels
from astrokeras.tasks.targets.tags import Tags

NAN = np.nan
FIELD = "tags(0.5):bar,ring"


def target() -> Tags:
    return Tags(("bar", "ring"), 0.5, np.array([0.4, 0.2]))


def draws(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (count, 2)).astype(np.float32)
    truth[rng.random((count, 2)) < 0.2] = NAN
    return truth, rng.normal(0, 3, (count, 2)).astype(np.float32)


def test_numbers_and_words_are_yes_or_no_and_negative_is_missing():
    columns = {
        "bar": np.ma.masked_array([0.0, 0.25, 0.5, 1.0, -1.0], mask=[0, 0, 0, 0, 0]),
        "ring": np.ma.masked_array(["yes", "False", "", "1", "t"], mask=[0, 0, 0, 0, 1]),
    }
    encoded = target().encode(columns)[FIELD]
    np.testing.assert_array_equal(encoded, [[0, 1], [0, 0], [1, NAN], [1, 1], [NAN, NAN]])


def test_the_loss_is_scikit_learns_over_the_known_properties():
    truth, logits = draws()
    loss = keras.ops.convert_to_numpy(target().loss(truth, logits))
    for row, wanted, told in zip(loss, truth, logits, strict=True):
        known = np.isfinite(wanted)
        each = [
            log_loss([w], [1 / (1 + np.exp(-np.float64(t)))], labels=[0, 1])
            for w, t in zip(wanted[known], told[known], strict=True)
        ]
        assert row == pytest.approx(sum(each) / 2, rel=1e-4, abs=1e-6)
    assert float(target().loss(np.float32([[1, 0]]), np.float32([[-200, 200]]))[0]) == pytest.approx(200)


def test_scores_are_average_precisions_of_what_is_known():
    truth, logits = draws()
    chances = 1 / (1 + np.exp(-logits))
    scores = target().scores({FIELD: truth}, chances)
    each = []
    for i, tag in enumerate(("bar", "ring")):
        known = np.isfinite(truth[:, i])
        each.append(average_precision_score(truth[known, i], chances[known, i]))
        assert scores[f"average_precision_{tag}"] == pytest.approx(each[-1])
    assert scores["average_precision"] == pytest.approx(np.mean(each))
    known = np.isfinite(truth)
    assert scores["accuracy"] == pytest.approx(np.mean((logits > 0)[known] == truth[known]))
    truth[:, 1] = 0
    alone = target().scores({FIELD: truth}, chances)
    assert np.isnan(alone["average_precision_ring"]) and alone["average_precision"] == pytest.approx(each[0])


def test_the_probe_is_a_logistic_regression_of_each_property():
    rng = np.random.default_rng(1)
    features = rng.normal(0, 2, (80, 3))
    truth = (features[:, :2] + rng.normal(0, 1, (80, 2)) > 0).astype(np.float32)
    truth[:10, 0] = NAN
    kernel, bias = target().probe(features, {FIELD: truth}, seed=0)
    known = np.isfinite(truth[:, 0])
    reference = LogisticRegression(C=1e3).fit(features[known], truth[known, 0])
    told = (features @ kernel + bias)[:, 0] > 0
    assert np.mean(told == (reference.predict(features) == 1)) > 0.95
    truth[:, 1] = 1
    kernel, bias = target().probe(features, {FIELD: truth}, seed=0)
    assert (kernel[:, 1] == 0).all() and bias[1] > 6


def test_strata_are_the_rarest_property():
    truth = np.float32([[0, 0], [1, 0], [1, 1], [NAN, 1], [NAN, NAN]])
    assert target().strata({FIELD: truth}).tolist() == [0, 1, 2, 2, 0]
    assert target().known({FIELD: truth}).tolist() == [True, True, True, True, False]


def test_a_property_without_labels_is_an_error_and_one_without_a_difference_is_said():
    columns = {"bar": np.ma.masked_array([1.0, 0.0]), "ring": np.ma.masked_array([1.0, 1.0], mask=[1, 1])}
    labels = Labels({"train": columns})
    with pytest.raises(AstrokerasError, match="no labels in the column ring"):
        Tags.fit(None, columns, 32, names=labels, labels=("bar", "ring"))
    columns["ring"] = np.ma.masked_array([1.0, 1.0])
    fitted = Tags.fit(None, columns, 32, names=labels, labels=("bar", "ring"))
    assert fitted.notes == ["in the training split all labelled objects are alike in ring"]
    assert fitted.constant(fitted.encode(columns)).tolist() == [[0.5, 1.0]]
