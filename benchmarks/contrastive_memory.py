"""`contrastive` with a queue of earlier projections as further negatives: a plug-in, for `encoder_trials.py`.

Sources: He, Fan, Wu, Xie & Girshick 2020, "Momentum contrast for unsupervised visual representation learning", CVPR
(arXiv 1911.05722), keep a queue of the keys of earlier batches, so that small batches have many negatives. Their keys
come from a moving average of the network; here they come from the network as it was some steps ago, as in the
cross-batch memory of Wang, Zhang, Huang & Scott 2020 (CVPR, arXiv 1912.06798).
"""

import keras
from keras import KerasTensor, ops

from astrokeras.tasks.base import TASKS
from astrokeras.tasks.pairs import similarities, unit
from astrokeras.tasks.pretext.contrastive import Contrastive

LENGTH, WIDTH = 4096, 128


class Memory(keras.layers.Layer):
    """The projections of earlier batches, at length 1: directions at random at first.

    Shapes:
        [N, D] -> [LENGTH, D], as they were before this batch
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the queue."""
        self.kept = self.add_weight(
            shape=(LENGTH, input_shape[-1]), initializer="random_normal", trainable=False, name="kept", dtype="float32"
        )

    def call(self, projections: KerasTensor, training: bool = False) -> KerasTensor:
        """Return the queue; in training the batch takes the place of the oldest."""
        kept = unit(ops.convert_to_tensor(self.kept))
        if training:
            newest = ops.stop_gradient(unit(ops.cast(projections, "float32")))
            self.kept.assign(ops.concatenate([newest, kept], axis=0)[:LENGTH])
        return kept

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """Return that of the queue."""
        return (LENGTH, input_shape[-1])


@TASKS.register("contrastive_memory")
class ContrastiveMemory(Contrastive):
    """NT-Xent (Chen et al. 2020, equation 1) of which the denominator has the queue beside the batch."""

    def head(self, embeddings: list[KerasTensor]) -> list[KerasTensor]:
        """Return the projections [N, 128] of both views, and the queue [LENGTH, 128]."""
        first, second = super().head(embeddings)
        return [first, second, Memory(name="memory")(first)]

    def loss(self, target: KerasTensor, prediction: list[KerasTensor]) -> KerasTensor:
        """Return the mean of the losses of both views."""
        first, second, kept = prediction
        return 0.5 * (self._of(first, second, target, kept) + self._of(second, first, target, kept))

    def _of(self, view: KerasTensor, other: KerasTensor, weight: KerasTensor, kept: KerasTensor) -> KerasTensor:
        to_same, to_other, own = similarities(view, other, weight, self.replicas)
        earlier = ops.matmul(unit(view), ops.transpose(kept))
        logits = ops.concatenate([ops.where(own, -1e9, to_same), to_other, earlier], axis=-1) / self.temperature
        return ops.logsumexp(logits, axis=-1) - ops.sum(ops.where(own, to_other, 0.0), axis=-1) / self.temperature
