"""Areas of sky, so that a split by sky shares no pixel between train and test.

With a WCS the areas are HEALPix cells (Górski et al. 2005, ApJ 622, 759), the same for every field that sees them;
without one they are square blocks of each field's pixels.
"""

import numpy as np
from astropy.coordinates import SkyCoord
from astropy_healpix import HEALPix

from astrokeras.errors import UsageError
from astrokeras.records.splits import split_groups
from astrokeras.survey.placement import Field

CELLS_WANTED = 50  # cells in a survey where --cell-size is not given
_CORNERS = ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5))
# On the sky the tip of a cell can poke in between two corners, and fields may be turned against each other: points
# all along a slightly larger square, so close that no tip gets past them as far as the stamp itself.
_ALONG = np.linspace(-0.65, 0.65, 8, endpoint=False)
_BORDER = tuple((sign * a, sign * b) for t in _ALONG for sign in (1, -1) for a, b in ((t, -0.65), (0.65, t)))


class SkyCells:
    """Number the cell that a position of a field lies in."""

    def __init__(self, fields: list[Field], stamp_size: int, cell_size: float | None) -> None:
        """Choose the cells.

        Args:
            fields: the survey's fields; all with a WCS, or cells are blocks of pixels.
            stamp_size: side of a stamp in pixels; cells are at least four times as wide.
            cell_size: side of a cell in arcminutes (with a WCS) or pixels (without); None: about fifty cells in all.
        """
        self._fields = fields
        self.on_sky = all(field.wcs is not None for field in fields)
        scale = max(field.pixel_scale for field in fields) / 60 if self.on_sky else 1.0
        smallest = 4 * stamp_size * scale
        area = sum(field.shape[0] * field.shape[1] for field in fields) * scale**2
        unit = "arcmin" if self.on_sky else "pixels"
        if cell_size is not None and cell_size < smallest:
            raise UsageError(f"--cell-size {cell_size:g}: expected at least four stamps across, {smallest:.3g} {unit}")
        self.side = cell_size or max(smallest, np.sqrt(area / CELLS_WANTED))
        if self.on_sky:
            # The HEALPix resolution whose cells are nearest in area (12 nside² cells in all).
            full = np.degrees(np.sqrt(np.pi / 3)) * 60
            exponent = min(round(np.log2(full / self.side)), int(np.floor(np.log2(full / smallest))))
            self._healpix = HEALPix(nside=2 ** max(0, exponent), order="nested", frame="icrs")
            self.side = float(self._healpix.pixel_resolution.to_value("arcmin"))

    @property
    def description(self) -> str:
        """What the cells are, in words."""
        if self.on_sky:
            return f"HEALPix cells of {self.side:.3g} arcmin (nside {self._healpix.nside})"
        return f"blocks of {self.side:.0f} pixels"

    @property
    def border(self) -> tuple[tuple[float, float], ...]:
        """Points about a stamp, in stamp sizes from its centre; if one cell holds them all, it holds the stamp."""
        return _BORDER if self.on_sky else _CORNERS

    def numbers(self, field: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The cell of each 0-based position of one field, int64 ``[N]``."""
        if self.on_sky:
            ra, dec = self._fields[field].to_sky(x, y)
            return np.asarray(self._healpix.skycoord_to_healpix(SkyCoord(ra, dec, unit="deg")), dtype=np.int64)
        # A padded stamp reaches over the edge: rows and columns count from -2^19.
        column, row = (np.floor(np.asarray(axis) / self.side).astype(np.int64) + (1 << 19) for axis in (x, y))
        return (field << 40) + (row << 20) + column


def split_cells(
    cells: SkyCells,
    field_of: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    *,
    labels: np.ndarray,
    shares: dict[str, float],
    stamp_size: int,
    seed: int,
) -> np.ndarray:
    """Split objects by cell; a stamp that reaches into a cell of another split belongs to none.

    Returns:
        Index into `shares` of each object, ``[N]``, -1 where its stamp straddles splits.
    """
    home = _numbers(cells, field_of, x, y)
    assigned = split_groups(home, labels, shares, seed)
    known = np.unique(home)
    split_of_known = np.array([assigned[str(number)] for number in known])

    def split_at(numbers: np.ndarray) -> np.ndarray:
        place = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
        # A cell where no object lies counts as another split: a neighbour's stamps could reach into it too.
        return np.where(known[place] == numbers, split_of_known[place], -1)

    split = split_at(home)
    whole = np.ones(len(x), dtype=bool)
    for dx, dy in cells.border:
        whole &= split_at(_numbers(cells, field_of, x + dx * stamp_size, y + dy * stamp_size)) == split
    return np.where(whole, split, -1)


def _numbers(cells: SkyCells, field_of: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    numbers = np.empty(len(x), dtype=np.int64)
    for field in np.unique(field_of):
        here = field_of == field
        numbers[here] = cells.numbers(int(field), x[here], y[here])
    return numbers
