"""Side-tuning: a frozen encoder, and beside it a small network that is trained.

Source: Zhang et al. 2020, ECCV (arXiv 1912.13503): the output is alpha base(x) + (1 - alpha) side(x), of which alpha is
learned; Zingaro, Lisanti & Gabbrielli 2020, ICPR (arXiv 2301.07502) use it with MobileNetV2.
"""

import keras
from keras import KerasTensor, layers, ops

from astrokeras.models.joined import encoders_of
from astrokeras.models.normalization import batch_normalization

ALPHA = 0.5
"""The share of the frozen encoder at the start."""

BASE, SIDE = "base", "side"
_WIDTHS = (16, 32, 64)


@keras.saving.register_keras_serializable(package="astrokeras")
class Blend(keras.layers.Layer):
    """The weighted mean of two embeddings: alpha times the first and 1 - alpha times the second.

    What is learned is the logit of alpha, 0 at the start, so that alpha stays between 0 and 1. The second embedding is
    taken in units of `scale`, [D]: set to the spread of the first, a step of the optimizer moves the blend by as much
    whatever the encoder's units are.

    Shapes:
        two of [N, D] -> [N, D]
    """

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Make the weights."""
        self.logit = self.add_weight(shape=(), initializer="zeros", name="logit")
        self.scale = self.add_weight(shape=input_shape[0][-1:], initializer="ones", trainable=False, name="scale")

    @property
    def alpha(self) -> KerasTensor:
        """The share of the first."""
        return ops.sigmoid(self.logit)

    def call(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the blend."""
        first, second = inputs
        return self.alpha * first + (1.0 - self.alpha) * self.scale * second

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of either."""
        return input_shape[0]


def side_network(shape: tuple[int, int, int], width: int) -> keras.Model:
    """Return three convolutions of stride 2, the mean over the pixels, and a linear layer, which begins as 0.

    So it changes nothing before it has learned something.

    Args:
        shape: of stretched stamps.
        width: of the embedding.

    Shapes:
        [N, H, W, B] -> [N, width]
    """
    inputs = keras.Input(shape)
    x = inputs
    for filters in _WIDTHS:
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(batch_normalization()(x))
    x = layers.GlobalAveragePooling2D(dtype="float32")(x)
    return keras.Model(inputs, layers.Dense(width, kernel_initializer="zeros", dtype="float32")(x), name=SIDE)


def side_tuned(encoder: keras.Model) -> keras.Model:
    """Return an encoder that is blended with a side network; its own weights and statistics stay as they are.

    Both see the stamps through the encoder's stretch.

    Args:
        encoder: from flux to the embedding; it is taken over.

    Shapes:
        as the encoder's

    Example:
        >>> from keras import Input, Model, layers
        >>> from astrokeras.models.stretch import Stretch
        >>> flux = Input((16, 16, 1))
        >>> seen = Stretch("asinh", [0.0], [1.0], name="stretch")(flux)
        >>> tuned = side_tuned(Model(flux, layers.GlobalAveragePooling2D()(seen)))
        >>> [layer.name for layer in tuned.layers if layer.trainable_variables]
        ['side', 'embedding']
    """
    base = keras.Model(encoder.input, encoder.output, name=BASE)
    base.trainable = False
    stretch = encoders_of(encoder)[0].get_layer("stretch")
    flux = keras.Input(encoder.input_shape[1:], dtype="float32", name="flux")
    stretched = type(stretch).from_config(stretch.get_config())(flux)
    side = side_network(stretched.shape[1:], encoder.output_shape[-1])
    blended = Blend(dtype="float32", name="embedding")([base(flux), side(stretched)])
    return keras.Model(flux, blended, name="encoder")
