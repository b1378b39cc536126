import keras
import numpy as np
import pytest
from sklearn.metrics import log_loss

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.tasks.classification import classification_scores
from astrokeras.tasks.label_columns import Labels
from astrokeras.tasks.logistic import logistic_regression
from astrokeras.tasks.model import TaskModel
from astrokeras.tasks.registry import fit_targets, parse_targets
from astrokeras.tasks.targets.class_ import Class, ClassOptions
from tests.tasks import harness

NAMES = ("artifact", "galaxy", "star")
FIELD = "class:label"


def column(values: list[str | None]) -> dict[str, np.ma.MaskedArray]:
    missing = [value is None for value in values]
    return {"label": np.ma.masked_array([value or "" for value in values], mask=missing)}


def draws(count: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 3, count).astype(np.int32), rng.normal(0, 3, (count, 3)).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def test_the_loss_is_scikit_learns_and_nothing_without_a_label():
    codes, logits = draws()
    loss = keras.ops.convert_to_numpy(Class(NAMES).loss(codes, logits))
    known = codes >= 0
    assert not known.all() and np.all(loss[~known] == 0)
    expected = log_loss(codes[known], softmax(logits.astype(np.float64))[known], labels=[0, 1, 2])
    assert loss[known].mean() == pytest.approx(expected, rel=1e-5)
    sure = np.array([[0.0, 200.0, 0.0]], np.float32)  # of which the softmax in float32 would be 0
    assert float(Class(NAMES).loss(np.array([0]), sure)[0]) == pytest.approx(200.0)


def test_refined_labels_are_learned_and_the_given_ones_measured():
    target = Class(NAMES, options=ClassOptions(refine=True))
    soft = f"{FIELD}:refined"
    codes, logits = draws()
    fields = target.encode(column([None if code < 0 else NAMES[code] for code in codes]))
    np.testing.assert_array_equal(fields[FIELD], codes)
    known = codes >= 0
    np.testing.assert_allclose(fields[soft][known], np.eye(3)[codes[known]])
    assert np.isnan(fields[soft][~known]).all()
    fields |= target.refined(fields, np.tile(np.float32([0.2, 0.5, 0.3]), (len(codes), 1)))
    np.testing.assert_allclose(fields[soft][codes == 2][0], [0.1, 0.25, 0.65], rtol=1e-6)
    loss = keras.ops.convert_to_numpy(target.loss(fields, logits))
    expected = -np.sum(fields[soft] * np.log(softmax(logits.astype(np.float64))), axis=1)
    np.testing.assert_allclose(loss[known], expected[known], rtol=1e-4)
    assert np.all(loss[~known] == 0)
    (metric,) = target.metrics()
    metric.update_state(fields, logits)
    assert float(metric.result()) == pytest.approx(np.mean(logits.argmax(axis=1) == codes, where=known))
    assert Class.from_config(target.config).derived_fields == (FIELD, soft)


def test_the_probe_of_refined_labels_takes_their_shares():
    rng = np.random.default_rng(1)
    codes, features = rng.integers(0, 3, 60).astype(np.int32), rng.normal(size=(60, 4))
    shares = (0.5 * np.eye(3)[codes] + 0.5 * rng.dirichlet([1, 1, 1], 60)).astype(np.float32)
    fields = {FIELD: codes, f"{FIELD}:refined": shares}
    ours = Class(NAMES, options=ClassOptions(refine=True)).probe(features, fields, seed=3)
    for mine, theirs in zip(ours, logistic_regression(features, codes, 3, seed=3, shares=shares), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    (kernel,) = Class(NAMES, options=ClassOptions(refine=True, margin=0.2)).probe(features, fields, seed=3)
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    expected = [np.average(directions, axis=0, weights=shares[:, number]) for number in range(3)]
    np.testing.assert_allclose(kernel.T, expected, rtol=1e-4, atol=1e-6)


def test_the_metric_leaves_out_what_has_no_label_or_no_weight():
    codes, logits = draws()
    weight = (np.arange(len(codes)) % 3 > 0).astype(np.float32)
    (metric,) = Class(NAMES).metrics()
    for part in (slice(0, 15), slice(15, None)):
        metric.update_state(codes[part], logits[part], sample_weight=weight[part])
    counted = (codes >= 0) & (weight > 0)
    assert float(metric.result()) == pytest.approx(np.mean(logits.argmax(axis=1)[counted] == codes[counted]))


def test_a_name_that_is_none_of_the_classes_is_missing():
    encoded = Class(NAMES).encode(column(["star", None, "comet", "artifact"]))
    assert encoded[FIELD].tolist() == [2, -1, -1, 0]
    assert Class(NAMES).known(encoded).tolist() == [True, False, False, True]


def test_whole_numbers_are_names_too():
    values = np.ma.masked_array([3.0, 10.0, np.nan], mask=[False, False, True])
    labels = Labels({"train": {"t": values}})
    target = Class.fit(None, labels.split("train"), 32, names=labels, labels=("t",))
    assert target.names == ("3", "10")
    assert target.encode(labels.split("train"))["class:t"].tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("values", "message"), [([None, None], "has no labels"), (["star", "star", None], "one class only")]
)
def test_without_several_classes_there_is_nothing_to_learn(values: list[str | None], message: str):
    labels = Labels({"train": column(values)}, {"label": NAMES})
    with pytest.raises(AstrokerasError, match=message):
        Class.fit(None, labels.split("train"), 32, names=labels)


def test_scores_probe_and_constant_are_those_of_the_labelled():
    codes, logits = draws()
    target, fields, known = Class(NAMES), {FIELD: codes}, codes >= 0
    chances = softmax(logits)
    assert target.scores(fields, chances) == classification_scores(codes[known], chances[known])
    assert all(np.isnan(value) for value in target.scores({FIELD: np.full(3, -1)}, chances[:3]).values())
    (shares,) = target.constant(fields)
    np.testing.assert_allclose(shares, np.bincount(codes[known]) / known.sum(), rtol=1e-6)
    features = np.random.default_rng(1).normal(size=(known.sum(), 4))
    ours = target.probe(features, {FIELD: codes[known]}, seed=3)
    for mine, theirs in zip(ours, logistic_regression(features, codes[known], 3, seed=3), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_is_predicted_has_names():
    target = Class.from_config(Class(NAMES).config)
    chances = softmax(draws()[1])
    described = target.describe(chances)
    assert [output.name for output in target.outputs()] == list(described) == ["class", *(f"p_{n}" for n in NAMES)]
    assert described["class"].tolist() == [NAMES[i] for i in chances.argmax(axis=1)]
    np.testing.assert_array_equal(described["p_star"], chances[:, 2])


def test_a_model_learns_it_and_its_head_takes_the_probe():
    source = harness.make_source()
    bright = source.columns("train", ["magnitudes"])["magnitudes"]
    values = [None if np.isnan(m) else "bright" if m < 19.5 else "faint" for m in bright[:, 0].tolist()]
    labels = Labels({"train": column(values)})
    targets = fit_targets(parse_targets(["class"]), source, labels)
    keras.utils.set_random_seed(0)
    model = TaskModel(harness.small_encoder(source), targets, {"class": 1.0})
    harness.check_padding(model, harness.batch_of(model, source))
    harness.check_learning(model, source)
    target, head = targets["class"], model.heads["class"]
    fields = {FIELD: source.columns("train", [FIELD])[FIELD]}
    features = model.encoder.predict(source.columns("train", ["image"])["image"], verbose=0)
    known = target.known(fields)
    weights = target.probe(features[known], {FIELD: fields[FIELD][known]}, seed=0)
    assert [w.shape for w in weights] == [w.shape for w in head.get_weights()]
    head.set_weights(weights)
    chances = keras.ops.convert_to_numpy(keras.ops.softmax(head([features]), axis=-1))
    assert target.scores(fields, chances)["accuracy"] > 0.8


def test_targets_by_name():
    assert parse_targets(["class"])["class"][0] is Class
    assert list(parse_targets(["class", "class(T)"])) == ["class", "class_2"]
    with pytest.raises(UsageError, match="--target class is given twice"):
        parse_targets(["class", "class"])
    with pytest.raises(UsageError, match="target 'clas' is unknown; did you mean class"):
        parse_targets(["clas"])
    with pytest.raises(UsageError, match="--target is missing; there are: class, hierarchy"):
        parse_targets([])
