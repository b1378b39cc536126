import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.errors import AstrokerasError
from astrokeras.training.checkpoints.state import is_finite, put, take

X = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


def make_model(strategy: tf.distribute.Strategy, average: bool = False) -> keras.Model:
    keras.utils.set_random_seed(0)
    with strategy.scope():
        layers = [keras.layers.Dense(3), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((4,)), *layers])
        optimizer = keras.optimizers.Adam(0.01, use_ema=average)
        model.compile(optimizer, "mse", metrics=["mae"], jit_compile=False)
        optimizer.build(model.trainable_variables)
    return model


def train(model: keras.Model, steps: int) -> None:
    model.fit(X[: 8 * steps], Y[: 8 * steps], batch_size=8, shuffle=False, verbose=0)


@pytest.mark.parametrize("devices", [1, 2])
def test_a_state_goes_into_another_model_on_one_and_two_devices(devices: int):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) if devices == 2 else tf.distribute.get_strategy()
    model, other = make_model(strategy, average=True), make_model(strategy, average=True)
    train(model, 5)
    state = take(model)
    train(other, 1)
    with strategy.scope():
        put(other, state)
    assert any("metrics" in name and value.any() for name, value in state.items())
    # Adam's two moments and the average, each like the weights.
    assert sum(name.startswith("optimizer") for name in state) >= 3 * len(model.trainable_variables)
    for name, value in take(other).items():
        np.testing.assert_allclose(value, state[name], rtol=1e-6, err_msg=name)
    assert float(other.metrics[0].result()) == pytest.approx(float(model.metrics[0].result()), rel=1e-6)


def test_a_state_is_a_copy_and_knows_whose_it_is():
    model = make_model(tf.distribute.get_strategy())
    state = take(model)
    before = {name: value.copy() for name, value in state.items()}
    train(model, 2)
    for name, value in before.items():
        np.testing.assert_array_equal(state[name], value)
    with pytest.raises(AstrokerasError, match="another model"):
        put(make_model(tf.distribute.get_strategy(), average=True), state)


def test_what_is_finite():
    state = {"a": np.ones(3, np.float32), "b": np.array([3], np.int32)}
    assert is_finite(state)
    for bad in (np.nan, np.inf):
        assert not is_finite({**state, "c": np.array([0.0, bad])})
