"""A small decoder from the embedding to pixels, and the pixels that it is compared with."""

import keras
from keras import KerasTensor, ops

# Fine detail is not what an embedding is for: coarser pixels than the stamp's are asked for.
_LARGEST = 32
_WIDTHS = (64, 48, 32)


def decoded_side(size: int) -> tuple[int, int]:
    """Return the side of the decoded picture and how many pixels of the stamp make one of its."""
    factor = max(1, size // _LARGEST)
    return size // factor, factor


def coarse(pixels: KerasTensor) -> KerasTensor:
    """Means over blocks of pixels, the middle of the stamp where it is no multiple of them.

    Shapes:
        [N, S, S, C] -> [N, side, side, C], see `decoded_side`
    """
    size = pixels.shape[1]
    side, factor = decoded_side(size)
    start = (size - side * factor) // 2
    middle = pixels[:, start : start + side * factor, start : start + side * factor]
    if factor == 1:
        return middle
    return ops.mean(ops.reshape(middle, (-1, side, factor, side, factor, pixels.shape[-1])), axis=(2, 4))


def decoded_picture(embedding: KerasTensor, size: int, channels: int) -> KerasTensor:
    """Three steps of enlarging by two and convolving, from an eighth of the side.

    Shapes:
        [N, D] -> [N, side, side, channels] float32, see `decoded_side`
    """
    side, _ = decoded_side(size)
    start = -(-side // 8)
    x = keras.layers.Dense(start * start * _WIDTHS[0], activation="relu", name="seed")(embedding)
    x = keras.layers.Reshape((start, start, _WIDTHS[0]), name="seed_map")(x)
    for step, width in enumerate(_WIDTHS):
        x = keras.layers.UpSampling2D(2, name=f"enlarge_{step}")(x)
        x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name=f"refine_{step}")(x)
    x = keras.layers.Conv2D(channels, 3, padding="same", dtype="float32", name="pixels")(x)
    low = (8 * start - side) // 2
    high = 8 * start - side - low
    return keras.layers.Cropping2D(((low, high), (low, high)), dtype="float32", name="decoded")(x)
