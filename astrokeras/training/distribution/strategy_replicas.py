"""The replicas of a `tf.distribute` strategy, for the losses that compare examples."""

import numpy as np
import tensorflow as tf

from astrokeras.tasks.replicas import Replicas
from astrokeras.training.distribution.workers import Workers


class StrategyReplicas(Replicas):
    """What `Replicas` says, for the replicas of a strategy; all but `same` for use inside its `run` alone."""

    def __init__(self, strategy: tf.distribute.Strategy, workers: Workers) -> None:
        self.count = strategy.num_replicas_in_sync
        self.workers = workers

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """Return the values of all replicas; in the gradient each gets the sum of what all made of its own."""
        gathered = tf.distribute.get_replica_context().all_gather(values, axis=0)
        # Over several workers it doesn't know its shape.
        return tf.ensure_shape(gathered, [None, *values.shape[1:]])

    def index(self) -> tf.Tensor:
        """Return the number of this replica."""
        return tf.distribute.get_replica_context().replica_id_in_sync_group

    def same(self, values: np.ndarray) -> np.ndarray:
        """Return what the first worker has."""
        return self.workers.same(values)


def replicas_of(strategy: tf.distribute.Strategy, workers: Workers | None = None) -> Replicas:
    """Return the replicas of a strategy and the workers that they are on; one device needs no communication."""
    return StrategyReplicas(strategy, workers or Workers()) if strategy.num_replicas_in_sync > 1 else Replicas()
