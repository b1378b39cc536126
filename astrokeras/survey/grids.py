"""Whether two images lie on one pixel grid, perhaps shifted by whole pixels against each other."""

import numpy as np
from astropy.wcs import WCS

from astrokeras.survey import sky
from astrokeras.survey.images import ImageError, Plane
from astrokeras.survey.placement import Field

GRID_TOLERANCE = 0.1  # pixels by which two images may differ in where they place the same sky


class Grid:
    """The pixel grid of one band: its shape ``(height, width)`` and what its headers say about the sky."""

    def __init__(self, plane: Plane) -> None:
        self.shape, self.sky, self.path = tuple(plane.pixels.shape), plane.astrometry, plane.path

    @property
    def wcs(self) -> WCS | None:
        """The celestial WCS, if there is one."""
        return self.sky.wcs

    @property
    def why(self) -> str:
        """Why there is no WCS; empty where there is one."""
        return f"{self.path or 'the image'} {self.sky.why}" if self.sky.why else ""

    def field(self, name: str) -> Field:
        """Return the field that has this grid."""
        return Field(name, self.shape, self.wcs, self.why)


def grid_shift(reference: Grid, other: Grid) -> tuple[int, int] | None:
    """Return what to add to x and y on the reference grid to be at the same sky on the other.

    None where no whole pixels do.

    Compared at 25 positions from corner to corner of the reference, distortions included.

    Raises:
        ImageError: one of the two has a WCS and the other has not, or one that cannot be read, or neither has and their
            shapes differ.
    """
    if reference.shape == other.shape and reference.sky.same_text(other.sky):
        return 0, 0
    offsets = _offsets(reference, other)
    if offsets is None:
        for grid in (reference, other):
            if grid.sky.claimed and grid.wcs is None:
                raise ImageError("different_grids", f"two images cannot be brought together: {grid.why}")
        if (reference.wcs is None) != (other.wcs is None):
            without = reference if reference.wcs is None else other
            raise ImageError("different_grids", f"one band has a WCS and another has none: {without.why}")
        if reference.shape != other.shape:
            raise ImageError(
                "different_grids",
                f"bands have different shapes, {_size(reference)} and {_size(other)} pixels, and no WCS",
            )
        return 0, 0
    shift = np.round(np.median(offsets, axis=1))
    if not (np.isfinite(shift).all() and np.hypot(*(offsets - shift[:, None])).max() <= GRID_TOLERANCE):
        return None
    return int(shift[0]), int(shift[1])


def different_grids(reference: Grid, other: Grid, what: str, advice: str = "") -> ImageError:
    """Return the error for images, called `what`, that no whole-pixel shift brings together."""
    offsets = _offsets(reference, other)
    distance = np.hypot(*(offsets - np.round(np.median(offsets, axis=1))[:, None])).max()
    apart = f"up to {distance:.2f} pixels" if np.isfinite(distance) else "immeasurably far"
    return ImageError("different_grids", f"{what} are {apart} apart after the best shift by whole pixels{advice}")


def _offsets(reference: Grid, other: Grid) -> np.ndarray | None:
    """Return how far apart the two images are in x and y at 25 positions; None where their WCS cannot be compared."""
    height, width = reference.shape
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, width - 1, 5), np.linspace(0, height - 1, 5)))
    one, two = reference.sky.native, other.sky.native
    if one is not None and two is not None and _same_sphere(one, two):
        found = sky.native_to_pixels(two, *sky.native_to_sky(one, x, y))
    elif reference.wcs is not None and other.wcs is not None:
        found = sky.to_pixels(other.wcs, *sky.to_sky(reference.wcs, x, y))
    else:
        return None
    return np.array(found) - (x, y)


def _same_sphere(one: WCS, two: WCS) -> bool:
    """Return whether two WCS have the same longitude and latitude, in whatever projection and order of axes."""

    def sphere(wcs: WCS) -> tuple:
        kind = sorted(name.split("-")[0] for name in wcs.wcs.ctype)
        on_sky = kind in (["DEC", "RA"], ["GLAT", "GLON"])  # other spheres turn with time
        return kind, wcs.wcs.radesys, str(wcs.wcs.equinox), "" if on_sky else wcs.wcs.dateobs

    return sphere(one) == sphere(two)


def _size(grid: Grid) -> str:
    return f"{grid.shape[1]}×{grid.shape[0]}"
