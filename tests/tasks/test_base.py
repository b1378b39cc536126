"""Every registered task through the shared harness, on TensorFlow, on two replicas, and on JAX without TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.tasks import registry
from astrokeras.tasks.base import TASKS
from astrokeras.training.distribution.strategy_replicas import replicas_of
from tests.tasks import harness

pytestmark = pytest.mark.long

NAMES = TASKS.names()
# Beside its default form, what else a task can be asked for.
SPECS = (
    *NAMES,
    "magnitudes(loss=huber,weights=errors)",
    "masked_bands(drop=0.8,patches=0)",
    "rotation(consistency=0.5)",
    "colorize(sobel=0.5)",
)


@pytest.fixture(scope="module")
def source() -> harness.Arrays:
    return harness.make_source()


def test_every_task_is_imported():
    files = Path(registry.__file__).parent.glob("*/*.py")
    assert set(NAMES) == {file.stem for file in files if "@TASKS.register(" in file.read_text(encoding="utf-8")}


@pytest.mark.parametrize("spec", SPECS)
def test_shapes_draws_and_padding(spec: str, source: harness.Arrays):
    model = harness.make_model([spec], source)
    batch = harness.batch_of(model, source)
    harness.check_shapes(model, batch)
    harness.check_draws(model, batch)
    harness.check_padding(model, batch)


@pytest.mark.parametrize("spec", NAMES)
def test_learns(spec: str, source: harness.Arrays):
    harness.check_learning(harness.make_model([spec], source), source)


@pytest.mark.parametrize("spec", NAMES)
def test_pictures_are_learned_too(spec: str):
    pictures = harness.make_source("display")
    model = harness.make_model([spec], pictures)
    weights = harness.train_steps(model, pictures, 1)
    assert all(np.isfinite(value).all() for value in weights)


@pytest.mark.parametrize("spec", NAMES)
def test_two_replicas_equal_one_device(spec: str, source: harness.Arrays):
    """Gradients included: the weights after a step of plain gradient descent are the same; so are the scores."""
    alone = harness.make_model([spec], source)
    one = harness.train_steps(alone, source, 1)
    scores = {name: float(value) for name, value in alone.get_metrics_result().items()}
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
    with strategy.scope():
        model = harness.make_model([spec], source, replicas=replicas_of(strategy))
        start = model.get_weights()
        harness.compile_model(model, keras.optimizers.SGD(0.01))
        batch = harness.batch_of(model, source)
        fitted = model.fit(tf.data.Dataset.from_tensors((batch,)), verbose=0, shuffle=False)
    together = {name: values[-1] for name, values in fitted.history.items()}
    assert together == pytest.approx(scores, rel=1e-3, abs=1e-5)
    moved = 0.0
    for before, ours, theirs in zip(start, one, model.get_weights(), strict=True):
        scale = np.abs(ours - before).max() if ours.dtype.kind == "f" else 0.0
        moved = max(moved, scale)
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-6 + 1e-3 * scale)
    assert moved > 1e-4


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The losses of every task on JAX from the weights given, where nothing of TensorFlow can be imported."""
    pytest.importorskip("jax")
    folder, source = tmp_path_factory.mktemp("jax"), harness.make_source()
    given = {}
    for name in NAMES:
        for i, weights in enumerate(harness.make_model([name], source).get_weights()):
            given[f"{name}/{i}"] = weights
    np.savez(folder / "weights.npz", **given)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("on_jax.py")), str(folder), *NAMES],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(folder / "losses.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", NAMES)
def test_jax_gives_the_same_loss_and_trains(name: str, source: harness.Arrays, on_jax: dict[str, np.ndarray]):
    model = harness.make_model([name], source)
    loss = keras.ops.convert_to_numpy(model(harness.batch_of(model, source))[name]["loss"])
    np.testing.assert_allclose(on_jax[name], loss, rtol=2e-3, atol=1e-4)
    first, last = on_jax[f"{name}/trained"]
    assert last < first
