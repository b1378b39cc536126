"""An average of the weights over the steps of a training, which is smoother than the weights of any one step."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops


def averaged_variables(model: keras.Model) -> list[keras.Variable]:
    """Return what is averaged.

    What is trained, and the statistics that BatchNormalization keeps, which belong to it.
    """
    norms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    return [*model.trainable_variables, *(v for norm in norms for v in (norm.moving_mean, norm.moving_variance))]


def _copy(variable: keras.Variable) -> np.ndarray:
    """Return the value in memory of its own: JAX's steps reuse that of the variables."""
    return np.array(ops.convert_to_numpy(variable))


class WeightAverage(keras.layers.Layer):
    """The exponential moving average of a model's weights, as a layer, so that a checkpoint holds it.

    With w_t the weights after t steps, a_0 = w_0 and a_t = d_t a_{t-1} + (1 - d_t) w_t, where
    d_t = min(decay, (1 + t) / (10 + t)): the first steps, which are the worst, are soon forgotten. (tensorflow-addons'
    MovingAverage with ``dynamic_decay``.)

    `step` is called in the graph before each step of the training, so that what is stored lags a step behind;
    `current` adds what is missing. Averaging in the optimizer, as `use_ema` does it, would leave out the statistics of
    BatchNormalization, which don't fit to averaged weights.

    Args:
        variables: what to average, float32.
        decay: at least 0 and less than 1.
    """

    def __init__(self, variables: list[keras.Variable], decay: float) -> None:
        super().__init__(name="average", trainable=False, dtype="float32")
        self.decay = decay
        # In a function, since they aren't part of this layer.
        self._of: Callable[[], list[keras.Variable]] = lambda: variables
        self.steps = self.add_weight(
            shape=(),
            dtype="int32",
            initializer="zeros",
            name="steps",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.averages = [
            self.add_weight(
                shape=variable.shape, initializer="zeros", name=f"average_{number}", trainable=False,
                aggregation="only_first_replica",
            )
            for number, variable in enumerate(variables)
        ]  # fmt: skip
        for average, variable in zip(self.averages, variables, strict=True):
            average.assign(_copy(variable))
        self.built = True

    def _kept(self, steps: KerasTensor) -> KerasTensor:
        """Return the share of the average that a step keeps."""
        steps = ops.cast(steps, "float32")
        return ops.where(steps > 0, ops.minimum(self.decay, (1 + steps) / (10 + steps)), 0.0)

    def step(self) -> None:
        """Take in the weights as they are before a step."""
        new = 1 - self._kept(self.steps)
        for average, variable in zip(self.averages, self._of(), strict=True):
            average.assign(average + new * (ops.stop_gradient(ops.convert_to_tensor(variable)) - average))
        self.steps.assign(self.steps + 1)

    def current(self) -> list[np.ndarray]:
        """Return the averages that include the weights as they are now."""
        new = 1 - ops.convert_to_numpy(self._kept(self.steps))
        pairs = zip(map(_copy, self.averages), map(_copy, self._of()), strict=True)
        return [average + new * (value - average) for average, value in pairs]

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Give the model the averages for weights within a block."""
        weights = [_copy(variable) for variable in self._of()]
        for variable, average in zip(self._of(), self.current(), strict=True):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(self._of(), weights, strict=True):
                variable.assign(value)

    def get_config(self) -> dict[str, Any]:
        """Return nothing to make it from again, since it belongs to a model in memory."""
        raise NotImplementedError("a WeightAverage belongs to a model in memory and is not saved with it")
