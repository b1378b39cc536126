import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.config import PretrainConfig
from astrokeras.errors import UsageError
from astrokeras.training.optimizers.optimizer import Rate, make_optimizer, with_loss_scale
from tests.training.optimizers.optimizing import optimizer_for

pytestmark = pytest.mark.long

RATE = 0.01


def config(**options) -> PretrainConfig:
    return PretrainConfig("", "", learning_rate=RATE, **options)


def apply(optimizer: keras.optimizers.Optimizer, value: np.ndarray, gradients: np.ndarray, name="kernel") -> np.ndarray:
    """The values of a variable after each step."""
    variable = keras.Variable(value, name=name)
    path = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        path.append(variable.numpy())
    return np.stack(path)


@pytest.mark.parametrize(("warm_up", "rise"), [(0.05, 5), (0.0, 0), (20, 20)])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_schedule_rises_and_falls(warm_up: float, rise: int, schedule: str):
    rate = Rate(config(warm_up=warm_up, schedule=schedule))
    make_optimizer(config(), rate)
    rate.begin(100)
    for step in range(101):
        if step < rise:
            expected = RATE / rise + (RATE - RATE / rise) * step / rise
        else:
            expected = RATE * (
                1 if schedule == "constant" else 0.5 + 0.5 * math.cos(math.pi * (step - rise) / (100 - rise))
            )
        assert float(rate(step)) == pytest.approx(expected, rel=1e-4, abs=1e-8)


def test_a_training_begins_anew_with_other_steps_in_what_was_compiled():
    rate = Rate(config(warm_up=0.1))
    optimizer = make_optimizer(config(optimizer="sgd", weight_decay=0.0), rate)
    assert {id(rate.rise), id(rate.fall)} <= {id(variable) for variable in optimizer.variables}
    compiled = tf.function(rate)
    for steps in (100, 20):
        rate.begin(steps)
        assert float(compiled(tf.constant(steps // 10))) == pytest.approx(RATE)
        assert float(compiled(tf.constant(steps))) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warm_up": 1.5}, "expected a share of the steps below 1, or a whole number"),
        ({"warm_up": 101}, "the whole run has 100 steps"),
        ({"schedule": "cosines"}, "schedule 'cosines' is unknown; did you mean cosine"),
        ({"optimizer": "adamv"}, "optimizer 'adamv' is unknown; did you mean adamw"),
        ({"clip_norm": 0.0}, "expected a length above 0"),
        ({"average": 1.0}, "expected a decay between 0 and 1"),
    ],
)
def test_options_that_make_no_sense(options: dict, message: str):
    with pytest.raises(UsageError, match=message):
        optimizer_for(config(**options), 100)


def test_sgd_has_nesterovs_momentum_and_decays_weights_but_no_biases():
    gradients = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    start = np.float32([1.0, -2.0, 3.0])
    for name, decay in (("kernel", 0.1), ("bias", 0.0), ("gamma", 0.0)):
        optimizer = optimizer_for(config(optimizer="sgd", weight_decay=0.1, warm_up=0, schedule="constant"), 100)
        found = apply(optimizer, start, gradients, name)
        value, velocity = start.astype(float), np.zeros(3)
        for gradient, got in zip(gradients, found, strict=True):
            value = value * (1 - RATE * decay)
            velocity = 0.9 * velocity - RATE * gradient
            value = value + 0.9 * velocity - RATE * gradient
            np.testing.assert_allclose(got, value, rtol=1e-5)


def test_adamw_takes_the_decay_asked_for():
    found = [
        apply(optimizer_for(config(weight_decay=decay, warm_up=0), 100), np.float32([2.0]), np.float32([[1.0]]))[0, 0]
        for decay in (0.0, 0.5)
    ]
    assert found[0] - found[1] == pytest.approx(RATE * 0.5 * 2.0, rel=1e-3)


def test_no_step_is_longer_than_clipped_gradients_allow():
    options = {"optimizer": "sgd", "weight_decay": 0.0, "warm_up": 0}
    gradients = [np.full((1, 4), 300.0, np.float32), np.full((1, 4), 0.01, np.float32)]
    for gradient, length in zip(gradients, (0.5, 0.02), strict=True):
        moved = apply(optimizer_for(config(clip_norm=0.5, **options), 100), np.zeros(4, np.float32), gradient)
        assert np.linalg.norm(moved) == pytest.approx(1.9 * RATE * length, rel=1e-4)  # Nesterov's first step


def two_replicas() -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())


def small_model(**options) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    optimizer = optimizer_for(
        config(warm_up=0, **options), 100, replicas=tf.distribute.get_strategy().num_replicas_in_sync
    )
    model.compile(optimizer, "mse", jit_compile=False)
    return model


@pytest.mark.parametrize("optimizer", ["adamw", "lamb", "sgd"])
def test_two_replicas_clip_the_gradient_of_the_whole_batch(optimizer: str):
    """Each replica's own gradient is longer or shorter than that of the batch."""
    x = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
    y = (100 * x.sum(axis=1, keepdims=True)).astype(np.float32)
    one = small_model(optimizer=optimizer, clip_norm=0.3)
    with two_replicas().scope():
        two = small_model(optimizer=optimizer, clip_norm=0.3)
    start = one.get_weights()
    for model in (one, two):
        model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    for ours, theirs, before in zip(two.get_weights(), one.get_weights(), start, strict=True):
        assert np.abs(theirs - before).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("strategy", [tf.distribute.get_strategy, two_replicas])
def test_a_step_whose_scaled_gradients_overflow_is_left_out(strategy):
    with strategy().scope():
        model = small_model()
        model.compile(with_loss_scale(model.optimizer), "mse", jit_compile=False)
        model.optimizer.build(model.trainable_variables)
    before = model.get_weights()
    x = np.ones((4, 4), np.float32)
    # Only the last example's gradient is infinite: that of the second replica, if there are two.
    model.fit(x, np.float32([[0], [0], [0], [1e36]]), batch_size=4, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert float(model.optimizer.dynamic_scale.numpy()) == 2.0**14
    model.fit(x, x[:, :1], batch_size=4, shuffle=False, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before[0])
