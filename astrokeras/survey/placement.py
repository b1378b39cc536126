"""Say in which field, and on which pixel, each catalogue object lies."""

import dataclasses
import warnings

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS, FITSFixedWarning, NoConvergence
from astropy.wcs.utils import pixel_to_skycoord, proj_plane_pixel_scales, skycoord_to_pixel

from astrokeras.survey.images import ImageError, Plane
from astrokeras.survey.stamps import inside

GRID_TOLERANCE = 0.1  # pixels by which the bands of a field may differ in where they place the same sky


@dataclasses.dataclass(frozen=True)
class Field:
    """One survey image tile: its name, its shape ``(height, width)`` and, if it has one, its WCS."""

    name: str
    shape: tuple[int, int]
    wcs: WCS | None

    @property
    def title(self) -> str:
        """How messages call the field; a survey of one image has no names."""
        return f"field {self.name}" if self.name else "the image"

    @property
    def pixel_scale(self) -> float:
        """Side of a pixel in arcseconds."""
        return float(np.sqrt(np.prod(proj_plane_pixel_scales(self.wcs)))) * 3600

    def to_pixels(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """0-based x and y of ICRS positions in degrees; NaN where the projection has no answer."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            try:
                x, y = skycoord_to_pixel(SkyCoord(ra, dec, unit="deg"), self.wcs, origin=0)
            except NoConvergence as error:  # far outside a distorted field: the answer so far says just that
                x, y = error.best_solution.T
        return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)

    def to_sky(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ICRS degrees of 0-based pixel positions."""
        sky = pixel_to_skycoord(x, y, self.wcs, origin=0).icrs
        return np.asarray(sky.ra.deg), np.asarray(sky.dec.deg)


def read_field(name: str, planes: list[Plane]) -> Field:
    """The field that these bands make up.

    Raises:
        ImageError: the bands are not on one pixel grid.
    """
    shapes = {plane.pixels.shape for plane in planes}
    if len(shapes) > 1:
        raise ImageError("different_grids", f"field {name!r}: its bands have different shapes {sorted(shapes)}")
    field = Field(name, planes[0].pixels.shape, celestial_wcs(planes[0].header))
    if field.wcs is not None:
        _check_grids(field, planes[1:])
    return field


def _check_grids(field: Field, others: list[Plane]) -> None:
    height, width = field.shape
    x, y = np.array([0.0, width - 1, 0, width - 1]), np.array([0.0, 0, height - 1, height - 1])
    ra, dec = field.to_sky(x, y)
    for plane in others:
        wcs = celestial_wcs(plane.header)
        if wcs is None:
            continue
        x_other, y_other = Field(field.name, field.shape, wcs).to_pixels(ra, dec)
        offset = float(np.max(np.hypot(x_other - x, y_other - y)))
        if not offset <= GRID_TOLERANCE:
            raise ImageError(
                "different_grids",
                f"field {field.name!r}: two of its bands are {offset:.2f} pixels apart, expected the same grid",
            )


def celestial_wcs(header: fits.Header) -> WCS | None:
    """The celestial WCS of a header, None where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        warnings.simplefilter("ignore", AstropyWarning)
        try:
            wcs = WCS(header, naxis=2)
            if not wcs.has_celestial:
                return None
            sky = pixel_to_skycoord(*(wcs.wcs.crpix - 1), wcs, origin=0).icrs
        except Exception:  # damaged headers and unknown frames are refused in many ways; there is no usable WCS then
            return None
    return wcs if np.isfinite(sky.ra.deg) and np.isfinite(sky.dec.deg) else None


def assign_fields(fields: list[Field], ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Index of the field in which each object lies deepest, -1 where it lies in none.

    Depth is the distance in pixels to the nearest edge; of equal depths the first field wins.
    """
    best = np.full(len(ra), -1)
    depth = np.full(len(ra), -np.inf)
    usable = np.isfinite(ra) & np.isfinite(dec) & (np.abs(np.nan_to_num(dec)) <= 90)
    sky = SkyCoord(np.where(usable, ra, 0.0), np.where(usable, dec, 0.0), unit="deg")
    for index, field in enumerate(fields):
        height, width = field.shape
        centre = SkyCoord(*field.to_sky((width - 1) / 2, (height - 1) / 2), unit="deg")
        radius = 0.75 * np.hypot(height, width) * field.pixel_scale  # arcsec, half the diagonal and half as much again
        near = np.flatnonzero(usable & (sky.separation(centre).arcsec <= radius))
        x, y = field.to_pixels(ra[near], dec[near])
        here = np.minimum.reduce([x, y, width - 1 - x, height - 1 - y])
        better = near[inside(x, y, field.shape) & (here > depth[near])]
        depth[better] = here[np.isin(near, better)]
        best[better] = index
    return best
