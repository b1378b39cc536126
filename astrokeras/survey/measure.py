"""Photometry and shapes of the object in the middle of a stamp, with SEP.

Source: SEP (Barbary 2016, JOSS 1, 58), which holds the algorithms of SExtractor (Bertin and Arnouts 1996, A&AS 117,
393); total magnitudes within an ellipse after Kron (1980, ApJS 43, 305).

The bands, weighted by their inverse sky variance, are added up to one image in which the object is found and its
ellipse and radii are measured; the flux of every band is the sum over that same ellipse, so that colours compare equal
parts of the object (where the seeing of the bands is alike). Pixels of neighbours and bad pixels are replaced by those
opposite the object's centre, or by sky where these are no better; a band whose core is lost that way has no flux.
"""

import dataclasses

import numpy as np
import sep

from astrokeras.survey.stamps import MAD_TO_SIGMA

SHAPES = ("half_light_radius", "ellipticity", "position_angle", "concentration")
DETECTION_SIGMA = 1.5  # of the smoothed sum of bands, a pixel; SExtractor's default
MIN_AREA = 5  # pixels above it
SEARCH_RADIUS = 3.0  # pixels around the nominal position within which the object may lie
KRON_FACTOR, MIN_KRON_FACTOR = 2.5, 3.5  # SExtractor's PHOT_AUTOPARAMS
KRON_INTEGRATION = 6.0  # semi-axes within which the Kron radius is measured
MIN_SIGNAL_TO_NOISE = 1.0
LEVEL_NOISE = 12**-0.5  # of rounding to whole numbers; display levels may show no other
MIN_SKY_PIXELS = 20
_CLIPPED_TO_SIGMA = 1.0137  # of a normal distribution cut at three deviations


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured on N stamps of B bands; NaN where it could not be.

    Attributes:
        flux, flux_error: within the Kron ellipse, in the stamps' unit, ``[N, B]``. The error is that of the sky alone.
        shapes: ``[N]`` each: ``half_light_radius`` (pixels, of a circle, seeing included), ``ellipticity`` (1 − b/a of
            the second moments), ``position_angle`` (degrees, from +x towards +y, −90 to 90), ``concentration``
            (5 log10 of the ratio of the radii that hold 80 % and 20 % of the light; Conselice 2003, ApJS 147, 1).
    """

    flux: np.ndarray
    flux_error: np.ndarray
    shapes: dict[str, np.ndarray]

    def magnitudes(self, zero_point: float) -> tuple[np.ndarray, np.ndarray]:
        """Return ``zero_point − 2.5 log10(flux)`` and its error, float32 ``[N, B]``.

        NaN below a signal-to-noise of 1.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            seen = self.flux >= MIN_SIGNAL_TO_NOISE * self.flux_error
            magnitude = np.where(seen, zero_point - 2.5 * np.log10(self.flux), np.nan)
            error = np.where(seen, 2.5 / np.log(10) * self.flux_error / self.flux, np.nan)
        return magnitude.astype(np.float32), error.astype(np.float32)


def measure(stamps: np.ndarray, x: np.ndarray, y: np.ndarray, noise_floor: float = 0.0) -> Measured:
    """Measure the object of each stamp.

    Args:
        stamps: ``[N, S, S, B]``; bad pixels are NaN.
        x: where the object is in its stamp, 0-based column, ``[N]``; NaN: nothing is to be measured.
        y: 0-based row.
        noise_floor: the least sky noise that is believed, as of images in whole numbers.
    """
    n, bands = len(stamps), stamps.shape[-1]
    flux, flux_error = np.full((2, n, bands), np.nan)
    shapes = np.full((n, len(SHAPES)), np.nan)
    for i, stamp in enumerate(stamps):
        found = measure_stamp(stamp, float(x[i]), float(y[i]), noise_floor) if np.isfinite(x[i]) else None
        if found is not None:
            flux[i], flux_error[i], shapes[i] = found
    return Measured(flux, flux_error, dict(zip(SHAPES, shapes.T.copy(), strict=True)))


def measure_stamp(
    stamp: np.ndarray, x: float, y: float, noise_floor: float = 0.0
) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]] | None:
    """Return flux ``[B]``, its error ``[B]`` and the `SHAPES` of the object at x and y; None where there is none."""
    bands = np.ascontiguousarray(np.moveaxis(stamp, -1, 0), dtype=np.float64)
    good = np.isfinite(bands)
    border = good & _border(stamp.shape[0])
    sky, noise, n_sky = _sky(bands, border, noise_floor)
    if not np.any(noise > 0):
        return None
    try:
        objects, segments = sep.extract(
            _sum_of_bands(bands - sky, noise, good), DETECTION_SIGMA, minarea=MIN_AREA, segmentation_map=True
        )
    except Exception:  # SEP's limit of objects blended into one: nothing can be told apart here
        return None
    number = _central(objects, segments, x, y)
    if not number:
        return None
    thing = objects[number - 1 : number]
    ellipse = tuple(thing[name] for name in ("x", "y", "a", "b", "theta"))
    # Once more, now that it is known which pixels of the border belong to objects.
    sky, noise, n_sky = _sky(bands, border & (segments == 0), noise_floor)
    neighbours = (segments != 0) & (segments != number)
    clean, lost = _symmetric(bands - sky, good & ~neighbours, float(thing["x"][0]), float(thing["y"][0]))
    reference = _sum_of_bands(clean, noise, np.isfinite(clean))
    kron = float(sep.kron_radius(reference, *ellipse, np.array([KRON_INTEGRATION]))[0][0])
    factor = max(KRON_FACTOR * kron, MIN_KRON_FACTOR) if np.isfinite(kron) else MIN_KRON_FACTOR
    flux = np.array([_sum(band, ellipse, factor) for band in clean])
    area = _sum(np.ones(stamp.shape[:2]), ellipse, factor)
    # A band without sky has no noise either.
    error = noise[:, 0, 0] * np.sqrt(area * (1 + area / np.maximum(n_sky, 1)))
    shape = _shape(reference, ellipse, _sum(reference, ellipse, factor))
    rows, columns = np.indices(segments.shape)
    core = np.hypot(columns - thing["x"], rows - thing["y"]) <= np.nanmax([shape[0], 1.0])
    unknown = ~(error > 0) | np.any(lost & core, axis=(1, 2))
    flux[unknown] = error[unknown] = np.nan
    return flux, error, shape


def _border(size: int) -> np.ndarray:
    width = max(2, size // 8)
    border = np.ones((size, size), dtype=bool)
    border[width:-width, width:-width] = False
    return border


def _sky(bands: np.ndarray, where: np.ndarray, noise_floor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return level and noise ``[B, 1, 1]`` of the pixels `where`, and how many they are ``[B]``.

    NaN where they are too few.

    Mean and standard deviation within three deviations of the median: on images in whole numbers a median moves in
    steps, which the area of an aperture multiplies.
    """
    level, noise, number = np.full(len(bands), np.nan), np.full(len(bands), np.nan), np.zeros(len(bands))
    for b, (band, here) in enumerate(zip(bands, where, strict=True)):
        values = band[here]
        if len(values) < MIN_SKY_PIXELS:
            continue
        median = np.median(values)
        spread = max(MAD_TO_SIGMA * float(np.median(np.abs(values - median))), noise_floor)
        values = values[np.abs(values - median) <= 3 * spread]
        level[b], number[b] = values.mean(), len(values)
        noise[b] = max(float(values.std()) * _CLIPPED_TO_SIGMA, noise_floor)
    return level[:, None, None], noise[:, None, None], number


def _sum_of_bands(bands: np.ndarray, noise: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return the bands' sum by inverse variance, float32 ``[S, S]`` in units of its own noise; 0 where all are bad."""
    usable = noise > 0
    weight = np.where(usable & good, (noise[usable].min() / np.where(usable, noise, 1)) ** 2, 0.0)
    total = np.sum(weight * np.where(weight > 0, bands, 0.0), axis=0)
    deviation = np.sqrt(np.sum(weight * np.where(usable, weight, 0) * np.where(usable, noise, 0) ** 2, axis=0))
    return np.divide(total, deviation, out=np.zeros_like(total), where=deviation > 0).astype(np.float32)


def _central(objects: np.ndarray, segments: np.ndarray, x: float, y: float) -> int:
    """Return number of the segment at x and y, otherwise of the nearest object within `SEARCH_RADIUS`.

    0 where none is.
    """
    column, row = round(x), round(y)
    if 0 <= row < segments.shape[0] and 0 <= column < segments.shape[1] and segments[row, column]:
        return int(segments[row, column])
    if not len(objects):
        return 0
    distance = np.hypot(objects["x"] - x, objects["y"] - y)
    nearest = int(np.argmin(distance))
    return nearest + 1 if distance[nearest] <= SEARCH_RADIUS else 0


def _symmetric(bands: np.ndarray, usable: np.ndarray, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the bands with pixels that are not `usable` replaced by those opposite x and y.

    0 where these are not either.

    Returns:
        The bands, and which pixels became 0.
    """
    height, width = bands.shape[1:]
    clean, lost = np.where(usable, bands, 0.0), ~usable
    band, row, column = np.nonzero(lost)
    other_row, other_column = np.rint(2 * y - row).astype(int), np.rint(2 * x - column).astype(int)
    there = (other_row >= 0) & (other_row < height) & (other_column >= 0) & (other_column < width)
    there[there] = usable[band[there], other_row[there], other_column[there]]
    band, row, column = band[there], row[there], column[there]
    clean[band, row, column] = bands[band, other_row[there], other_column[there]]
    lost[band, row, column] = False
    return clean, lost


def _sum(image: np.ndarray, ellipse: tuple, factor: float) -> float:
    return float(sep.sum_ellipse(image, *ellipse, r=factor)[0][0])


def _shape(reference: np.ndarray, ellipse: tuple, flux: float) -> tuple[float, ...]:
    x, y, a, b, theta = ellipse
    radii, _ = sep.flux_radius(reference, x, y, KRON_INTEGRATION * a, [0.2, 0.5, 0.8], normflux=np.array([flux]))
    r20, r50, r80 = radii[0]
    concentration = 5 * np.log10(r80 / r20) if r80 > r20 > 0 else np.nan
    return (r50 if r50 > 0 and flux > 0 else np.nan), float(1 - b[0] / a[0]), float(np.degrees(theta[0])), concentration
