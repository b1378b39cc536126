"""What Keras's optimizers leave out where several replicas share a batch: they look at one replica's gradients.

Clipping and the search for infinite gradients have to see the gradients of the whole batch; otherwise several replicas
differ from one device, and half precision from replica to replica.
"""

from typing import Any

import keras
import tensorflow as tf


def _sum_over_replicas(values: list[tf.Tensor]) -> list[tf.Tensor]:
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def sums_before_clipping(kind: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """Return the same optimizer, but the gradients are summed over the replicas before they are clipped, not after."""

    class SumsBeforeClipping(kind):
        def _clip_gradients(self, grads: list[tf.Tensor]) -> list[tf.Tensor]:
            return super()._clip_gradients(_sum_over_replicas(list(grads)))

        def _all_reduce_sum_gradients(self, grads_and_vars: list[tuple]) -> list[tuple]:
            return grads_and_vars

    SumsBeforeClipping.__name__ = kind.__name__
    return SumsBeforeClipping


class LossScale(keras.optimizers.LossScaleOptimizer):
    """Skips a step where any replica's gradients are infinite, not the first one's alone."""

    def check_finite(self, grads: list[Any]) -> tf.Tensor:
        """Return whether the gradients of all replicas are finite."""
        bad = tf.where(super().check_finite(grads), 0.0, 1.0)
        return tf.equal(_sum_over_replicas([bad])[0], 0.0)
