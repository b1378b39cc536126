"""Normal deviates for the pixels of an example, from two numbers drawn for it: no state, the same on every backend.

The bits of the two numbers and the index of the pixel go through the integer hash pcg3d (Jarzynski & Olano 2020, "Hash
Functions for GPU Rendering", Journal of Computer Graphics Techniques 9(3), 20); two of its three results become two
normal deviates, each by the inverse of the normal distribution. XLA has no fast sine and cosine on CPUs, with which the
same two by the method of Box and Muller take twice the time.
"""

import math

import numpy as np
from keras import KerasTensor, ops

# Numbers drawn in float32 have 24 bits.
_BITS = 24


def _word(value: int) -> np.ndarray:
    return np.asarray(value, np.uint32)


def pcg3d(x: KerasTensor, y: KerasTensor, z: KerasTensor) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """Return three hashed words of three words, uint32 in and out, any shapes that go together."""
    x, y, z = (word * _word(1664525) + _word(1013904223) for word in (x, y, z))
    for stage in range(2):
        x = x + y * z
        y = y + z * x
        z = z + x * y
        if stage == 0:
            x, y, z = (ops.bitwise_xor(word, ops.right_shift(word, _word(16))) for word in (x, y, z))
    return x, y, z


def deviate(word: KerasTensor) -> KerasTensor:
    """Return the quantile of the normal distribution at the upper 23 bits of a word, in the middle of their step."""
    steps = _BITS - 1
    # Twice the distance from the middle of all, which float32 holds exactly: it is odd, so that 0 and 1 don't occur.
    odd = 2 * ops.cast(ops.right_shift(word, _word(32 - steps)), "int32") + (1 - 2**steps)
    return ops.erfinv(ops.cast(odd, "float32") * 2.0**-steps) * math.sqrt(2.0)


def normal(keys: KerasTensor, count: int) -> KerasTensor:
    """Return standard normal deviates, the same for the same keys; the largest that occurs is 5.29.

    Shapes:
        keys [N, 2] float32, uniform in [0, 1) -> [N, count] float32
    """
    words = ops.cast(keys * 2.0**_BITS, "uint32")
    index = np.arange(-(-count // 2), dtype=np.uint32)
    first, second, _ = pcg3d(words[:, :1], words[:, 1:], index)
    return ops.concatenate([deviate(first), deviate(second)], axis=-1)[:, :count]
