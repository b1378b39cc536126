import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.training.distribution.strategy import make_strategy
from astrokeras.training.engines.steps import ReplicatedSteps, TimedSteps
from astrokeras.training.engines.tensorflow import MultiWorkerEngine

X = np.random.default_rng(0).normal(size=(88, 4)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


class Slow(keras.Model):
    """A line whose steps take some time."""

    score_names = ()

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.line = keras.layers.Dense(1, kernel_initializer="ones")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.line(x)

    def train_step(self, data: tuple) -> dict:
        if self.seconds:
            tf.numpy_function(lambda: (time.sleep(self.seconds), np.int64(0))[1], [], tf.int64)
        return super().train_step(data)


def compiled(seconds: float = 0.0, steps: int = 8) -> Slow:
    model = Slow(seconds)
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss="mse", steps_per_execution=steps, jit_compile=False)
    return model


def on_two(seconds: float = 0.0, deterministic: bool = False) -> Slow:
    """With our train function, for two devices."""
    strategy = make_strategy("cpu:2")
    with strategy.scope():
        model = compiled(seconds, steps=1)
        model(X[:1])
        model.optimizer.build(model.trainable_variables)
        model.train_function = ReplicatedSteps(model, strategy, model.train_step, deterministic)
    return model


def batches(x: np.ndarray, seconds: float = 0.0) -> tf.data.Dataset:
    def wait(row: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        slept = tf.numpy_function(lambda: (time.sleep(seconds), np.float32(0))[1], [], tf.float32)
        return tf.ensure_shape(row + slept, row.shape), target

    dataset = tf.data.Dataset.from_tensor_slices((x, Y)).batch(8)
    return dataset.map(wait) if seconds else dataset


def test_steps_are_those_of_keras():
    timed, plain = compiled(), compiled()
    timed.train_function = TimedSteps(timed)
    ours, theirs = (model.fit(batches(X), epochs=2, shuffle=False, verbose=0) for model in (timed, plain))
    assert ours.history == theirs.history
    for one, other in zip(timed.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # 11 batches: an execution of 8 and one of 3.
    assert timed.train_function.done == 3


def test_it_ends_at_the_step_whose_loss_is_not_finite():
    broken = X.copy()
    broken[5 * 8] = np.nan
    model = compiled()
    steps = TimedSteps(model)
    logs = steps(iter(batches(broken)))
    assert np.isnan(logs["loss"])
    assert steps.done == 6
    assert model.optimizer.iterations == 6


@pytest.mark.parametrize("deterministic", [False, True])
def test_waiting_is_what_the_source_takes_beyond_the_steps(deterministic: bool):
    """A source that sleeps beside steps that don't, and the other way round; 11 batches."""
    waited = {}
    for step, source in ((0.0, 0.02), (0.04, 0.005)):
        model = compiled(step)
        model.train_function = steps = TimedSteps(model, deterministic)
        steps(iter(batches(X)))  # traced
        steps.waited = 0.0
        model.fit(batches(X, source), shuffle=False, verbose=0)
        waited[source] = steps.waited
    assert waited[0.02] > 0.8 * 11 * 0.02
    # All but the first batches of the two executions come while a step is computed.
    assert waited[0.005] < 0.5 * 11 * 0.04


def test_steps_of_two_replicas_are_those_of_keras():
    ours, plain = on_two(), on_two()
    plain.train_function = None
    histories = [
        model.fit(batches(X), epochs=2, steps_per_epoch=11, shuffle=False, verbose=0).history for model in (ours, plain)
    ]
    assert histories[0] == histories[1]
    for one, other in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert ours.optimizer.iterations.numpy() == 22


def test_waiting_of_two_replicas():
    """As above, each with one of the clocks; the share of the time of ten steps."""
    shares = []
    for step, source, deterministic in ((0.0, 0.05, True), (0.04, 0.005, False)):
        model = on_two(step, deterministic)
        iterator = iter(model.distribute_strategy.experimental_distribute_dataset(batches(X, source)))
        steps = model.train_function
        steps(iterator)  # traced
        steps.waited, start = 0.0, time.perf_counter()
        for _ in range(10):
            float(steps(iterator)["loss"])
        shares.append(steps.waited / (time.perf_counter() - start))
    assert shares[0] > 0.5
    assert shares[1] < 0.3


def test_keras_must_not_count_steps_that_are_not_made():
    """One worker alone has one replica, but this train function."""
    assert MultiWorkerEngine.most_steps == 1
    with pytest.raises(ValueError, match="steps_per_execution is 8, expected 1"):
        ReplicatedSteps(compiled(), make_strategy("cpu:2"), lambda batch: {})
