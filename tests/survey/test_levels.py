import numpy as np
import pytest
from astropy.visualization import make_lupton_rgb
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.survey.levels import NANOJANSKYS, NONLINEARITY, SCALES, levels_of, stretch


@pytest.mark.parametrize(
    ("flux", "levels"),
    [
        # S = 0.2 + 0.13 + 0.072; asinh(2.25 S) / (2.25 S) = 0.81220 / 0.9045; 256 × 0.89796 × (0.2, 0.13, 0.072)
        ((0.1, 0.05, 0.02), (45, 29, 16)),
        # S = 0.13, and a negative flux is none: asinh(0.2925) / 0.2925 = 0.98621
        ((-5, 0.05, 0), (0, 32, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((-1, -1, -1), (0, 0, 0)),
        # So bright that the largest is cut to the box: 2, 2.6 and 3.6 of 3.6
        ((1e4, 1e4, 1e4), (142, 184, 255)),
        ((1e4, 0, 0), (255, 0, 0)),
    ],
)
def test_single_pixels_by_hand(flux, levels):
    np.testing.assert_array_equal(levels_of(np.array(flux, float)), levels)


def test_a_star_keeps_its_colour_through_the_saturation_of_the_frames():
    """30 nanomaggies a pixel is as bright as levels get, with the pipeline's step there or without."""
    colour = np.array([1, 0.7, 0.3]) / 0.7
    levels = levels_of(np.array([[20.0], [30], [31], [300], [3e4]]) * colour)
    assert np.ptp(levels[1:], axis=0).max() == 0 and np.abs(levels[0] - levels[1]).max() < 15
    assert levels[1].max() == 255
    np.testing.assert_allclose(levels[1] / levels[1].max(), colour * SCALES / (colour * SCALES).max(), atol=0.005)


def test_astropy_makes_the_same_of_matching_parameters():
    """Its levels are 25.5 asinh(Q I / stretch) / asinh(Q / 10) of the mean I; ours 256 asinh(N S) / (3 N)."""
    rng = np.random.default_rng(0)
    flux = rng.normal(0, 1, (40, 40, 1)) ** 2 * rng.uniform(0, 1, (40, 40, 3)) * 10.0 ** rng.uniform(-2, 2, (40, 40, 1))
    softness = 10 * np.sinh(25.5 * 3 * NONLINEARITY / 256)
    theirs = make_lupton_rgb(
        *np.moveaxis(flux * SCALES, -1, 0), minimum=0, stretch=softness / (3 * NONLINEARITY), Q=softness
    )
    ours = levels_of(flux)
    assert np.abs(ours - theirs).max() <= 1
    assert np.mean(ours.max(axis=-1) == 255) > 0.1 < np.mean(ours.max(axis=-1) < 250)


def test_a_missing_band_stays_missing_and_counts_as_dark():
    levels = levels_of(np.array([[np.nan, 0.05, 0.02], [np.nan] * 3]))
    np.testing.assert_array_equal(levels, [[np.nan, *levels_of(np.array([0, 0.05, 0.02]))[1:]], [np.nan] * 3])


def test_surface_brightness_makes_the_levels():
    """A pixel of half the side that has a quarter of the flux shows the same sky."""
    flux = np.array([0.1, 0.05, 0.02]) * NANOJANSKYS
    stamps = np.array([flux, flux / 4, flux * (0.2 / 0.396) ** 2], np.float32).reshape(3, 1, 1, 3)
    stretch(stamps, np.array([0.396, 0.198, 0.2]))
    np.testing.assert_array_equal(stamps.reshape(3, 3), [[45, 29, 16]] * 3)


@given(st.lists(st.floats(-1e37, 1e37), min_size=3, max_size=3))
def test_levels_are_whole_numbers_of_a_byte(flux):
    levels = levels_of(np.array(flux))
    np.testing.assert_array_equal(levels.astype(np.uint8), levels)
