"""Areas of sky, so that a split by sky shares no pixel between train and test.

With a WCS the areas are HEALPix cells (Górski et al. 2005, ApJ 622, 759), the same for every field that sees them;
without one they are square blocks of each field's pixels.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from astropy import units as u
from astropy_healpix import HEALPix

from astrokeras.errors import UsageError
from astrokeras.records.splitting.assignment import Splitting
from astrokeras.survey.placement import Field

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
            fields: the survey's fields; all with a WCS, or cells are blocks of pixels.
            stamp_size: side of a stamp in pixels; cells are at least four times as wide.
            cell_size: side of a cell in arcminutes (with a WCS) or pixels (without); None: about fifty cells in all.
            kept: `grid` of earlier cells, which are taken again.
        """
        self._fields = fields
        self.on_sky = all(field.wcs is not None for field in fields) if kept is None else "nside" in kept
        if self.on_sky and any(field.wcs is None for field in fields):
            raise UsageError("the splits to continue are by areas of sky, but an image has no WCS")
        scale = max(field.pixel_scale for field in fields) / 60 if self.on_sky else 1.0
        smallest = 4 * stamp_size * scale
        unit = "arcmin" if self.on_sky else "pixels"
        if cell_size is not None and cell_size < smallest:
            raise UsageError(f"--cell-size {cell_size:g}: expected at least four stamps across, {smallest:.3g} {unit}")
        area = sum(field.shape[0] * field.shape[1] for field in fields) * scale**2
        wanted = cell_size or max(smallest, np.sqrt(area / CELLS_WANTED))
        if self.on_sky:
            # The HEALPix resolution whose cells are nearest in area (12 nside² cells in all).
            full = np.degrees(np.sqrt(np.pi / 3)) * 60
            exponent = max(0, min(round(np.log2(full / wanted)), int(np.floor(np.log2(full / smallest)))))
            self._healpix = HEALPix(nside=kept["nside"] if kept else 2**exponent, order="nested", frame="icrs")
            self.side = float(self._healpix.pixel_resolution.to_value("arcmin"))
        else:
            self.side = float(kept["pixels"] if kept else wanted)
        if kept is not None and self.side < smallest:
            raise UsageError(
                f"the splits to continue are by areas of {self.side:.3g} {unit}; stamps of --size {stamp_size} need "
                f"at least {smallest:.3g}, four stamps across"
            )

    @property
    def grid(self) -> dict[str, int | float]:
        """What is needed to take the same cells again."""
        return {"nside": int(self._healpix.nside)} if self.on_sky else {"pixels": self.side}

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
        """Return the cell of each 0-based position of one field, int64 ``[N]``."""
        if self.on_sky:
            ra, dec = self._fields[field].to_sky(x, y)
            return np.asarray(self._healpix.lonlat_to_healpix(ra * u.deg, dec * u.deg), dtype=np.int64)
        # A padded stamp reaches over the edge: rows and columns count from -2^19.
        column, row = (np.floor(np.asarray(axis) / self.side).astype(np.int64) + _FIRST for axis in (x, y))
        return (field << 40) + (row << 20) + column

    def names(self, numbers: np.ndarray) -> np.ndarray:
        """Names of cells by which they are known again when other fields are there, text ``[N]``."""
        if self.on_sky:
            return numbers.astype(str)
        return np.array(
            [
                f"{self._fields[n >> 40].name}/{(n >> 20 & _LOW) - _FIRST}/{(n & _LOW) - _FIRST}"
                for n in numbers.tolist()
            ]
        )

    def numbers_of(self, names: Iterable[str]) -> np.ndarray:
        """Return the opposite of `names`; -1 for a block of a field that is not there now."""
        if self.on_sky:
            return np.array([int(name) for name in names], dtype=np.int64)
        index = {field.name: i for i, field in enumerate(self._fields)}
        numbers = []
        for name in names:
            field, row, column = name.rsplit("/", 2)
            known = (index[field] << 40) + (int(row) + _FIRST << 20) + int(column) + _FIRST if field in index else -1
            numbers.append(known)
        return np.array(numbers, dtype=np.int64)


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
