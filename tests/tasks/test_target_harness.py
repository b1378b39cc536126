"""Every registered target through the shared harness, on TensorFlow, on two replicas, and on JAX without TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.tasks.target import TARGETS
from astrokeras.training.distribution.strategy_replicas import replicas_of
from tests.tasks import harness, target_harness

pytestmark = pytest.mark.long

# Of each target its default form, and what else it can be asked for.
PLAIN = {
    "class": "class(kind)",
    "regression": "regression(z)",
    "ordinal": "ordinal(T)",
    "votes": "votes(smooth,disk,artifact)",
    "tags": "tags(bright,red)",
    "hierarchy": "hierarchy(precise,tree=tree.toml)",
}
SPECS = (
    *PLAIN.values(),
    "regression(z,mass,errors='{column}_err',loss=huber,unit=mag)",
    "regression(mass,errors=mass_err,uncertainty=true)",
    "regression(z,loss=absolute,residual=plain)",
    "votes(tree=questions.toml)",
    "class(p_early,p_late,smoothing=0.1)",
    "class(kind,margin=0.2,groups=groups.toml)",
    "class(kind,final_norm=true)",
    "class(kind,refine=true,groups=groups.toml)",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("targets")
    target_harness.write_files(folder)
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def source() -> harness.Arrays:
    return harness.make_source()


def test_every_target_is_tested():
    assert set(PLAIN) == set(TARGETS.names())


@pytest.mark.parametrize("spec", SPECS)
def test_shapes_missing_labels_and_padding(spec: str, source: harness.Arrays):
    model, target = target_harness.make_model(spec, source)
    batch = harness.batch_of(model, source)
    harness.check_shapes(model, batch)
    harness.check_padding(model, batch)
    target_harness.check_missing(model, target, source)


@pytest.mark.parametrize("spec", SPECS)
def test_predictions_probe_and_saving(spec: str, source: harness.Arrays, tmp_path: Path):
    model, target = target_harness.make_model(spec, source)
    target_harness.check_predictions(model, target, source)
    target_harness.check_probe(model, target, source)
    target_harness.check_saving(model, target, source, tmp_path / "model.keras")


@pytest.mark.parametrize("spec", (*PLAIN.values(), "regression(mass,errors=mass_err,uncertainty=true)"))
def test_learns(spec: str, source: harness.Arrays):
    harness.check_learning(target_harness.make_model(spec, source)[0], source)


@pytest.mark.parametrize("spec", PLAIN.values())
def test_two_replicas_equal_one_device(spec: str, source: harness.Arrays):
    """Gradients included: the weights after a step of plain gradient descent are the same; so are the scores."""
    alone, _ = target_harness.make_model(spec, source)
    start = alone.get_weights()
    one = harness.train_steps(alone, source, 1)
    scores = {name: float(value) for name, value in alone.get_metrics_result().items()}
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
    with strategy.scope():
        model, _ = target_harness.make_model(spec, source, replicas=replicas_of(strategy))
        harness.compile_model(model, keras.optimizers.SGD(0.01))
        batch = harness.batch_of(model, source)
        fitted = model.fit(tf.data.Dataset.from_tensors((batch,)), verbose=0, shuffle=False)
    together = {name: values[-1] for name, values in fitted.history.items()}
    assert together == pytest.approx(scores, rel=1e-3, abs=1e-5)
    moved = max(np.abs(ours - before).max() for before, ours in zip(start, one, strict=True) if ours.dtype.kind == "f")
    assert moved > 1e-4
    for ours, theirs in zip(one, model.get_weights(), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-6 + 2e-3 * moved)


@pytest.fixture(scope="module")
def on_jax(folder: Path) -> dict[str, np.ndarray]:
    """The losses of every target on JAX from the weights given, where nothing of TensorFlow can be imported."""
    pytest.importorskip("jax")
    source, given = harness.make_source(), {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        for spec in PLAIN.values():
            for i, weights in enumerate(target_harness.make_model(spec, source)[0].get_weights()):
                given[f"{spec}/{i}"] = weights
    finally:
        os.chdir(before)
    np.savez(folder / "weights.npz", **given)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("on_jax.py")), str(folder), "--target", *PLAIN.values()],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(folder / "losses.npz") as file:
        return dict(file)


@pytest.mark.parametrize("spec", PLAIN.values())
def test_jax_gives_the_same_loss_and_trains(spec: str, source: harness.Arrays, on_jax: dict[str, np.ndarray]):
    model, _ = target_harness.make_model(spec, source)
    (result,) = model(harness.batch_of(model, source)).values()
    np.testing.assert_allclose(on_jax[spec], keras.ops.convert_to_numpy(result["loss"]), rtol=2e-3, atol=1e-4)
    first, last = on_jax[f"{spec}/trained"]
    assert last < first
