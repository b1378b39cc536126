"""A network that has learned on three colours, for any number of bands: its first convolution spread over them."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import UsageError

# What may stand before the first convolution: it changes each channel by itself, by a factor and an offset, or pads.
_SCALINGS = (keras.layers.Rescaling, keras.layers.Normalization)


@keras.saving.register_keras_serializable(package="astrokeras")
class BandScaling(keras.layers.Layer):
    """Each band times a factor, plus an offset: what a network's preprocessing does to the colour of the band.

    Args:
        factors: one a band.
        offsets: one a band.

    Shapes:
        [N, H, W, B] -> [N, H, W, B]
    """

    def __init__(self, factors: Sequence[float], offsets: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factors, self.offsets = [float(value) for value in factors], [float(value) for value in offsets]
        if len(self.factors) != len(self.offsets):
            raise ValueError(f"expected as many factors as offsets, got {len(self.factors)} and {len(self.offsets)}")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the scaled bands."""
        factors, offsets = (np.array(values, np.float32) for values in (self.factors, self.offsets))
        return inputs * ops.cast(factors, inputs.dtype) + ops.cast(offsets, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "factors": self.factors, "offsets": self.offsets}


def inflated(backbone: keras.Model, colours: Sequence[int], shares: Sequence[float]) -> keras.Model:
    """Return a backbone of three channels as one of B channels, each of which is one of the three colours.

    The kernel of the first convolution becomes, for channel b of colour c, ``shares[b]`` times that of c; where the
    shares of each colour sum to one, grey gives what it gave, and so does an image whose channels of one colour are
    alike. Then every channel has weights of its own, which training can tell apart. (Carreira and Zisserman 2017,
    arXiv 1705.07750, section 2.4, spread kernels over frames in the same way.)

    Args:
        backbone: preprocessing and network, as `applications.application` makes it.
        colours: of each channel, 0 red, 1 green, 2 blue.
        shares: of each channel.

    Shapes:
        [N, H, W, B] of about 0 to 1 -> [N, h, w, C]

    Raises:
        UsageError: the network does not begin with a plain convolution of three channels.
    """
    _, preprocessing, network = backbone.layers
    first = _first_convolution(network)
    places, factors, offsets = _scaling(preprocessing, network, first)
    side = (*backbone.input_shape[1:3], len(colours))

    def cloned(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, _SCALINGS) and not isinstance(layer, keras.layers.BatchNormalization):
            return keras.layers.Identity(name=layer.name)  # `BandScaling` does what it did
        return type(layer).from_config(layer.get_config())

    inputs = keras.Input(side)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*expects 1 or 3 input channels.*")
        wider = keras.models.clone_model(network, input_tensors=keras.Input(side), clone_function=cloned)
    kernels = first.get_weights()
    chosen = kernels[0][:, :, [places[colour] for colour in colours]]
    kernels[0] = chosen * np.array(shares, np.float32)[:, None]
    for old, new in zip(network.layers, wider.layers, strict=True):
        if not isinstance(new, keras.layers.Identity):
            new.set_weights(kernels if old is first else old.get_weights())
    scaling = BandScaling([factors[c] for c in colours], [offsets[c] for c in colours], name="preprocessing")
    return keras.Model(inputs, wider(scaling(inputs)), name=backbone.name)


def _first_convolution(network: keras.Model) -> keras.layers.Conv2D:
    """Return the convolution that the channels come to first.

    Raises:
        UsageError: something else comes before, or it is of another kind.
    """
    passed = (keras.layers.InputLayer, keras.layers.ZeroPadding2D, *_SCALINGS)
    first = next((layer for layer in network.layers if not isinstance(layer, passed)), None)
    if type(first) is not keras.layers.Conv2D or first.groups != 1 or first.kernel.shape[2] != 3:
        raise UsageError(
            f"imagenet:inflate: the network '{network.name}' does not begin with a plain convolution, which is what is "
            "spread over the bands; use imagenet:adapter or imagenet:rgb, or another network, like mobilenet_v2"
        )
    return first


def _scaling(
    preprocessing: keras.layers.Layer, network: keras.Model, first: keras.layers.Conv2D
) -> tuple[list[int], list[float], list[float]]:
    """Return what happens to red, green and blue before the first convolution.

    Returns:
        To which of its channels each goes, the factor and the offset.
    """
    pixels = np.concatenate([np.zeros((1, 3)), np.eye(3)]).astype(np.float32)[:, None, None, :]
    x = preprocessing(pixels)
    for layer in network.layers[: network.layers.index(first)]:
        if isinstance(layer, _SCALINGS):
            x = layer(x)
    black, *ones = ops.convert_to_numpy(x)[:, 0, 0, :]
    slopes = np.stack([one - black for one in ones])
    places = np.abs(slopes).argmax(axis=1).tolist()
    return places, [float(slopes[c, p]) for c, p in enumerate(places)], [float(black[p]) for p in places]
