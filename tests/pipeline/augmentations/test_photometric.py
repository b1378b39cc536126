import numpy as np
import pytest
import scipy.stats
from keras import ops

from astrokeras.errors import UsageError
from astrokeras.pipeline.augment import SurveyInfo, augmentation


def run(spec: str, flux: np.ndarray, draws: np.ndarray, bands: str) -> np.ndarray:
    names = tuple(bands.split())
    chain = augmentation(spec, SurveyInfo(names, (50.0,) * len(names), (10.0,) * len(names), "nJy"))
    assert chain is not None
    return ops.convert_to_numpy(chain(flux.astype(np.float32), draws.astype(np.float32)))


def dimming(spec: str, bands: str, draws: np.ndarray) -> np.ndarray:
    """By how many magnitudes light above the sky becomes fainter, [N, B]."""
    light = np.full((len(draws), 2, 2, len(bands.split())), 1000.0)
    return -2.5 * np.log10((run(spec, 50 + light, draws, bands) - 50) / light)[:, 0, 0]


def test_reddening_is_that_of_schlafly_and_finkbeiner():
    """E(B-V) of 0.1 and 0.3 with the coefficients of their table 6 at R_V = 3.1."""
    extinction = dimming("redden(0.3)", "u g r i z", np.array([[1 / 3], [1.0]]))
    expected = np.outer([0.1, 0.3], [4.239, 3.303, 2.285, 1.698, 1.263])
    np.testing.assert_allclose(extinction, expected, atol=1e-3)
    infrared = dimming("redden(1)", "Z Y J H Ks", np.ones((1, 1)))
    np.testing.assert_allclose(infrared, [[1.263, 1.088, 0.709, 0.449, 0.302]], atol=1e-3)


def test_reddening_by_given_coefficients():
    np.testing.assert_allclose(dimming("redden(0.5,F378=4.2,r=2)", "F378 r", np.ones((1, 1))), [[2.1, 1.0]], atol=1e-3)


def test_a_bluer_band_is_never_dimmed_less():
    extinction = dimming("redden(0.3)", "U u B g V r R i I z y J H K", np.ones((1, 1)))[0]
    assert (np.diff(extinction) < 0).all()


def test_brightness_is_grey_and_uniform_in_magnitudes():
    draws = np.random.default_rng(0).random((2000, 1))
    fainter = dimming("brightness(0.2)", "g r", draws)
    np.testing.assert_allclose(fainter[:, 0], fainter[:, 1], atol=1e-4)
    assert scipy.stats.kstest(fainter[:, 0], "uniform", (-0.2, 0.4)).pvalue > 1e-3


@pytest.mark.parametrize("spec", ["redden(1)", "brightness(1)"])
def test_the_sky_stays_and_so_do_missing_pixels(spec: str):
    flux = np.full((3, 4, 4, 2), 50.0)
    flux[1, 2, 2, 0] = np.nan
    np.testing.assert_array_equal(run(spec, flux, np.ones((3, 1)), "g r"), flux)


def test_unknown_bands_are_named_with_the_way_out():
    facts = SurveyInfo(("g", "F378", "F395"), (0.0,) * 3, (1.0,) * 3)
    with pytest.raises(UsageError, match=r"known for band F378, F395; give .* redden\(0.3,F378=…,F395=…\)$"):
        augmentation("redden(0.3)", facts)
    with pytest.raises(UsageError, match="the records have no band F379; they have g, F378, F395"):
        augmentation("redden(0.3,F379=4,F395=3)", facts)
    with pytest.raises(UsageError, match="F378 is blue, expected a number from 0 to 20"):
        augmentation("redden(0.3,F378=blue)", facts)
