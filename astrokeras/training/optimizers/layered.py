"""An optimizer in which each variable has a rate of its own, and the decay can be changed between trainings."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.training.optimizers.lamb import Lamb


def layered(kind: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """Return the same optimizer, whose rates and decay can be set by `set_rates` when it is compiled.

    What is compiled once serves for many trainings that differ in nothing else. With all rates 1 and the decay of the
    original, the steps are those of the original: the decay is decoupled (Loshchilov & Hutter 2019, arXiv 1711.05101),
    so that it does not matter whether it is taken off before the gradient's step or with it.
    """

    class Layered(kind):
        def build(self, variables: Sequence[keras.Variable]) -> None:
            """Make the variables: a rate for each of `variables`, and the decay."""
            super().build(variables)
            shape = (len(variables),)
            self.rates = self.add_variable(shape=shape, initializer="ones", dtype="float32", name="rates")
            self.decay = self.add_variable(shape=(), initializer="zeros", dtype="float32", name="decay")
            self.decay.assign(self.weight_decay or 0.0)

        def set_rates(self, rates: np.ndarray, decay: float) -> None:
            """Set by what the learning rate of each variable is multiplied, [V], and the decay of all of them."""
            self.rates.assign(rates)
            self.decay.assign(decay)

        def _apply_weight_decay(self, variables: list[Any]) -> None:
            """Do nothing, since it is part of `update_step`."""

        def _decay(self) -> KerasTensor:
            return ops.convert_to_tensor(self.decay)

        def update_step(self, gradient: KerasTensor, variable: keras.Variable, learning_rate: KerasTensor) -> None:
            """Take one step of one variable."""
            index = self._get_variable_index(variable)
            rate = ops.cast(learning_rate, variable.dtype) * ops.cast(
                ops.convert_to_tensor(self.rates)[index], variable.dtype
            )
            if not issubclass(kind, Lamb) and self._use_weight_decay(variable):
                self.assign_sub(variable, variable * rate * ops.cast(self._decay(), variable.dtype))
            super().update_step(gradient, variable, rate)

    Layered.__name__ = kind.__name__
    return Layered
