"""The replicas of a `tf.distribute` strategy, for the losses that compare examples."""

import tensorflow as tf

from astrokeras.pretext.replicas import Replicas


class StrategyReplicas(Replicas):
    """What `Replicas` says, for the replicas of a strategy; for use inside its `run` alone."""

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.count = strategy.num_replicas_in_sync

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """The values of all replicas; in the gradient each gets the sum of what all made of its own."""
        return tf.distribute.get_replica_context().all_gather(values, axis=0)

    def index(self) -> tf.Tensor:
        """The number of this replica."""
        return tf.distribute.get_replica_context().replica_id_in_sync_group


def replicas_of(strategy: tf.distribute.Strategy) -> Replicas:
    """The replicas of a strategy; one device needs no communication."""
    return StrategyReplicas(strategy) if strategy.num_replicas_in_sync > 1 else Replicas()
