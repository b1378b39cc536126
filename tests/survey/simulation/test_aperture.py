import numpy as np
import pytest

from astrokeras.survey.simulation.aperture import MISSING, aperture_radius, magnitudes, measure_apertures
from astrokeras.survey.simulation.telescope import SATURATE

NOISE = 4.0
X, Y = np.array([40.3, 99.6, 150.0]), np.array([60.2, 120.4, 40.0])
RADIUS = np.array([8.0, 8.0, 8.0])


def image(fluxes, pedestal=11.0, noise=NOISE):
    y, x = np.indices((180, 200))
    pixels = pedestal + noise * np.random.Generator(np.random.PCG64(2)).standard_normal(y.shape)
    for flux, x0, y0 in zip(fluxes, X, Y, strict=True):
        pixels += flux / (2 * np.pi * 1.5**2) * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 1.5**2))
    return pixels


def test_flux_above_the_sky_and_its_error():
    fluxes = np.array([3e3, 1e4, 3e4])
    flux, error = measure_apertures(image(fluxes), X, Y, RADIUS, NOISE)
    assert np.all(np.abs(flux - fluxes) < 4 * error)
    assert error == pytest.approx(np.sqrt(np.pi * 64 * NOISE**2 + fluxes / 2.5), rel=0.25)


def test_a_bright_neighbour_in_the_annulus_is_not_sky():
    pixels = image([5e3, 5e3, 5e3])
    expected, _ = measure_apertures(pixels, X, Y, RADIUS, NOISE)
    pixels[58:64, 54:57] += 2000
    flux, _ = measure_apertures(pixels, X, Y, RADIUS, NOISE)
    assert flux == pytest.approx(expected, abs=0.3 * NOISE * np.sqrt(np.pi * 64))


def test_below_two_sigma_is_not_detected():
    flux, error = measure_apertures(image([0.0, 1e4, 1e4]), X, Y, RADIUS, NOISE)
    assert np.isnan(flux).tolist() == [True, False, False] == np.isnan(error).tolist()


@pytest.mark.parametrize("value", [np.nan, SATURATE])
def test_a_bad_pixel_in_the_aperture_spoils_that_object_only(value):
    pixels = image([1e4, 1e4, 1e4])
    pixels[124, 99] = value
    flux, _ = measure_apertures(pixels, X, Y, RADIUS, NOISE)
    assert np.isnan(flux).tolist() == [False, True, False]


def test_a_bad_pixel_in_the_annulus_is_left_out():
    pixels = image([1e4, 1e4, 1e4])
    expected, _ = measure_apertures(pixels, X, Y, RADIUS, NOISE)
    pixels[124, 113] = np.nan
    flux, _ = measure_apertures(pixels, X, Y, RADIUS, NOISE)
    assert np.isfinite(flux).all()
    assert flux[1] == pytest.approx(expected[1], abs=20)


@pytest.mark.parametrize("at", [(7.4, 90.0), (192.0, 90.0), (90.0, 7.4), (90.0, 172.0), (-30.0, 50.0)])
def test_an_aperture_over_the_edge_measures_nothing(at):
    flux, _ = measure_apertures(image([0, 0, 0]) + 100 * np.eye(180, 200), *np.array(at)[:, None], RADIUS[:1], NOISE)
    assert np.isnan(flux).all()


def test_no_sky_no_flux():
    pixels = image([1e4, 1e4, 1e4])
    y, x = np.indices(pixels.shape)
    pixels[np.hypot(x - X[0], y - Y[0]) > 9] = np.nan
    flux, _ = measure_apertures(pixels, X, Y, RADIUS, NOISE)
    assert np.isnan(flux).all()


def test_magnitudes_are_those_of_the_zero_point_and_99_is_missing():
    magnitude, error = magnitudes(np.array([100.0, np.nan]), np.array([1.0, np.nan]), 25.0)
    assert magnitude.tolist() == [20.0, MISSING]
    assert error.tolist() == [0.0109, MISSING]


def test_aperture_grows_with_object_and_seeing():
    small, large = aperture_radius(np.array([0.0, 2.0]), 1.0)
    assert small == pytest.approx(2.25)
    assert large == pytest.approx(2.5 * np.hypot(2, 0.9))
