import keras
import numpy as np
import pytest

from astrokeras.models.adapter import ChannelAdapter
from astrokeras.survey.bands import band_thirds


@pytest.mark.parametrize("bands", [2, 4, 5, 12])
def test_starts_as_means_of_thirds_and_learns(bands: int):
    x = np.random.default_rng(0).normal(size=(2, 4, 4, bands)).astype(np.float32)
    layer = ChannelAdapter()
    channels = keras.ops.convert_to_numpy(layer(x))
    for channel, members in enumerate(band_thirds(bands)):
        np.testing.assert_allclose(channels[..., channel], x[..., members].mean(axis=-1), rtol=1e-5, atol=1e-6)
    assert len(layer.trainable_variables) == 1


@pytest.mark.parametrize("bands", [1, 3])
def test_one_and_three_bands_need_no_weights(bands: int):
    x = np.random.default_rng(0).normal(size=(2, 4, 4, bands)).astype(np.float32)
    layer = ChannelAdapter()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), np.broadcast_to(x, (2, 4, 4, 3)))
    assert layer.variables == []
