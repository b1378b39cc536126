"""Normal deviates for the pixels of an example, from two numbers drawn for it: no state, the same on every backend.

The bits of the two numbers and the index of the pixel go through the integer hash pcg3d (Jarzynski & Olano 2020, "Hash
Functions for GPU Rendering", Journal of Computer Graphics Techniques 9(3), 20); two of its three results become two
normal deviates (Box & Muller 1958, Annals of Mathematical Statistics 29, 610).
"""

import math

import numpy as np
from keras import KerasTensor, ops

# Numbers drawn in float32 have 24 bits.
_BITS = 24


def _word(value: int) -> np.ndarray:
    return np.asarray(value, np.uint32)


def pcg3d(x: KerasTensor, y: KerasTensor, z: KerasTensor) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """Three hashed words of three words, uint32 in and out, any shapes that go together."""
    x, y, z = (word * _word(1664525) + _word(1013904223) for word in (x, y, z))
    for stage in range(2):
        x = x + y * z
        y = y + z * x
        z = z + x * y
        if stage == 0:
            x, y, z = (ops.bitwise_xor(word, ops.right_shift(word, _word(16))) for word in (x, y, z))
    return x, y, z


def _uniform(word: KerasTensor, first: float) -> KerasTensor:
    """The upper 24 bits as a number in [0, 1) that is moved up by `first` of its steps."""
    return (ops.cast(ops.right_shift(word, _word(32 - _BITS)), "float32") + first) * 2.0**-_BITS


def normal(keys: KerasTensor, count: int) -> KerasTensor:
    """Standard normal deviates, the same for the same keys; the largest that occurs is 5.77.

    Shapes:
        keys [N, 2] float32, uniform in [0, 1) -> [N, count] float32
    """
    words = ops.cast(keys * 2.0**_BITS, "uint32")
    index = np.arange(-(-count // 2), dtype=np.uint32)
    first, second, _ = pcg3d(words[:, :1], words[:, 1:], index)
    radius = ops.sqrt(-2.0 * ops.log(_uniform(first, 1.0)))
    angle = 2.0 * math.pi * _uniform(second, 0.0)
    return ops.concatenate([radius * ops.cos(angle), radius * ops.sin(angle)], axis=-1)[:, :count]
