import keras
import numpy as np
import pytest

from astrokeras.models.stretch import Stretch

SKY, NOISE = [50.0, -3.0], [10.0, 0.5]


def stretched(kind: str, flux: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(Stretch(kind, SKY, NOISE)(flux[None, None].astype(np.float32)))[0, 0]


def test_asinh_equals_numpy_on_both_sides_of_the_sky():
    significance = np.concatenate([-np.logspace(5, -4, 40), [0.0], np.logspace(-4, 8, 60)])
    flux = np.array(SKY) + significance[:, None] * np.array(NOISE)
    expected = np.arcsinh((flux.astype(np.float32) - np.float32(SKY)) / np.float32(NOISE)) / np.arcsinh(1000)
    np.testing.assert_allclose(stretched("asinh", flux), expected, rtol=1e-5, atol=2e-7)


@pytest.mark.parametrize("kind", ["asinh", "linear"])
def test_sky_is_zero_and_a_thousand_sigma_is_one(kind: str):
    flux = np.array([SKY, np.add(SKY, np.multiply(1000, NOISE))])
    np.testing.assert_allclose(stretched(kind, flux), [[0, 0], [1, 1]], atol=1e-6)


@pytest.mark.parametrize("kind", ["asinh", "linear"])
def test_bad_pixels_are_sky_and_the_brightest_stay_finite(kind: str):
    flux = np.array([[np.nan, np.inf], [-np.inf, np.nan], [1e37, -1e37]])
    result = stretched(kind, flux)
    np.testing.assert_array_equal(result[:2], 0)
    assert np.isfinite(result).all()


def test_display_values_are_scaled_and_bad_ones_are_sky():
    np.testing.assert_allclose(
        stretched("display", np.array([[0.0, 255.0], [np.nan, 51.0]])), [[0, 1], [50 / 255, 0.2]], rtol=1e-6
    )


def test_half_precision_policy_does_not_touch_it():
    layer = Stretch("asinh", SKY, NOISE)
    assert layer.compute_dtype == "float32"
    same = Stretch.from_config(layer.get_config())
    assert (same.kind, same.sky, same.noise) == ("asinh", SKY, NOISE)


def test_noise_must_be_positive():
    with pytest.raises(ValueError, match="noise must be positive"):
        Stretch("asinh", [0.0], [0.0])
