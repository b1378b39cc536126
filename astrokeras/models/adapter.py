"""Which bands a network gets in which order, and how it gets three channels of any number of them."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.models.rgb_bands import Colours
from astrokeras.survey.bands import band_thirds

_CHANNELS = 3


@keras.saving.register_keras_serializable(package="astrokeras")
class ChannelAdapter(keras.layers.Layer):
    """Three channels from B bands: themselves for three, copies for one, otherwise a trainable mixture.

    The mixture is a 1x1 convolution without bias that starts as the means of the last, middle and first third
    of the bands, so that weights learned on red, green and blue find something alike. Three bands pass
    in the order in which they are. With `colours` there is a mixture for any number of bands: a layer that learns to
    bring what it gets into the colours that a network has learned from (as the linear one among the modules of Morra et
    al. 2020, "Bridging the gap between natural and medical images through deep colorization", ICPR).

    Args:
        colours: the bands whose means red, green and blue start as; None as above.

    Shapes:
        [N, H, W, B] -> [N, H, W, 3]
    """

    def __init__(self, colours: Colours | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.colours = None if colours is None else [[int(band) for band in part] for part in colours]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the mixture if one is needed."""
        n_bands = input_shape[-1]
        self.mixture = None
        if self.colours is not None or n_bands not in (1, _CHANNELS):
            self.mixture = self.add_weight(shape=(n_bands, _CHANNELS), name="mixture", initializer="zeros")
            start = np.zeros((n_bands, _CHANNELS), np.float32)
            for channel, bands in enumerate(self.colours or band_thirds(n_bands)):
                start[bands, channel] = 1.0 / len(bands)
            self.mixture.assign(start)

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the three channels."""
        if self.mixture is not None:
            return ops.matmul(inputs, self.mixture)
        return ops.repeat(inputs, _CHANNELS, axis=-1) if inputs.shape[-1] == 1 else inputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[Any, ...]:
        """Return the shape of the input with three channels."""
        return (*input_shape[:-1], _CHANNELS)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "colours": self.colours}


@keras.saving.register_keras_serializable(package="astrokeras")
class BandOrder(keras.layers.Layer):
    """Puts bands into another order.

    Args:
        order: which band of the input becomes the first, the second and so on.

    Shapes:
        [N, H, W, B] -> [N, H, W, len(order)]
    """

    def __init__(self, order: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = [int(band) for band in order]

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the bands in this order."""
        return ops.stack([inputs[..., band] for band in self.order], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[Any, ...]:
        """Return the shape of the input with as many bands as there are in the order."""
        return (*input_shape[:-1], len(self.order))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "order": self.order}
