"""What every target has to pass; `test_target_harness.py` runs it for each that is registered."""

import json
from pathlib import Path

import keras
import numpy as np

from astrokeras.models.saving import load_model
from astrokeras.pipeline.arrays import Arrays
from astrokeras.tasks.label_columns import Labels
from astrokeras.tasks.model import TaskModel
from astrokeras.tasks.registry import fit_targets, parse_targets
from astrokeras.tasks.replicas import Replicas
from astrokeras.tasks.target import Target
from tests.tasks import harness

TREE = """
galaxy = ["early", "late"]
late = ["Sa", "Sc"]
"""
QUESTIONS = """
[questions.shape]
answers = ["smooth", "disk", "artifact"]

[questions.bar]
answers = ["bar_yes", "bar_no"]
after = "disk"
"""
GROUPS = """
[kind]
old = ["early"]
young = ["Sa", "Sc"]
"""


def write_files(folder: Path) -> None:
    """The files that the specifications below name."""
    for name, text in (("tree", TREE), ("questions", QUESTIONS), ("groups", GROUPS)):
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def labels_of(source: Arrays) -> Labels:
    """Labels of all kinds that follow from the brightness of the galaxies; some are missing."""
    return Labels({split: _labels(source, split, seed) for seed, split in enumerate(("train", "val"))})


def _labels(source: Arrays, split: str, seed: int) -> dict[str, np.ma.MaskedArray]:
    rng = np.random.default_rng(seed)
    magnitudes = np.nan_to_num(source.columns(split, ["magnitudes"])["magnitudes"], nan=19.5)
    count, depth = len(magnitudes), (magnitudes[:, 0] - 18.0) / 3
    disk, bar = np.clip(depth, 0.05, 0.9), np.clip(1.1 - depth, 0.1, 0.9)
    votes = np.stack([rng.multinomial(20, [0.95 * (1 - p), 0.95 * p, 0.05]) for p in disk])
    asked = votes[:, 1]
    found = {
        "z": 0.05 + 0.4 * depth,
        "mass": 10 + magnitudes[:, 2] - magnitudes[:, 0],
        "z_err": rng.uniform(0.01, 0.1, count),
        "mass_err": rng.uniform(0.1, 0.5, count),
        "T": np.digitize(depth, [0.3, 0.5, 0.7]) - 2,
        "smooth": votes[:, 0],
        "disk": votes[:, 1],
        "artifact": votes[:, 2],
        "bar_yes": rng.binomial(asked, bar),
        "bright": (depth < 0.5).astype(int),
        "red": np.where(depth > 0.6, "yes", "no"),
        "kind": np.array(["early", "Sa", "Sc"])[np.digitize(depth, [0.4, 0.6])],
        "precise": np.array(["early", "late", "Sc"])[np.digitize(depth, [0.4, 0.6])],
        "p_early": np.clip(1 - depth, 0, 1),
        "p_late": np.clip(depth, 0, 1),
    }
    found["bar_no"] = asked - found["bar_yes"]
    return {name: np.ma.masked_array(values, mask=rng.random(count) < 0.15) for name, values in found.items()}


def without_labels(labels: Labels) -> Labels:
    """The same columns, in which nothing is known."""
    hidden = {name: np.ma.masked_array(values, mask=True) for name, values in labels.split("train").items()}
    return Labels({"train": hidden})


def make_model(spec: str, source: Arrays, replicas: Replicas | None = None) -> tuple[TaskModel, Target]:
    """A model of one target, fitted to the labels of the source; the same initial weights each time."""
    targets = fit_targets(parse_targets([spec]), source, labels_of(source))
    ((name, target),) = targets.items()
    target.replicas = replicas or target.replicas
    keras.utils.set_random_seed(0)
    return TaskModel(harness.small_encoder(source), targets, {name: 1.0}), target


def activated(model: TaskModel, target: Target) -> keras.Model:
    """From embeddings to what a saved model predicts."""
    (head,) = model.heads.values()
    return keras.Model(head.inputs, target.activate(head.outputs[0]))


def said_by(network: keras.Model, inputs: np.ndarray | list[np.ndarray]) -> np.ndarray:
    """What a network says: as `predict` does, but no graph is made for so few examples."""
    return keras.ops.convert_to_numpy(network(inputs, training=False))


def fields_of(target: Target, source: Arrays, split: str = "train") -> dict[str, np.ndarray]:
    """What the target made of the labels of a split."""
    return source.columns(split, list(target.derived_fields))


def check_missing(model: TaskModel, target: Target, source: Arrays) -> None:
    """Without labels there is no loss, no gradient, no score."""
    hidden = target.encode(without_labels(labels_of(source)).split("train"))
    assert set(hidden) == set(target.derived_fields)
    assert not target.known(hidden).any()
    batch = {**harness.batch_of(model, source), **{name: values[: harness.BATCH] for name, values in hidden.items()}}
    (result,) = model(batch).values()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(result["loss"]), 0.0)
    harness.compile_model(model, keras.optimizers.SGD(0.1), eagerly=True)
    before = [weights.copy() for weights in model.get_weights()]
    model.train_on_batch(batch)
    trainable = {variable.path for variable in model.trainable_variables}
    for variable, old, new in zip(model.weights, before, model.get_weights(), strict=True):
        if variable.path in trainable:
            np.testing.assert_array_equal(old, new)
    guess = target.constant(fields_of(target, source))
    scores = target.scores(hidden, np.repeat(guess, len(next(iter(hidden.values()))), axis=0))
    assert all(np.isnan(value) for value in scores.values())


def check_predictions(model: TaskModel, target: Target, source: Arrays) -> None:
    """Named columns of numbers or names; a constant prediction of the same shape, with scores."""
    fields = fields_of(target, source)
    features = said_by(model.encoder, source.columns("train", ["image"])["image"])
    prediction = said_by(activated(model, target), [features])
    described = target.describe(prediction)
    assert [output.name for output in target.outputs()] == list(described)
    assert all(output.description for output in target.outputs())
    assert all(values.shape == (len(prediction),) for values in described.values())
    for name, values in described.items():
        if name.startswith("p_") or name.endswith("_fraction"):
            assert values.min() >= 0 and values.max() <= 1 + 1e-5
    guess = target.constant(fields)
    assert guess.shape == (1, target.width) and prediction.shape == (len(features), target.width)
    scores = target.scores(fields, np.repeat(guess, len(prediction), axis=0))
    assert np.isfinite(scores[target.main_score])
    assert list(scores) == list(target.scores(fields, prediction))
    known, strata = target.known(fields), target.strata(fields)
    assert known.dtype == bool and known.any() and strata.dtype.kind == "i"
    assert (strata[known] >= 0).all()


def check_probe(model: TaskModel, target: Target, source: Arrays) -> None:
    """The probe gives weights for the head, with which it is better than a constant on what it was fitted to."""
    (head,) = model.heads.values()
    fields = fields_of(target, source)
    images = source.columns("train", ["image"])["image"]
    light = np.nansum(images - harness.SKY, axis=(1, 2)) / images[0, :, :, 0].size
    features = np.random.default_rng(0).normal(0, 0.05, (len(images), head.input_shape[-1])).astype(np.float32)
    features[:, :3] += np.log(np.maximum(light, 1.0))
    known = target.known(fields)
    weights = target.probe(features[known], {name: values[known] for name, values in fields.items()}, seed=0)
    assert [one.shape for one in weights] == [one.shape for one in head.get_weights()]
    assert all(one.dtype == np.float32 and np.isfinite(one).all() for one in weights)
    head.set_weights(weights)
    prediction = said_by(activated(model, target), [features])
    guess = np.repeat(target.constant(fields), len(prediction), axis=0)
    ours, simple = (target.scores(fields, one)[target.main_score] for one in (prediction, guess))
    assert (ours < simple) if target.errors else (ours > simple)


def check_saving(model: TaskModel, target: Target, source: Arrays, path: Path) -> None:
    """A saved network, and a target from what stands in its file, are the same."""
    flux = keras.Input(model.encoder.input_shape[1:], name="flux")
    keras.Model(flux, activated(model, target)(model.encoder(flux))).save(path)
    loaded = load_model(path)
    images = source.columns("val", ["image"])["image"]
    prediction = said_by(activated(model, target), [said_by(model.encoder, images)])
    np.testing.assert_allclose(said_by(loaded, images), prediction, rtol=1e-4, atol=1e-5)
    again = type(target).from_config(json.loads(json.dumps(target.config)))
    assert again.config == target.config and again.outputs() == target.outputs()
    for name, values in target.describe(prediction).items():
        np.testing.assert_array_equal(again.describe(prediction)[name], values)
    labels = labels_of(source).split("val")
    for name, values in target.encode(labels).items():
        np.testing.assert_array_equal(again.encode(labels)[name], values)
