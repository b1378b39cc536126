"""Aperture photometry of a simulated survey's own images, for the measured magnitudes of its catalogue."""

import numpy as np
from numpy.typing import NDArray
from photutils.aperture import CircularAnnulus, CircularAperture

from astrokeras.survey.simulation.telescope import GAIN, SATURATE

MISSING = 99.0
_DETECTION = 2.0  # signal to noise
_SKY_GAP, _SKY_WIDTH = 4, 6  # pixels


def aperture_radius(half_light: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """Return 2.5 half-light radii of the blurred object, roughly: 96 % of a disc, 98 % of a star. Any one unit."""
    return 2.5 * np.hypot(half_light, 0.9 * fwhm)


def measure_apertures(
    pixels: NDArray[np.floating],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    radius: NDArray[np.float64],
    noise: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return flux and its error in circular apertures, above the sky around each.

    Both are NaN where the aperture touches the image's edge, a bad or saturated pixel, or where the sky cannot be
    seen, and where the object is below two sigma.

    Shapes: `pixels` [H, W]; everything else [objects].
    Units: positions and `radius` pixels; `pixels`, `noise` and the result ADU.
    """
    usable = np.where(pixels < SATURATE, pixels, np.nan)
    height, width = pixels.shape
    inside = (x - radius > -0.5) & (y - radius > -0.5) & (x + radius < width - 0.5) & (y + radius < height - 0.5)
    flux, error = np.full((2, len(x)), np.nan)
    for i in np.flatnonzero(inside):
        at, r = (x[i], y[i]), radius[i]
        sky_aperture = CircularAnnulus(at, r + _SKY_GAP, r + _SKY_GAP + _SKY_WIDTH).to_mask(method="center")
        sky = _sky(sky_aperture.get_values(usable), noise)
        if sky.size == 0:
            continue
        aperture = CircularAperture(at, r)
        total = aperture.do_photometry(usable, method="exact")[0][0] - aperture.area * sky.mean()
        variance = aperture.area * noise**2 * (1 + aperture.area / sky.size) + max(total, 0) / GAIN
        if total > _DETECTION * np.sqrt(variance):
            flux[i], error[i] = total, np.sqrt(variance)
    return flux, error


def _sky(values: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Return the values of the sky: no bad pixels, no neighbours."""
    values = values[np.isfinite(values)]
    return values[np.abs(values - np.median(values)) < 3 * noise] if values.size else values


def magnitudes(
    flux: NDArray[np.float64], error: NDArray[np.float64], zero_point: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return magnitudes and their errors to four decimals, `MISSING` where the flux is NaN."""
    magnitude = zero_point - 2.5 * np.log10(flux)
    magnitude_error = 2.5 / np.log(10) * error / flux
    return tuple(np.nan_to_num(values, nan=MISSING).round(4) for values in (magnitude, magnitude_error))
