"""A small network for small stamps, made to be trained on CPUs."""

from collections.abc import Callable

import keras
from keras import KerasTensor, layers

from astrokeras.errors import UsageError
from astrokeras.models.backbone import BACKBONES
from astrokeras.models.normalization import batch_normalization

# With a step of two pixels a stage, 16 px end as one.
MINIMUM_SIZE = 16
_WIDTHS = (24, 48, 64, 128)


def _convolution(x: KerasTensor, width: int, stride: int = 1) -> KerasTensor:
    x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
    return batch_normalization()(x)


@BACKBONES.register("compact")
def compact(input_shape: tuple[int, int, int]) -> keras.Model:
    """Return four stages of a 3x3 convolution of stride 2, each but the last followed by a residual block.

    Shapes:
        [N, H, W, B] -> [N, H/16, W/16, 128]

    Raises:
        UsageError: the stamps are too small.
    """
    return compact_like("compact", input_shape)


def compact_like(
    name: str, input_shape: tuple[int, int, int], after_stage: Callable[[KerasTensor, int], KerasTensor] | None = None
) -> keras.Model:
    """Return `compact` with something of one's own after its stages, for networks that are to be compared with it.

    Args:
        name: of the backbone, for messages and for the model.
        input_shape: height, width, channels.
        after_stage: is given the feature maps of a stage and its number, from 0, and returns what the next one gets.

    Shapes:
        [N, H, W, B] -> what `after_stage` makes of [N, H/16, W/16, 128]

    Raises:
        UsageError: the stamps are too small.

    Example:
        >>> compact_like("halved", (32, 32, 1), lambda x, stage: 0.5 * x).output_shape
        (None, 2, 2, 128)
    """
    if min(input_shape[:2]) < MINIMUM_SIZE:
        raise UsageError(
            f"backbone '{name}' needs stamps of at least {MINIMUM_SIZE} px, got {input_shape[0]}; "
            f"enlarge them with --resize {MINIMUM_SIZE} or more"
        )
    inputs = keras.Input(input_shape)
    x = inputs
    for stage, width in enumerate(_WIDTHS):
        x = layers.Activation("relu")(_convolution(x, width, stride=2))
        if width != _WIDTHS[-1]:
            residual = layers.Activation("relu")(_convolution(x, width))
            x = layers.Activation("relu")(layers.Add()([x, _convolution(residual, width)]))
        x = x if after_stage is None else after_stage(x, stage)
    return keras.Model(inputs, x, name=name)
