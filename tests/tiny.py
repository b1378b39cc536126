"""A backbone for tests of all that does not depend on the network: it is built, traced and saved in no time.

Importing this registers it; for other processes, `ASTROKERAS_PLUGINS` may name this module.
"""

import keras
from keras import layers

from astrokeras.models.backbone import BACKBONES
from astrokeras.models.normalization import batch_normalization

TINY = "tiny"


@BACKBONES.register(TINY)
def tiny(input_shape: tuple[int, int, int]) -> keras.Model:
    """Return two convolutions, each normalised as those of real networks are: [N, H, W, B] -> [N, H/4, W/4, 32]."""
    inputs = keras.Input(input_shape)
    x = inputs
    for width in (16, 32):
        x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(batch_normalization()(x))
    return keras.Model(inputs, x, name=TINY)
