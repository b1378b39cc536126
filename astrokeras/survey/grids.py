"""Whether two images lie on one pixel grid, perhaps shifted by whole pixels against each other."""

import functools

import numpy as np
from astropy.wcs import WCS

from astrokeras.survey.images import ImageError, Plane
from astrokeras.survey.placement import Field, celestial_wcs

GRID_TOLERANCE = 0.1  # pixels by which two images may differ in where they place the same sky
# First letters of the keywords that can have a part in a celestial WCS, distortions included.
_WCS_KEYWORDS = (
    "CTYPE", "CRVAL", "CRPIX", "CDELT", "CD", "CROTA", "CUNIT", "PC", "PV", "PS", "LONPOLE", "LATPOLE", "EQUINOX",
    "EPOCH", "RADE", "WCSAXES", "WCSNAME", "A_", "B_", "AP_", "BP_", "CPDIS", "CQDIS", "DP", "DQ", "DVERR", "D2IM",
)  # fmt: skip


class Grid:
    """The pixel grid of one band: its shape ``(height, width)`` and, made when it is asked for, its WCS."""

    def __init__(self, plane: Plane) -> None:
        self.shape, self.header = tuple(plane.pixels.shape), plane.header

    @functools.cached_property
    def wcs(self) -> WCS | None:
        """The celestial WCS, if there is one."""
        return celestial_wcs(self.header)

    @functools.cached_property
    def cards(self) -> list[tuple[str, object]]:
        """What the header says about the WCS."""
        return sorted(
            (card.keyword, str(card.value)) for card in self.header.cards if card.keyword.startswith(_WCS_KEYWORDS)
        )

    def field(self, name: str) -> Field:
        """The field that has this grid."""
        return Field(name, self.shape, self.wcs)


def grid_shift(reference: Grid, other: Grid) -> tuple[int, int] | None:
    """What to add to x and y on the reference grid to be at the same sky on the other; None where no whole pixels do.

    Compared at 25 positions from corner to corner of the reference, distortions included.

    Raises:
        ImageError: one of the two has a WCS and the other has not, or neither has and their shapes differ.
    """
    if reference.shape == other.shape and (reference.header is other.header or reference.cards == other.cards):
        return 0, 0
    if (reference.wcs is None) != (other.wcs is None):
        raise ImageError("different_grids", "one band has a WCS and another has none")
    if reference.wcs is None:
        if reference.shape != other.shape:
            raise ImageError(
                "different_grids",
                f"bands have different shapes, {_size(reference)} and {_size(other)} pixels, and no WCS",
            )
        return 0, 0
    offsets = _offsets(reference, other)
    shift = np.round(np.median(offsets, axis=1))
    if not (np.isfinite(shift).all() and np.hypot(*(offsets - shift[:, None])).max() <= GRID_TOLERANCE):
        return None
    return int(shift[0]), int(shift[1])


def different_grids(reference: Grid, other: Grid, what: str, advice: str = "") -> ImageError:
    """The error for images, called `what`, that no whole-pixel shift brings together."""
    offsets = _offsets(reference, other)
    distance = np.hypot(*(offsets - np.round(np.median(offsets, axis=1))[:, None])).max()
    apart = f"up to {distance:.2f} pixels" if np.isfinite(distance) else "immeasurably far"
    return ImageError("different_grids", f"{what} are {apart} apart after the best shift by whole pixels{advice}")


def _offsets(reference: Grid, other: Grid) -> np.ndarray:
    height, width = reference.shape
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, width - 1, 5), np.linspace(0, height - 1, 5)))
    ra, dec = reference.field("").to_sky(x, y)
    return np.array(other.field("").to_pixels(ra, dec)) - (x, y)


def _size(grid: Grid) -> str:
    return f"{grid.shape[1]}×{grid.shape[0]}"
