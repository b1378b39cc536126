"""What a loss over pairs needs to know of the other devices that train the same network.

A loss of one example at a time needs nothing of this: its mean over replicas is the mean over the batch. One that
compares examples (negatives, variances over the batch) has to see the whole batch, or several devices would not equal
one.
"""

import numpy as np
from keras import KerasTensor


class Replicas:
    """One device: its batch is the whole batch. `training/` has the one for several."""

    count = 1

    def gather(self, values: KerasTensor) -> KerasTensor:
        """Return the values of all replicas, in the order of the whole batch.

        Gradients flow back to where each came from.

        Shapes:
            [n, ...] -> [count * n, ...]
        """
        return values

    def index(self) -> KerasTensor | int:
        """Which replica this is, from 0: its examples are rows ``index * n`` to ``(index + 1) * n`` of `gather`."""
        return 0

    def same(self, values: np.ndarray) -> np.ndarray:
        """Outside a training step: makes what every process has, alike but for rounding, the same to the bit."""
        return values
