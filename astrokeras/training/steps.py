"""Keras's train function for one device, which also says what happened in it: how long each step waited for its batch.

Several steps run in one graph, since small networks are bound by the overhead of a call. The next batch is fetched
while a step is computed, as in Keras's own; so what counts as waiting is the time from the end of a step to the arrival
of the next batch, if that comes later.
"""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Clock = Callable[[], tf.Tensor]


def _python_clock() -> tf.Tensor:
    """Seconds; for deterministic runs, in which TensorFlow refuses its own clock."""
    return tf.ensure_shape(tf.numpy_function(lambda: np.float64(time.perf_counter()), [], tf.float64), [])


def _after(tensors: list[tf.Tensor], clock: Clock) -> tf.Tensor:
    """The time at which all of them are there and what made them is done."""
    with tf.device("CPU:0"), tf.control_dependencies(tensors):
        return clock()


def _on_host(value: tf.Tensor) -> tf.Tensor:
    """A copy from the accelerator: it waits for all that was begun there before."""
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
        self._run = _make_run(model, _python_clock if deterministic else tf.timestamp)

    def __call__(self, iterator: Any) -> dict[str, tf.Tensor]:
        """The metrics of the epoch so far."""
        logs, done, waited = self._run(iterator)
        self.done = int(done)
        self.waited += float(waited)
        if self.done == 0:
            raise StopIteration
        return logs


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
