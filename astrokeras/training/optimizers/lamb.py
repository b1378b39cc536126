"""LAMB as in its paper; Keras's own takes the decay off before the step and adapts every variable."""

import keras
from keras import KerasTensor, ops


def _length(values: KerasTensor) -> KerasTensor:
    return ops.sqrt(ops.sum(ops.square(values)))


@keras.saving.register_keras_serializable(package="astrokeras")
class Lamb(keras.optimizers.Lamb):
    """Layer-wise adaptive moments: Adam's step of each variable, scaled to the length of the variable.

    The decay is part of the step that is scaled. What does not decay (`exclude_from_weight_decay`) is not scaled
    either, as in tensorflow-addons. The update of variable x from Adam's direction r is
    ``x -= rate * |x| / |r + decay * x| * (r + decay * x)``.

    Source: You et al. 2020, arXiv 1904.00962, algorithm 2.
    """

    def _apply_weight_decay(self, variables: list) -> None:
        """Do nothing, since it is part of `update_step`."""

    def _decay(self) -> KerasTensor | float:
        return self.weight_decay or 0.0

    def update_step(self, gradient: KerasTensor, variable: keras.Variable, learning_rate: KerasTensor) -> None:
        """Take one step of one variable."""
        dtype = variable.dtype
        gradient, rate = ops.cast(gradient, dtype), ops.cast(learning_rate, dtype)
        index = self._get_variable_index(variable)
        first, second = self._momentums[index], self._velocities[index]
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(second, (ops.square(gradient) - second) * (1 - self.beta_2))
        step = ops.cast(self.iterations + 1, dtype)
        unbiased_first = first / (1 - ops.power(ops.cast(self.beta_1, dtype), step))
        unbiased_second = second / (1 - ops.power(ops.cast(self.beta_2, dtype), step))
        update = unbiased_first / (ops.sqrt(unbiased_second) + self.epsilon)
        if self._use_weight_decay(variable):
            update = update + self._decay() * variable
            length, reach = _length(variable), _length(update)
            scaled = ops.logical_and(length > 0, reach > 0)
            rate = rate * ops.where(scaled, length / ops.where(scaled, reach, 1.0), 1.0)
        self.assign_sub(variable, rate * update)
