"""From any number of bands to the three channels that networks of `keras.applications` were made for."""

from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.survey.bands import band_thirds

_CHANNELS = 3


@keras.saving.register_keras_serializable(package="astrokeras")
class ChannelAdapter(keras.layers.Layer):
    """Three channels from B bands: themselves for three, copies for one, otherwise a trainable mixture.

    The mixture is a 1x1 convolution without bias that starts as the means of the last, middle and first third
    of the bands, so that weights learned on red, green and blue find something alike. Three bands pass
    in the order in which they are.

    Shapes:
        [N, H, W, B] -> [N, H, W, 3]
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the mixture if one is needed."""
        n_bands = input_shape[-1]
        self.mixture = None
        if n_bands not in (1, _CHANNELS):
            self.mixture = self.add_weight(shape=(n_bands, _CHANNELS), name="mixture", initializer="zeros")
            start = np.zeros((n_bands, _CHANNELS), np.float32)
            for channel, bands in enumerate(band_thirds(n_bands)):
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
