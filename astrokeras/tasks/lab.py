"""CIE 1976 L*a*b* of display levels.

Sources: sRGB, IEC 61966-2-1 (companding and primaries); CIE 15 (L*a*b*), white point D65.
"""

import numpy as np
from keras import KerasTensor, ops

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    np.float32,
)
_WHITE = np.array([0.95047, 1.0, 1.08883], np.float32)
_EPSILON, _KAPPA = 216 / 24389, 24389 / 27


def lab(levels: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Lightness and chroma of sRGB levels.

    Shapes:
        [N, H, W, 3] red, green, blue from 0 to 1 -> L* [N, H, W, 1] from 0 to 100, a* and b* [N, H, W, 2]
    """
    levels = ops.clip(levels, 0.0, 1.0)
    linear = ops.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    ratio = ops.matmul(linear, _TO_XYZ.T) / _WHITE
    root = ops.where(ratio > _EPSILON, ops.maximum(ratio, _EPSILON) ** (1 / 3), (_KAPPA * ratio + 16.0) / 116.0)
    x, y, z = root[..., 0:1], root[..., 1:2], root[..., 2:3]
    return 116.0 * y - 16.0, ops.concatenate([500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def gray(lightness: KerasTensor) -> KerasTensor:
    """Return the sRGB level of a gray of this L*; the inverse of `lab` for grays.

    Shapes:
        [N, H, W, 1] from 0 to 100 -> [N, H, W, 1] from 0 to 1
    """
    linear = ops.where(lightness > _KAPPA * _EPSILON, ((lightness + 16.0) / 116.0) ** 3, lightness / _KAPPA)
    return ops.where(linear <= 0.0031308, 12.92 * linear, 1.055 * ops.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)
