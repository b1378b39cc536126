import numpy as np
import pytest
from astropy import units as u

from astrokeras.errors import UsageError
from astrokeras.survey.fluxes import check_flux_options, errors_from_ivars, magnitudes_from_fluxes


def test_magnitudes_are_those_of_astropy():
    fluxes = np.geomspace(1e-3, 1e6, 20)
    magnitudes, errors = magnitudes_from_fluxes(fluxes, fluxes * 1e-4, 22.5)
    # 3631 Jy is magnitude 0, so a nanomaggy is 3.631 µJy.
    np.testing.assert_allclose(magnitudes, (fluxes * 3631e-9 * u.Jy).to_value(u.ABmag), atol=1e-4)
    brighter, _ = magnitudes_from_fluxes(fluxes * (1 + 1e-4), fluxes, 22.5)
    np.testing.assert_allclose(errors, magnitudes - brighter, rtol=1e-3)
    micro, _ = magnitudes_from_fluxes(fluxes, fluxes, 23.9)
    np.testing.assert_allclose(micro, (fluxes * u.uJy).to_value(u.ABmag), atol=2e-3)


def test_a_flux_that_is_not_positive_or_not_measured_has_no_magnitude():
    fluxes = np.array([1.0, 0, -1, np.nan, np.inf, 1, 1, 1, 1])
    errors = np.array([0.1, 0.1, 0.1, 0.1, 0.1, np.inf, 0, -1, np.nan])
    magnitudes, sigma = magnitudes_from_fluxes(fluxes, errors, 22.5)
    np.testing.assert_array_equal(np.isfinite(magnitudes), [True] + [False] * 7 + [True])
    np.testing.assert_array_equal(np.isfinite(sigma), [True] + [False] * 8)


def test_inverse_variances():
    np.testing.assert_array_equal(errors_from_ivars(np.array([4.0, 0, -1, np.nan])), [0.5, np.inf, np.inf, np.nan])


@pytest.mark.parametrize(
    "options", [("F", None, None, None), ("F", "E", "I", 22.5), (None, "E", None, 22.5), (None, None, "I", None)]
)
def test_options_that_do_not_go_together_are_usage_errors(options: tuple):
    with pytest.raises(UsageError, match="--flux"):
        check_flux_options(*options)
