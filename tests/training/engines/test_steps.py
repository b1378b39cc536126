import threading
import time
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.training.distribution.strategy import make_strategy
from astrokeras.training.engines import steps as module
from astrokeras.training.engines.steps import ReplicatedSteps, TimedSteps
from astrokeras.training.engines.tensorflow import MultiWorkerEngine

X = np.random.default_rng(0).normal(size=(88, 4)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


SOURCE, STEP = 0.5, 4.0  # seconds of a batch and of a step, by the clock of the tests


class Events:
    """A clock that source and steps put forward, and what has happened until now; nothing sleeps."""

    def __init__(self) -> None:
        self.now, self.read, self.fetched, self.stepped, self.ended = 0.0, 0, 0, 0, False
        self._changed = threading.Condition()

    def clock(self) -> tf.Tensor:
        def look() -> np.float64:
            with self._changed:
                self.read += 1
                self._changed.notify_all()
                return np.float64(self.now)

        return tf.ensure_shape(tf.numpy_function(look, [], tf.float64), [])

    def happen(self, name: str, seconds: float, until: Callable[[int], bool]) -> None:
        """Wait for something, which is told how often this has happened before, and put the clock forward."""
        with self._changed:
            before = getattr(self, name)
            assert self._changed.wait_for(lambda: self.ended or until(before), timeout=300), name
            setattr(self, name, before + 1)
            self.now += seconds
            self._changed.notify_all()

    def end(self) -> None:
        """Let all go on that waits."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()


class Line(keras.Model):
    """A line whose steps may wait for events."""

    score_names = ()

    def __init__(self, wait: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.wait = wait
        self.line = keras.layers.Dense(1, kernel_initializer="ones")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.line(x)

    def train_step(self, data: tuple) -> dict:
        if self.wait:
            tf.numpy_function(lambda: (self.wait(), np.int64(0))[1], [], tf.int64)
        return super().train_step(data)


def compiled(steps: int = 8, wait: Callable[[], None] | None = None) -> Line:
    model = Line(wait)
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss="mse", steps_per_execution=steps, jit_compile=False)
    return model


def on_two(deterministic: bool = False) -> Line:
    """With our train function, for two devices."""
    strategy = make_strategy("cpu:2")
    with strategy.scope():
        model = compiled(steps=1)
        model(X[:1])
        model.optimizer.build(model.trainable_variables)
        model.train_function = ReplicatedSteps(model, strategy, model.train_step, deterministic)
    return model


def batches(x: np.ndarray, wait: Callable[[], None] | None = None) -> tf.data.Dataset:
    def fetch(row: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        waited = tf.numpy_function(lambda: (wait(), np.float32(0))[1], [], tf.float32)
        return tf.ensure_shape(row + waited, row.shape), target

    dataset = tf.data.Dataset.from_tensor_slices((x, Y)).batch(8)
    return dataset.map(fetch) if wait else dataset


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    """Events by whose clock is measured."""
    events = Events()
    monkeypatch.setattr(module, "_clock", lambda deterministic: events.clock)
    return events


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


def test_a_source_that_begins_when_a_step_has_ended_is_waited_for(events: Events):
    """11 batches; the clock is read when it begins, and then twice a batch, at its arrival and at the step's end."""
    slow = batches(X, lambda: events.happen("fetched", SOURCE, lambda before: events.read > 2 * before))
    steps = TimedSteps(compiled(steps=12))
    steps(iter(slow))
    assert (steps.done, steps.waited) == (11, 11 * SOURCE)


def test_a_source_that_is_ready_before_a_step_ends_is_not_waited_for(events: Events):
    """A step ends when the next batch has come, which is fetched while it is computed; only the first is waited for."""

    def looked(batch: int) -> bool:
        """Whether the clock was read for all that came before the end of this batch's step."""
        return events.read >= 2 * batch + 2

    def may_end(before: int) -> bool:
        return events.fetched >= min(before + 2, 11) and looked(before)

    ready = batches(X, lambda: events.happen("fetched", SOURCE, lambda before: looked(before - 1)))
    model = compiled(12, lambda: events.happen("stepped", STEP, may_end))
    steps = TimedSteps(model)
    steps(iter(ready))
    assert (steps.done, steps.waited) == (11, SOURCE)
    assert events.now == 11 * (SOURCE + STEP)


@pytest.mark.parametrize("deterministic", [False, True])
def test_both_clocks_go(deterministic: bool):
    steps, began = TimedSteps(compiled(), deterministic), time.perf_counter()
    steps(iter(batches(X)))
    assert 0 < steps.waited < time.perf_counter() - began


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


def test_two_replicas_wait_for_a_source_that_begins_when_they_ask(events: Events):
    """The clock is read twice a step, before the batch and after it."""
    model = on_two()
    slow = batches(X, lambda: events.happen("fetched", SOURCE, lambda before: events.read > 2 * before))
    iterator = iter(model.distribute_strategy.experimental_distribute_dataset(slow))
    try:
        for _ in range(10):
            model.train_function(iterator)
    finally:
        events.end()
    assert model.train_function.waited == 10 * SOURCE


@pytest.mark.parametrize("deterministic", [False, True])
def test_what_two_replicas_waited_for_is_part_of_the_time(deterministic: bool):
    model = on_two(deterministic)
    iterator = iter(model.distribute_strategy.experimental_distribute_dataset(batches(X)))
    began = time.perf_counter()
    for _ in range(10):
        model.train_function(iterator)
    assert 0 < model.train_function.waited < time.perf_counter() - began


def test_keras_must_not_count_steps_that_are_not_made():
    """One worker alone has one replica, but this train function."""
    assert MultiWorkerEngine.most_steps == 1
    with pytest.raises(ValueError, match="steps_per_execution is 8, expected 1"):
        ReplicatedSteps(compiled(), make_strategy("cpu:2"), lambda batch: {})
