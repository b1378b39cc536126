from pathlib import Path

import keras
import numpy as np
import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.training.checkpoint import Checkpoints
from astrokeras.training.optimizer import make_optimizer

X = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


def make_model(width: int = 3) -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(width), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(optimizer=make_optimizer(1e-2, 8), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def state(model: keras.Model) -> list[np.ndarray]:
    return [np.array(v.numpy()) for v in (*model.variables, *model.optimizer.variables)]


def train(model: keras.Model) -> None:
    model.fit(X, Y, batch_size=8, epochs=1, shuffle=False, verbose=0)


def test_model_and_optimizer_come_back_exactly(tmp_path: Path):
    model, again = make_model(), make_model()
    train(model)
    Checkpoints(tmp_path).save(model, [{"epoch": 1, "loss": 2.0}])
    assert Checkpoints(tmp_path).restore(again) == [{"epoch": 1, "loss": 2.0}]
    # The optimizer's moments and step count decide on the next step too.
    for _ in range(2):
        for ours, theirs in zip(state(again), state(model), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        train(model)
        train(again)


def test_keeps_two_and_falls_back_from_a_damaged_one(tmp_path: Path):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    history = []
    for epoch in (1, 2, 3):
        history.append({"epoch": epoch})
        train(model)
        checkpoints.save(model, history)
        if epoch == 2:
            second = state(model)
    assert len(list(tmp_path.glob("*.json"))) == len(list(tmp_path.glob("*.h5"))) == 2
    newest = tmp_path / "epoch-00003.weights.h5"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    again = make_model()
    assert len(checkpoints.restore(again)) == 2
    for ours, theirs in zip(state(again), second, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_without_a_manifest_do_not_count(tmp_path: Path):
    model = make_model()
    Checkpoints(tmp_path).save(model, [{"epoch": 1}])
    (tmp_path / "epoch-00001.json").rename(tmp_path / ".writing-epoch-00001.json")
    assert Checkpoints(tmp_path).restore(model) == []


def test_all_damaged_or_another_model(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(make_model(), [{"epoch": 1}])
    with pytest.raises(AstrokerasError, match="is of another model"):
        checkpoints.restore(make_model(width=5))
    (tmp_path / "epoch-00001.json").write_text("{")
    with pytest.raises(AstrokerasError, match=r"all checkpoints .* are damaged; .*--overwrite"):
        checkpoints.restore(make_model())
