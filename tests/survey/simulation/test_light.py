import numpy as np
import pytest
from astropy.modeling.models import Moffat2D
from photutils.centroids import centroid_com

from astrokeras.survey.simulation import light

FWHM = 2.3
GALAXIES = ("elliptical", "spiral", "irregular")


def rng():
    return np.random.Generator(np.random.PCG64(1))


def offsets(kind, radius):
    half = light.half_size(kind, radius, FWHM)
    return half, *light.sample_offsets(half, light.oversampling(half))


@pytest.mark.parametrize("kind", GALAXIES)
@pytest.mark.parametrize("radius", [0.8, 4.0, 12.0])
def test_a_galaxy_keeps_its_flux_whatever_its_size_and_place(kind, radius):
    half, dx, dy = offsets(kind, radius)
    samples = light.galaxy(kind, radius, 0.7, rng(), dx, dy)
    flux = np.array([[3.0, 1.0], [5.0, 0.5]])
    transfers = np.stack([light.transfer(half, FWHM), light.transfer(half, 1.5 * FWHM)])
    stamp = light.convolve(samples, flux, transfers, (0.31, -0.44), light.oversampling(half))
    assert stamp.shape == (2, 2 * half, 2 * half)
    assert stamp.sum(axis=(1, 2)) == pytest.approx([8.0, 1.5])
    assert stamp.min() > -1e-3 * stamp.max()


def test_a_tiny_galaxy_is_a_star():
    half, dx, _ = offsets("elliptical", 2.0)
    point = np.zeros((2, *dx.shape))
    middle = len(dx) // 2
    point[:, middle - 1 : middle + 1, middle - 1 : middle + 1] = 1 / 4
    transfers = light.transfer(half, FWHM)[None]
    blurred = light.convolve(point, np.array([[1.0], [0.0]]), transfers, (0.3, -0.2), light.oversampling(half))[0]
    star = light.star(FWHM, half, (0.3, -0.2))
    # Four samples around the centre are a little wider than a point.
    assert np.abs(blurred - star).max() < 0.04 * star.max()


def test_shift_moves_the_centre_by_that_much():
    half, dx, dy = offsets("elliptical", 2.0)
    samples = light.galaxy("elliptical", 2.0, 0.7, rng(), dx, dy)
    transfers = light.transfer(half, FWHM)[None]
    places = [
        centroid_com(light.convolve(samples, np.ones((2, 1)), transfers, shift, light.oversampling(half))[0])
        for shift in ((0.0, 0.0), (0.4, -0.3))
    ]
    assert places[0] == pytest.approx((half - 0.5, half - 0.5), abs=1e-6)
    assert places[1] - places[0] == pytest.approx((0.4, -0.3), abs=2e-3)


def test_star_is_a_moffat_of_its_width():
    half, shift = 40, (0.25, 0.1)
    star = light.star(FWHM, half, shift)
    assert star.sum() == pytest.approx(1, abs=2e-3)
    axis = (np.arange(2 * half * 11) + 0.5) / 11 - half
    alpha = FWHM / (2 * np.sqrt(2 ** (1 / light.MOFFAT_BETA) - 1))
    model = Moffat2D(1, *shift, alpha, light.MOFFAT_BETA)
    assert model.fwhm == pytest.approx(FWHM)
    pixels = model(*np.meshgrid(axis, axis)).reshape(2 * half, 11, 2 * half, 11).sum(axis=(1, 3))
    assert star == pytest.approx(pixels / pixels.sum(), abs=1e-2 * star.max())


def test_star_stamp_ends_where_the_wings_are_faint():
    flux, faintest = 1e5, 0.5
    half = light.star_half_size(flux, FWHM, faintest)
    star = flux * light.star(FWHM, half, (0.0, 0.0))
    assert 0.6 * faintest < star[half, 0] < 1.2 * faintest
    assert light.star_half_size(1.0, FWHM, faintest) == np.ceil(4 * FWHM)


@pytest.mark.parametrize("kind", ["elliptical", "spiral"])
def test_half_light_radius_of_a_round_profile_is_its_parameter(kind):
    _, dx, dy = offsets(kind, 5.0)
    component = {"elliptical": 0, "spiral": 1}[kind]
    samples = light.galaxy(kind, 5.0, 1.0, rng(), dx, dy)[component]
    radius = light.half_light_radius(samples, np.hypot(dx, dy), 0.7)
    # The bulge loses its wings at eight radii; arms move a little of the disc's light.
    assert radius == pytest.approx(5.0, rel=0.12)


def test_spirals_have_arms_and_ellipticals_do_not():
    def contrast(kind):
        _, dx, dy = offsets(kind, 8.0)
        ring = np.abs(np.hypot(dx, dy) - 8) < 0.4
        values = light.galaxy(kind, 8.0, 1.0, rng(), dx, dy).sum(axis=0)[ring]
        return values.std() / values.mean()

    assert contrast("elliptical") < 0.15
    assert contrast("spiral") > 0.4


def test_axis_ratio_flattens():
    _, dx, dy = offsets("elliptical", 4.0)
    disc = light.galaxy("elliptical", 4.0, 0.5, rng(), dx, dy)[0]
    assert np.sqrt((disc * dy**2).sum() / (disc * dx**2).sum()) == pytest.approx(0.5, abs=0.1)
