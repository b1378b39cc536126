"""Find the objects on a field with SEP.

Source: SEP (Barbary 2016, JOSS 1, 58), which holds the algorithms of SExtractor (Bertin and Arnouts 1996, A&AS 117,
393): background on a mesh, a 3×3 pixel filter, a threshold, and deblending by SExtractor's defaults.
"""

import dataclasses

import numpy as np
import sep

from astrokeras.errors import UsageError, unknown_name
from astrokeras.survey.cutting import Cutting, aligned_planes
from astrokeras.survey.grids import Grid
from astrokeras.survey.images import ImageError, Plane
from astrokeras.survey.placement import Field

MESH = 64  # pixels, side of the background's boxes; SExtractor's default
MAX_PIXEL_STACK = 1 << 28
MAX_SUB_OBJECTS = 1 << 16
COLUMNS = ("X", "Y", "RA", "DEC", "A", "B", "THETA", "NPIX", "PEAK", "FLAG", "DEPTH")


@dataclasses.dataclass(frozen=True)
class Detection:
    """How objects are found.

    Attributes:
        bands: indices of the bands that are added up.
        threshold: in units of the filtered sum's sky noise.
        min_area: number of adjoining pixels above the threshold.
    """

    bands: tuple[int, ...]
    threshold: float
    min_area: int


def parse_detection(text: str, bands: tuple[str, ...], threshold: float, min_area: int) -> Detection:
    """Read ``--detect``: ``r`` or ``r+i``.

    Raises:
        UsageError: a name that is no band, or a threshold that is not positive.
    """
    names = [name.strip() for name in text.split("+")]
    for name in names:
        if name not in bands:
            raise UsageError(unknown_name("--detect: band", name, bands))
    if not threshold > 0:
        raise UsageError(f"--detect-threshold {threshold}: expected a positive number of sigma")
    return Detection(tuple(sorted({bands.index(name) for name in names})), threshold, min_area)


def detect_field(cutting: Cutting, detection: Detection, name: str) -> dict[str, np.ndarray]:
    """Return the objects of one field, sorted by y and x.

    Returns:
        ``X``, ``Y`` (0-based pixels on the first band's grid: the barycentre), ``RA``, ``DEC`` (ICRS degrees; NaN
        without WCS), ``A``, ``B`` (pixels), ``THETA`` (degrees from +x towards +y) of the second moments above the
        threshold, ``NPIX``, ``PEAK`` (of the filtered sum, in units of its pixel noise), ``FLAG`` (SEP's), ``DEPTH``
        (pixels to the nearest edge), ``[N]`` each.

    Raises:
        ImageError: an image cannot be used, or SEP gives up.
    """
    field, image, bad = _signal_to_noise(cutting, detection, name)
    objects = _extract(image, bad, detection)
    objects = objects[np.lexsort((objects["x"], objects["y"]))]
    x, y = objects["x"], objects["y"]
    ra, dec = field.to_sky(x, y) if field.wcs is not None and len(x) else np.full((2, len(x)), np.nan)
    height, width = field.shape
    return {
        "X": x,
        "Y": y,
        "RA": ra,
        "DEC": dec,
        "A": objects["a"],
        "B": objects["b"],
        "THETA": np.degrees(objects["theta"]),
        "NPIX": objects["npix"].astype(np.int64),
        "PEAK": objects["cpeak"],
        "FLAG": objects["flag"].astype(np.int64),
        "DEPTH": np.minimum.reduce([x, y, width - 1 - x, height - 1 - y]),
    }


def _signal_to_noise(cutting: Cutting, detection: Detection, name: str) -> tuple[Field, np.ndarray, np.ndarray]:
    """Return the bands above their background, added up by inverse sky variance, in units of the sum's own sky noise.

    At each pixel S = Σ fᵢ/σᵢ² / √(Σ 1/σᵢ²), with flux f above the background and background noise σ in one unit; a bad
    pixel of a band does not contribute. One band is in memory at a time, beside the two sums.

    Returns:
        The field, S as float32 ``[H, W]`` (0 where all bands are bad), and where they all are bad.
    """
    total = weight = field = None
    zero_points = cutting.zero_points.of(name)
    for plane in aligned_planes(cutting, name):
        if field is None:
            field = Grid(plane).field(name)
        if plane.band not in detection.bands:
            continue
        flux, inverse = _above_background(plane, zero_points.scale(plane))
        if len(detection.bands) == 1:
            flux *= inverse
            return field, flux, inverse == 0
        # Relative to the first band's noise, so that no unit is too small or too large for 32 bits.
        if total is None:
            unit = 1 / float(np.median(inverse[inverse > 0])) if inverse.any() else 1.0
            total, weight = np.zeros(field.shape, np.float32), np.zeros(field.shape, np.float32)
        flux *= inverse
        inverse *= unit
        flux *= inverse
        total += flux
        np.square(inverse, out=inverse)
        weight += inverse
    bad = weight == 0
    np.divide(total, np.sqrt(weight, out=weight), out=total, where=~bad)
    return field, total, bad


def _above_background(plane: Plane, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return flux above the background, and 1 / the background's noise, float32 ``[H, W]``.

    Both are 0 at bad pixels.
    """
    with np.errstate(over="ignore"):
        pixels = np.array(plane.pixels[:], dtype=np.float32, order="C")
    bad = ~np.isfinite(pixels)
    pixels[bad] = 0
    if bad.all():
        return pixels, np.zeros_like(pixels)
    try:
        background = sep.Background(pixels, mask=bad, bw=MESH, bh=MESH)
    except Exception as error:
        raise ImageError("detection_failed", f"no background can be measured: {error}") from None
    background.subfrom(pixels)
    noise = background.rms(dtype=np.float32)
    bad |= ~(noise > 0)
    pixels[bad] = noise[bad] = 0
    np.divide(1, noise, out=noise, where=~bad)
    pixels *= np.float32(scale)
    noise /= np.float32(scale)
    return pixels, noise


def _extract(image: np.ndarray, bad: np.ndarray, detection: Detection) -> np.ndarray:
    """Return SEP's objects; its buffers are made larger when they overflow, which changes no result."""
    while True:
        try:
            return sep.extract(image, detection.threshold, mask=bad, minarea=detection.min_area)
        except Exception as error:
            if "pixel buffer full" in str(error) and sep.get_extract_pixstack() < MAX_PIXEL_STACK:
                sep.set_extract_pixstack(sep.get_extract_pixstack() * 4)
            elif "deblending overflow" in str(error) and sep.get_sub_object_limit() < MAX_SUB_OBJECTS:
                sep.set_sub_object_limit(sep.get_sub_object_limit() * 4)
            else:
                raise ImageError("detection_failed", f"SEP cannot tell the objects apart: {error}") from None
