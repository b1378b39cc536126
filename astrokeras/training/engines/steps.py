"""Keras's train functions, which also say what happened in them: how long each step waited for its batch.

On one device several steps run in one graph, since small networks are bound by the overhead of a call. The next batch
is fetched while a step is computed, as in Keras's own; so what counts as waiting is the time from the end of a step to
the arrival of the next batch, if that comes later. On several devices a step is a graph, at the beginning of which the
batch is fetched from the buffers that are filled while the devices compute; the time that this takes is the waiting.
"""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from astrokeras.tasks.model import TaskModel

Clock = Callable[[], tf.Tensor]


def _python_clock() -> tf.Tensor:
    """Return seconds; for deterministic runs, in which TensorFlow refuses its own clock."""
    return tf.ensure_shape(tf.numpy_function(lambda: np.float64(time.perf_counter()), [], tf.float64), [])


def _clock(deterministic: bool) -> Clock:
    return _python_clock if deterministic else tf.timestamp


def _after(tensors: list[tf.Tensor], clock: Clock) -> tf.Tensor:
    """Return the time at which all of them are there and what made them is done."""
    with tf.device("CPU:0"), tf.control_dependencies(tensors):
        return clock()


def _on_host(value: tf.Tensor) -> tf.Tensor:
    """Return a copy from the accelerator: it waits for all that was begun there before."""
    value = tf.identity(value)
    with tf.device("CPU:0"):
        return tf.identity(value)


class TimedSteps:
    """A train function and `Meter`: takes an iterator, makes up to `steps_per_execution` steps, gives the metrics.

    It ends at a step whose loss is not finite.

    Args:
        model: compiled.
        deterministic: whether TensorFlow may only use deterministic operations.

    Attributes:
        waited: seconds that steps have waited for their batches since it was last set to 0.
        done: how many steps the last call made.
        callbacks: none.
    """

    callbacks = ()

    def __init__(self, model: keras.Model, deterministic: bool = False) -> None:
        self.waited = 0.0
        self.done = 0
        self._run = _make_run(model, _clock(deterministic))

    def __call__(self, iterator: Any) -> dict[str, tf.Tensor]:
        """Return the metrics of the epoch so far."""
        logs, done, waited = self._run(iterator)
        self.done = int(done)
        self.waited += float(waited)
        if self.done == 0:
            raise StopIteration
        return logs


class ReplicatedSteps:
    """A train or test function and `Meter` for the replicas of a strategy: takes an iterator, makes one step.

    Keras's own would average every score over all replicas after each step, one by one, and can't with scalars on
    several workers. Of a step `fit` needs the loss and the names; the scores are taken from the metrics at the end.

    Args:
        model: compiled, with `steps_per_execution` 1.
        strategy: of the replicas.
        step: the model's `train_step` or `test_step`.
        deterministic: whether TensorFlow may only use deterministic operations.

    Attributes:
        waited: seconds that the batches of this process took to arrive since it was last set to 0.
        done: 1.
        callbacks: none.

    Raises:
        ValueError: `steps_per_execution` is another, of which Keras would count more steps than are made.
    """

    callbacks = ()
    done = 1

    def __init__(
        self, model: TaskModel, strategy: tf.distribute.Strategy, step: Callable, deterministic: bool = False
    ) -> None:
        if model.steps_per_execution != 1:
            raise ValueError(f"steps_per_execution is {model.steps_per_execution}, expected 1")
        self.waited = 0.0
        self._names = ("loss", *model.score_names)
        clock = _clock(deterministic)

        def run(iterator: Any) -> tuple[tf.Tensor, tf.Tensor]:
            began = _after([], clock)
            with tf.control_dependencies([began]):
                batch = next(iterator)
            arrived = _after(tf.nest.flatten(batch, expand_composites=True), clock)
            losses = strategy.run(lambda part: step(part)["loss"], args=(batch,))
            return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None), arrived - began

        self._run = tf.function(run, reduce_retracing=True, autograph=False)

    def __call__(self, iterator: Any) -> dict[str, tf.Tensor]:
        """Return the loss of the epoch so far, under every name."""
        loss, waited = self._run(iterator)
        self.waited += float(waited)
        return dict.fromkeys(self._names, loss)


def _make_run(model: keras.Model, clock: Clock) -> Callable:
    one_step = tf.function(model.train_step, reduce_retracing=True, autograph=False, jit_compile=model.jit_compile)
    most = model.steps_per_execution

    def run(iterator: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        def go_on(done: tf.Tensor, fine: tf.Tensor, batch: tf.experimental.Optional, waited: tf.Tensor) -> tf.Tensor:
            return (done < most) & fine & batch.has_value()

        def step(done: tf.Tensor, fine: tf.Tensor, batch: tf.experimental.Optional, waited: tf.Tensor) -> tuple:
            logs = one_step(batch.get_value())
            with tf.control_dependencies(tf.nest.flatten(logs)):
                loss = _on_host(logs["loss"])
            ended = _after([loss], clock)
            following = tf.cond(done + 1 < most, iterator.get_next_as_optional, lambda: batch)
            arrived = _after([following.has_value()], clock)
            waited += tf.where(done + 1 < most, tf.maximum(arrived - ended, 0.0), 0.0)
            return done + 1, tf.math.is_finite(loss), following, waited

        began = _after([], clock)
        with tf.control_dependencies([began]):
            first = iterator.get_next_as_optional()
        waited = _after([first.has_value()], clock) - began
        done, _, _, waited = tf.while_loop(go_on, step, (0, True, first, waited))
        with tf.control_dependencies([done]):
            return model.get_metrics_result(), done, waited

    return tf.function(run, reduce_retracing=True, autograph=False)
