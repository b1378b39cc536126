import astropy.convolution
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from keras import ops

from astrokeras.pipeline.augment import SurveyInfo, augmentation

FACTS = SurveyInfo(("g", "r", "i"), (50.0, 0.0, -5.0), (10.0, 1.0, 0.1), "image")


def run(spec: str, flux: np.ndarray, draws: np.ndarray, size: int | None = None) -> np.ndarray:
    chain = augmentation(spec, FACTS)
    assert chain is not None
    return ops.convert_to_numpy(chain(flux.astype(np.float32), draws.astype(np.float32), size))


def uniform(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_noise_is_in_units_of_each_bands_sky_noise():
    draws = uniform(100, 3)
    added = run("noise(2)", np.zeros((100, 30, 30, 3)), draws).astype(np.float64)
    expected = 2 * draws[:, :1] * np.array(FACTS.noise)
    np.testing.assert_allclose(added.std(axis=(1, 2)), expected, rtol=0.12)
    standard = (added / expected[:, None, None]).ravel()
    assert scipy.stats.kstest(standard, "norm").pvalue > 1e-3
    # No band has the noise of another one.
    bands = (added / expected[:, None, None]).reshape(-1, 3)
    assert abs(np.corrcoef(bands.T) - np.eye(3)).max() < 4 / np.sqrt(len(bands))


def test_noise_leaves_missing_pixels_missing():
    flux = np.ones((4, 6, 6, 3))
    flux[1, 2:4, :, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(run("noise(1)", flux, uniform(4, 3))), np.isnan(flux))


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 3.0])
def test_blur_is_the_gaussian_of_fourier_space(sigma: float):
    """Which scipy applies to a stamp between mirrors, the period of which is twice its size."""
    flux = np.random.default_rng(0).normal(50, 10, (1, 20, 20, 3))
    flux[0, 9, 12] = 5000
    blurred = run("blur(5)", flux, np.array([[sigma / 5]]))[0]
    for band in range(3):
        mirrored = np.pad(flux[0, ..., band], ((0, 20), (0, 20)), mode="symmetric")
        expected = np.fft.ifft2(scipy.ndimage.fourier_gaussian(np.fft.fft2(mirrored), sigma)).real[:20, :20]
        np.testing.assert_allclose(blurred[..., band], expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("sigma", [1.5, 2.0, 4.0])
def test_wide_blurs_are_those_of_a_sampled_gaussian(sigma: float):
    flux = np.random.default_rng(0).normal(50, 10, (1, 32, 32, 3))
    flux[0, 12, 15] = 5000
    blurred = run("blur(5)", flux, np.array([[sigma / 5]]))[0, ..., 0]
    expected = scipy.ndimage.gaussian_filter(flux[0, ..., 0], sigma, mode="reflect", truncate=8)
    np.testing.assert_allclose(blurred, expected, rtol=1e-3)


def test_ringing_is_as_documented():
    lone = np.zeros((50, 21, 21, 3))
    lone[:, 10, 10] = 1
    lowest = run("blur(5)", lone, np.linspace(0, 1, 50)[:, None]).min(axis=(1, 2, 3))
    assert -0.02 < lowest.min() < -0.01
    assert 0.2 < 5 * np.argmin(lowest) / 49 < 0.8


def test_blur_conserves_flux_and_widens_by_its_variance():
    y, x = np.mgrid[:41, :41] - 20.0
    blob = np.exp(-(x**2 + y**2) / (2 * 1.2**2))[None, ..., None] * np.array([100.0, 1.0, 1e4])
    draws = uniform(30, 1)
    blurred = run("blur(2)", np.repeat(blob, 30, axis=0), draws)
    np.testing.assert_allclose(blurred.sum(axis=(1, 2)), np.tile(blob.sum(axis=(1, 2)), (30, 1)), rtol=1e-5)
    width = np.einsum("nyxb,yx->nb", blurred, x**2) / blurred.sum(axis=(1, 2))
    before = np.einsum("nyxb,yx->nb", blob, x**2) / blob.sum(axis=(1, 2))
    np.testing.assert_allclose(width - before, np.repeat((2 * draws) ** 2, 3, axis=1), rtol=1e-3, atol=1e-3)


def test_blur_around_missing_pixels_is_astropys():
    flux = np.random.default_rng(1).normal(50, 10, (1, 24, 24, 3))
    flux[0, 5:8, 6, 0] = np.nan
    flux[0, :, :, 1] = np.nan
    sigma = 1.5
    blurred = run("blur(3)", flux, np.array([[sigma / 3]]))[0]
    kernel = np.exp(-(np.arange(-12, 13) ** 2) / (2 * sigma**2))
    framed = np.pad(flux[0, ..., 0], 12, mode="symmetric")
    expected = astropy.convolution.convolve(
        framed, np.outer(kernel, kernel), nan_treatment="interpolate", preserve_nan=True, boundary=None
    )[12:-12, 12:-12]
    np.testing.assert_allclose(blurred[..., 0], expected, rtol=1e-4)
    assert np.isnan(blurred[..., 1]).all()
    assert np.isfinite(blurred[..., 2]).all()


def test_erase_takes_a_square_that_may_lie_anywhere():
    draws = uniform(3000, 2)
    missing = np.isnan(run("erase(0.25)", np.ones((3000, 16, 16, 3)), draws))
    np.testing.assert_array_equal(missing, missing[..., :1].repeat(3, axis=-1))
    missing = missing[..., 0]
    for stamp, (down, right) in zip(missing[:50], np.floor(draws * 16).astype(int), strict=False):
        expected = np.zeros((16, 16), bool)
        expected[max(down - 2, 0) : down + 2, max(right - 2, 0) : right + 2] = True
        np.testing.assert_array_equal(stamp, expected)
    # Every pixel away from the edge is under 16 of the 256 places.
    np.testing.assert_allclose(missing[:, 3:13, 3:13].mean(axis=0), 1 / 16, atol=0.025)


def test_erase_hits_the_part_that_is_seen():
    """With a margin around it the square is a share of what is left, and lies there."""
    small = np.isnan(run("erase(0.5)", np.ones((200, 24, 24, 3)), uniform(200, 2), 8))
    np.testing.assert_array_equal(small, np.isnan(run("erase(0.5)", np.ones((200, 8, 8, 3)), uniform(200, 2))))
    assert small.any(axis=(1, 2, 3)).all()


def test_bands_are_dropped_independently_but_never_all():
    missing = np.isnan(run("drop_band(0.4)", np.ones((4000, 2, 2, 3)), uniform(4000, 3)))
    np.testing.assert_array_equal(missing, missing[:, :1, :1].repeat(2, axis=1).repeat(2, axis=2))
    dropped = missing[:, 0, 0]
    assert not dropped.all(axis=1).any()
    # Each combination in its share; where all would go one stays, each as likely.
    expected = {count: 0.4**count * 0.6 ** (3 - count) for count in (0, 1, 2)}
    expected[2] += 0.4**3 / 3
    patterns, counts = np.unique(dropped, axis=0, return_counts=True)
    assert len(patterns) == 7
    shares = [expected[int(pattern.sum())] for pattern in patterns]
    assert scipy.stats.chisquare(counts, np.array(shares) * 4000).pvalue > 1e-3
    assert not np.isnan(run("drop_band(0)", np.ones((50, 2, 2, 3)), uniform(50, 3))).any()
