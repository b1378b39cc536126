"""Where a simulated survey points and what its camera does to the light: WCS, seeing, noise, saturation."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from astrokeras.survey.simulation.scene import REFERENCE, wavelengths
from astrokeras.survey.units import AB_ZERO_POINT_NJY

PIXEL_SCALE = 0.4  # arcsec
CENTRE = (150.1, 2.2)  # degrees
GAIN = 2.5  # electrons an ADU
SATURATE = 20000  # ADU
BLANK = -1000  # hundreds of sigma below the sky; -32768 would cost a tenth of the compressed size
_OVERLAP = 0.07
_EXPOSURE_TIME = 720.0

# Sky noise in ADU. On whole numbers a median-based estimate moves in steps of 1.48; here it stays on one step with
# and without the light of faint objects, so that bands can be compared.
_NOISE = 4.1
_DEPTH_AT = (0.36, 0.48, 0.62, 0.76, 0.90, 1.25, 1.63, 2.15)
_DEPTH = (24.0, 24.9, 24.7, 24.3, 23.6, 22.9, 22.4, 22.1)  # 5 sigma point source, AB magnitude


@dataclasses.dataclass(frozen=True)
class Pointing:
    """One pointing and its exposure in every band.

    Shapes: `fwhm`, `zero_point`, `noise`, `pedestal` [bands].
    Units: `rotation` radians, `fwhm` arcsec, `noise` and `pedestal` ADU; `dead` is (column, first row, last row).
    """

    name: str
    wcs: WCS
    rotation: float
    fwhm: NDArray[np.float64]
    zero_point: NDArray[np.float64]
    noise: NDArray[np.float64]
    pedestal: NDArray[np.float64]
    dead: tuple[tuple[int, int, int], ...]

    @property
    def adu(self) -> NDArray[np.float64]:
        """ADU a nanojansky, [bands]."""
        return 10 ** (0.4 * (self.zero_point - AB_ZERO_POINT_NJY))

    def header(self, band: str, index: int) -> fits.Header:
        """Return the image header of one band. It holds no date: the same survey is the same bytes."""
        cd = PIXEL_SCALE / 3600 * _rotation(self.rotation)
        cards = [
            *((f"CTYPE{i}", t) for i, t in ((1, "RA---TAN"), (2, "DEC--TAN"))),
            *((f"CUNIT{i}", "deg") for i in (1, 2)),
            *((f"CRVAL{i}", float(self.wcs.wcs.crval[i - 1])) for i in (1, 2)),
            *((f"CRPIX{i}", float(self.wcs.wcs.crpix[i - 1])) for i in (1, 2)),
            *((f"CD{i}_{j}", round(float(cd[i - 1, j - 1]), 16)) for i in (1, 2) for j in (1, 2)),
            ("RADESYS", "ICRS"),
            ("FIELD", self.name),
            ("FILTER", band),
            ("BUNIT", "adu"),
            ("BLANK", BLANK),
            ("EXPTIME", _EXPOSURE_TIME, "[s]"),
            ("GAIN", GAIN, "[electron/adu]"),
            ("SATURATE", SATURATE, "[adu]"),
            ("SEEING", float(self.fwhm[index]), "[arcsec] FWHM of the PSF"),
            ("MAGZPT", float(self.zero_point[index]), "AB magnitude of 1 adu"),
            ("SKYNOISE", float(self.noise[index]), "[adu] sky noise a pixel"),
        ]
        return fits.Header(cards)


def lay_out_pointings(rngs: Sequence[np.random.Generator], size: int, bands: Sequence[str]) -> list[Pointing]:
    """Return one field for each generator, on a grid of overlapping tiles around `CENTRE`."""
    plan = _tan(CENTRE, 0.0, size)
    columns = math.ceil(math.sqrt(len(rngs)))
    rows = math.ceil(len(rngs) / columns)
    step = round(size * (1 - _OVERLAP))
    fields = []
    for i, rng in enumerate(rngs):
        x = (size - 1) / 2 + (i % columns - (columns - 1) / 2) * step
        y = (size - 1) / 2 + (i // columns - (rows - 1) / 2) * step
        ra, dec = plan.all_pix2world(x, y, 0)
        centre = (round(float(ra), 8), round(float(dec), 8))
        fields.append(_observe(rng, f"F{i:02d}", centre, size, bands))
    return fields


def _observe(
    rng: np.random.Generator, name: str, centre: tuple[float, float], size: int, bands: Sequence[str]
) -> Pointing:
    lam = wavelengths(bands)
    rotation = round(math.radians(rng.uniform(-2, 2)), 8)
    fwhm = 0.92 * rng.uniform(0.92, 1.1) * (lam / REFERENCE) ** -0.25 * rng.uniform(0.95, 1.05, len(bands))
    noise = _NOISE * rng.uniform(0.97, 1.03, len(bands))
    # The noise of an aperture that holds a point source: 2.27 FWHM squared pixels, a Gaussian's noise area.
    area = 2.27 * (fwhm / PIXEL_SCALE) ** 2
    limit = 10 ** (0.4 * (AB_ZERO_POINT_NJY - np.interp(lam, _DEPTH_AT, _DEPTH)))
    zero_point = AB_ZERO_POINT_NJY - 2.5 * np.log10(limit / (5 * np.sqrt(area)) / noise)
    starts, lengths = rng.random(3), rng.uniform(0.2, 0.6, 3)
    return Pointing(
        name=name,
        wcs=_tan(centre, rotation, size),
        rotation=rotation,
        fwhm=fwhm.round(3),
        zero_point=zero_point.round(3),
        noise=noise.round(3),
        pedestal=rng.uniform(2, 12, len(bands)).round(2),
        dead=tuple(
            (int(column), int(start * size), int((start + length) * size))
            for column, start, length in zip(rng.integers(0, size, 3), starts, lengths, strict=True)
        ),
    )


def revisit(field: Pointing, visit: int, rng: np.random.Generator) -> Pointing:
    """Return a visit to a field on another night: seeing, sky and pointing are new in every band.

    The seeing is 0.8 to 1.3 times that of the field, the noise of the sky 0.95 to 1.2 times, and the field lies up to
    four pixels beside its place.
    """
    bands = len(field.fwhm)
    wcs = field.wcs.deepcopy()
    wcs.wcs.crpix += rng.uniform(-4, 4, 2).round(2)
    return dataclasses.replace(
        field,
        name=f"{field.name}V{visit}",
        wcs=wcs,
        fwhm=(field.fwhm * rng.uniform(0.8, 1.3, bands)).round(3),
        noise=(field.noise * rng.uniform(0.95, 1.2, bands)).round(3),  # within the step of `_NOISE`
        pedestal=rng.uniform(2, 12, bands).round(2),
    )


def _rotation(angle: float) -> NDArray[np.float64]:
    """Return (dx, dy) of a pixel frame to (east, north): x runs west before the frame is turned by `angle`."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[-c, s], [s, c]])


def _tan(centre: tuple[float, float], rotation: float, size: int) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = centre
    wcs.wcs.crpix = [(size + 1) / 2] * 2
    wcs.wcs.cd = PIXEL_SCALE / 3600 * _rotation(rotation)
    return wcs


def expose(signal: NDArray[np.float64], field: Pointing, index: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return what the camera writes of the light of one band.

    Args:
        signal: Noiseless image, [size, size], nJy.
        field: The pointing.
        index: Of the band.
        rng: Draws the noise.

    Returns:
        ADU, [size, size], `BLANK` where there is no measurement. Whole numbers, so that the last digit of a
        floating-point library is nowhere to be seen.
    """
    light = signal * field.adu[index]
    # Gaussian, since sky and source are many electrons; a Poisson draw branches on its last digit.
    deviation = np.sqrt(field.noise[index] ** 2 + np.maximum(light, 0) / GAIN)
    pixels = np.rint(light + field.pedestal[index] + deviation * rng.standard_normal(light.shape))
    bleeding = _bleed(pixels)
    pixels = np.clip(pixels, BLANK + 1, SATURATE)
    pixels[bleeding] = BLANK
    for column, first, last in field.dead:
        pixels[first:last, column] = BLANK
    return pixels.astype(np.int16)


def _bleed(pixels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where charge above `SATURATE` runs along the columns: a pixel lost for every full well of it."""
    lost = np.zeros(pixels.shape, bool)
    excess = np.maximum(pixels - SATURATE, 0)
    for column in np.flatnonzero(excess.any(axis=0)):
        rows = np.flatnonzero(excess[:, column])
        for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
            wells = excess[run, column].sum() / SATURATE
            if wells < 1:  # clipped, and that is all
                continue
            reach = math.ceil(wells / 2)
            lost[max(run[0] - reach, 0) : run[-1] + reach + 1, column] = True
    return lost
