"""Areas of sky, so that a split by sky shares no pixel between train and test.

With a WCS the areas are HEALPix cells (Górski et al. 2005, ApJ 622, 759), the same for every field that sees them. A
field without one is divided into square blocks of its own pixels: what other fields see of the same sky is not known.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from astropy import units as u
from astropy_healpix import HEALPix

from astrokeras.errors import UsageError
from astrokeras.records.splitting.assignment import Splitting
from astrokeras.survey.placement import Field

_BLOCK = 1 << 62  # from here on numbers are those of blocks; HEALPix has fewer cells
_FIRST, _LOW = 1 << 19, (1 << 20) - 1
CELLS_WANTED = 50  # cells in a survey where --cell-size is not given
_CORNERS = ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5))
# On the sky the tip of a cell can poke in between two corners, and fields may be turned against each other: points
# all along a slightly larger square, so close that no tip gets past them as far as the stamp itself.
_ALONG = np.linspace(-0.65, 0.65, 8, endpoint=False)
_BORDER = tuple((sign * a, sign * b) for t in _ALONG for sign in (1, -1) for a, b in ((t, -0.65), (0.65, t)))


class SkyCells:
    """Number the cell that a position of a field lies in."""

    def __init__(
        self, fields: list[Field], stamp_size: int, cell_size: float | None = None, kept: Mapping | None = None
    ) -> None:
        """Choose the cells.

        Args:
            fields: the survey's fields; those without a WCS are divided into blocks of their own pixels.
            stamp_size: side of a stamp in pixels; cells are at least four times as wide.
            cell_size: side of a cell in arcminutes (in pixels if no field has a WCS); None: about fifty cells in all.
            kept: `grid` of earlier cells, which are taken again.
        """
        self._fields = fields
        kept = kept or {}
        in_blocks = "pixels" in kept and "nside" not in kept  # all of them, as they were earlier
        self._seen = [field.wcs is not None and not in_blocks for field in fields]
        scales = [field.pixel_scale / 60 for field, seen in zip(fields, self._seen, strict=True) if seen]
        scale = max(scales) if scales else 1.0
        smallest, unit = 4 * stamp_size * scale, "arcmin" if scales else "pixels"
        if cell_size is not None and cell_size < smallest:
            raise UsageError(f"--cell-size {cell_size:g}: expected at least four stamps across, {smallest:.3g} {unit}")
        area = sum(field.shape[0] * field.shape[1] for field in fields) * scale**2
        wanted = cell_size or max(smallest, np.sqrt(area / CELLS_WANTED))
        self.grid: dict[str, int | float] = {}
        """What is needed to take the same cells again."""
        if scales:
            # The HEALPix resolution whose cells are nearest in area (12 nside² cells in all).
            full = np.degrees(np.sqrt(np.pi / 3)) * 60
            exponent = max(0, min(round(np.log2(full / wanted)), int(np.floor(np.log2(full / smallest)))))
            self._healpix = HEALPix(nside=kept.get("nside", 2**exponent), order="nested", frame="icrs")
            self.grid["nside"] = int(self._healpix.nside)
            self._check(self.side, smallest, unit, stamp_size)
        if not all(self._seen):
            self.grid["pixels"] = float(kept.get("pixels", wanted / scale))
            self._check(self.grid["pixels"] * scale, smallest, unit, stamp_size)

    @staticmethod
    def _check(side: float, smallest: float, unit: str, stamp_size: int) -> None:
        if side < smallest * (1 - 1e-9):
            raise UsageError(
                f"the splits to continue are by areas of {side:.3g} {unit}; stamps of --size {stamp_size} need "
                f"at least {smallest:.3g}, four stamps across"
            )

    @property
    def side(self) -> float:
        """Side of a cell on the sky in arcminutes, or if there is none of a block in pixels."""
        return float(self._healpix.pixel_resolution.to_value("arcmin")) if "nside" in self.grid else self.grid["pixels"]

    @property
    def description(self) -> str:
        """What the cells are, in words."""
        words = []
        if "nside" in self.grid:
            words.append(f"HEALPix cells of {self.side:.3g} arcmin (nside {self.grid['nside']})")
        if "pixels" in self.grid:
            words.append(f"blocks of {self.grid['pixels']:.0f} pixels")
        return " and ".join(words)

    @property
    def border(self) -> tuple[tuple[float, float], ...]:
        """Points about a stamp, in stamp sizes from its centre; if one cell holds them all, it holds the stamp."""
        return _BORDER if "nside" in self.grid else _CORNERS

    def numbers(self, field: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the cell of each 0-based position of one field, int64 ``[N]``."""
        if self._seen[field]:
            ra, dec = self._fields[field].to_sky(x, y)
            return np.asarray(self._healpix.lonlat_to_healpix(ra * u.deg, dec * u.deg), dtype=np.int64)
        # A padded stamp reaches over the edge: rows and columns count from -2^19.
        column, row = (np.floor(np.asarray(axis) / self.grid["pixels"]).astype(np.int64) + _FIRST for axis in (x, y))
        return _BLOCK + (field << 40) + (row << 20) + column

    def names(self, numbers: np.ndarray) -> np.ndarray:
        """Names of cells by which they are known again when other fields are there, text ``[N]``."""
        return np.array([str(n) if n < _BLOCK else self._block(n - _BLOCK) for n in numbers.tolist()])

    def _block(self, number: int) -> str:
        field = self._fields[number >> 40].name
        return f"{field}/{(number >> 20 & _LOW) - _FIRST}/{(number & _LOW) - _FIRST}"

    def numbers_of(self, names: Iterable[str]) -> np.ndarray:
        """Return the opposite of `names`; -1 for a block of a field that is not there now."""
        index = {field.name: i for i, field in enumerate(self._fields)}
        return np.array([self._number_of(name, index) for name in names], dtype=np.int64)

    @staticmethod
    def _number_of(name: str, index: Mapping[str, int]) -> int:
        if "/" not in name:
            return int(name)
        field, row, column = name.rsplit("/", 2)
        if field not in index:
            return -1
        return _BLOCK + (index[field] << 40) + (int(row) + _FIRST << 20) + int(column) + _FIRST


def split_cells(
    cells: SkyCells,
    field_of: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    *,
    labels: np.ndarray,
    classes: tuple[str, ...],
    splitting: Splitting,
    stamp_size: int,
) -> np.ndarray:
    """Split objects by cell; a stamp that reaches into a cell of another split belongs to none.

    Args:
        cells: of the survey.
        field_of: index of each object's field, ``[N]``.
        x: 0-based pixel columns, ``[N]``.
        y: 0-based pixel rows, ``[N]``.
        labels: index of each object's class, -1 where unlabelled, ``[N]``.
        classes: names of the classes.
        splitting: knows the cells that have a split already, and learns of the others.
        stamp_size: side of a stamp in pixels.

    Returns:
        Index into the shares of each object, ``[N]``, -1 where its stamp straddles splits.
    """
    order = np.argsort(field_of, kind="stable")
    fields, starts = np.unique(field_of[order], return_index=True)
    parts = list(zip(fields.tolist(), np.split(order, starts[1:]), strict=True))

    def numbers_at(dx: float, dy: float) -> np.ndarray:
        numbers = np.empty(len(x), dtype=np.int64)
        for field, part in parts:
            numbers[part] = cells.numbers(field, x[part] + dx, y[part] + dy)
        return numbers

    present, member_of = np.unique(numbers_at(0, 0), return_inverse=True)
    split = splitting.split_groups(cells.names(present), member_of, labels, classes)[member_of]
    # Cells of earlier records count too: an object on them is in the split of its cell, now or then.
    shares = list(splitting.shares)
    known = cells.numbers_of(splitting.groups)
    split_of_known = np.array([shares.index(group.split) for group in splitting.groups.values()])
    split_of_known, known = split_of_known[np.argsort(known)], np.sort(known)

    whole = np.ones(len(x), dtype=bool)
    for dx, dy in cells.border:
        numbers = numbers_at(dx * stamp_size, dy * stamp_size)
        place = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
        # A cell that no split has counts as another: a neighbour's stamps could reach into it too.
        whole &= (known[place] == numbers) & (split_of_known[place] == split)
    return np.where(whole, split, -1)
