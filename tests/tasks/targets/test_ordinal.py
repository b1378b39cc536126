import keras
import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import cohen_kappa_score

from astrokeras.errors import AstrokerasError
from astrokeras.models.outputs import CumulativeLogits
from astrokeras.tasks.label_columns import Labels
from astrokeras.tasks.targets.ordinal import Ordinal

NAMES = ("-5", "-2", "0", "3")
FIELD = "ordinal:T"
THRESHOLDS = np.array([-1.0, 0.5, 2.0])


def target() -> Ordinal:
    return Ordinal(NAMES, "T")


def probabilities(position: np.ndarray) -> np.ndarray:
    """By the definition: differences of the probabilities to be below each threshold."""
    below = expit(THRESHOLDS - position[:, None])
    edges = np.concatenate([np.zeros((len(position), 1)), below, np.ones((len(position), 1))], axis=1)
    return np.diff(edges, axis=1)


def test_the_loss_is_that_of_the_definition_and_negative_numbers_are_classes():
    rng = np.random.default_rng(0)
    position, codes = rng.normal(0, 2, 50), rng.integers(-1, 4, 50).astype(np.int32)
    logits = (position[:, None] - THRESHOLDS).astype(np.float32)
    loss = keras.ops.convert_to_numpy(target().loss(codes, logits))
    known = codes >= 0
    wanted = -np.log(probabilities(position)[np.arange(50), codes])
    np.testing.assert_allclose(loss[known], wanted[known], rtol=1e-4, atol=1e-5)
    assert (loss[~known] == 0).all()
    told = keras.ops.convert_to_numpy(target().activate(keras.ops.convert_to_tensor(logits)))
    np.testing.assert_allclose(told, probabilities(position), rtol=1e-4, atol=1e-6)
    far = keras.ops.convert_to_numpy(target().loss(np.int32([0, 3]), np.float32([[90, 80, 70], [-80, -85, -90]])))
    np.testing.assert_allclose(far, [90, 90], rtol=1e-3)


def test_thresholds_stay_in_order_and_take_given_ones():
    layer = CumulativeLogits(4)
    layer.build((None, 1))
    layer.set_weights(CumulativeLogits.weights_for(THRESHOLDS))
    zero = keras.ops.convert_to_numpy(layer(np.zeros((1, 1), np.float32)))
    np.testing.assert_allclose(zero[0], -THRESHOLDS, rtol=1e-5)
    layer.set_weights([np.float32([5.0]), np.float32([-30.0, 3.0])])
    assert (np.diff(keras.ops.convert_to_numpy(layer(np.zeros((1, 1), np.float32)))) <= 0).all()


def test_classes_are_the_numbers_of_all_splits_in_their_order():
    train = {"T": np.ma.masked_array([3.0, -5.0, np.nan, -2.0], mask=[0, 0, 1, 0])}
    labels = Labels({"train": train, "test": {"T": np.ma.masked_array([0.0, 3.0])}})
    fitted = Ordinal.fit(None, train, 32, names=labels, labels=("T",))
    assert fitted.names == NAMES
    assert fitted.encode(train)[FIELD].tolist() == [3, 0, -1, 1]
    words = Labels(
        {"train": {"label": np.ma.masked_array(["mid", "old", "young"])}}, {"label": ("young", "mid", "old")}
    )
    assert Ordinal.fit(None, words.split("train"), 32, names=words).names == ("young", "mid", "old")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0], r"2 different values, .* try --target class\(T\)"),
        (np.arange(200) / 7, r"200 different values, .* try --target regression\(T\)"),
        (["a", "b", "c"], "are text .*expected numbers"),
    ],
)
def test_what_has_no_order_is_refused(values: list, message: str):
    columns = {"T": np.ma.masked_array(values)}
    with pytest.raises(AstrokerasError, match=message):
        Ordinal.fit(None, columns, 32, names=Labels({"train": columns}), labels=("T",))


def test_scores_are_those_of_the_median_class():
    rng = np.random.default_rng(0)
    position, codes = rng.normal(0, 2, 80), rng.integers(-1, 4, 80).astype(np.int32)
    chances, known = probabilities(position), codes >= 0
    median = np.sum(position[:, None] > THRESHOLDS, axis=1)
    scores = target().scores({FIELD: codes}, chances)
    assert scores["mae"] == pytest.approx(np.abs(median - codes)[known].mean())
    assert scores["kappa"] == pytest.approx(cohen_kappa_score(codes[known], median[known], weights="quadratic"))
    assert scores["accuracy"] == pytest.approx(np.mean((median == codes)[known]))
    (metric,) = target().metrics()
    metric.update_state(codes, (position[:, None] - THRESHOLDS).astype(np.float32))
    assert float(metric.result()) == pytest.approx(scores["mae"])
    described = target().describe(chances)
    np.testing.assert_array_equal(described["T"], np.array([-5, -2, 0, 3])[median])
    np.testing.assert_allclose(described["T_mean"], chances @ [-5, -2, 0, 3], rtol=1e-5, atol=1e-5)
    same = target().scores({FIELD: np.full(3, 1)}, np.eye(4)[[1, 1, 1]])
    assert same["mae"] == 0 and np.isnan(same["kappa"])


def test_the_probe_finds_the_axis_and_the_thresholds():
    rng = np.random.default_rng(0)
    features = rng.normal(1, 2, (2000, 5)).astype(np.float32)
    true = features @ np.array([1.0, -0.5, 0, 0, 0.3])
    codes = np.sum(true[:, None] + rng.logistic(size=(2000, 1)) > THRESHOLDS, axis=1).astype(np.int32)
    kernel, *thresholds = target().probe(features, {FIELD: codes}, 0)
    layer = CumulativeLogits(4)
    layer.build((None, 1))
    layer.set_weights(thresholds)
    logits = keras.ops.convert_to_numpy(layer(features @ kernel))
    np.testing.assert_allclose(kernel[:, 0], [1.0, -0.5, 0, 0, 0.3], atol=0.15)
    np.testing.assert_allclose(expit(logits), expit(true[:, None] - THRESHOLDS), atol=0.08)


def test_labels_that_are_all_alike_have_a_probe():
    features = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    for code in (0, 3):
        weights = target().probe(features, {FIELD: np.full(6, code, np.int32)}, 0)
        layer = CumulativeLogits(4)
        layer.build((None, 1))
        layer.set_weights(weights[1:])
        logits = keras.ops.convert_to_numpy(layer(features @ weights[0]))
        assert (np.sum(logits > 0, axis=1) == code).all()


def test_the_constant_is_the_median():
    codes = np.int32([0, 0, 1, 2, 2, 2, 3, -1])
    guess = target().constant({FIELD: codes})
    np.testing.assert_allclose(guess[0], np.array([2, 1, 3, 1]) / 7, rtol=1e-6)
    assert target().describe(guess)["T"].tolist() == [0]
