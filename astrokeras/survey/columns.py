"""Columns of a catalogue by name, and their cells as numbers or text."""

import re
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table

from astrokeras.errors import UsageError, unknown_name

EXACT = 2**53  # beyond it float64 does not hold every integer
_ELEMENT = re.compile(r"(.+?)((?:\[\d{1,9}\])+)\Z")


def as_text(column: MaskedColumn) -> np.ndarray:
    """Return values as text: whole numbers without a decimal point, no padding, empty where masked or NaN.

    Raises:
        UsageError: a row holds several values.
    """
    if column.ndim != 1:
        raise UsageError(
            f"catalogue column {column.name!r} holds arrays, expected one value a row; {column.name}[0] is the first"
        )
    if column.dtype.kind in "iub":
        text = np.asarray(column.filled(np.zeros((), column.dtype)[()])).astype(str)
    elif column.dtype.kind == "f":
        text = _floatsas_text(np.asarray(column.filled(0.0)))
    elif column.dtype.kind == "S":
        text = _decoded(np.asarray(column.filled(b"")))
    else:
        values = np.asarray(column.data)
        text = np.char.strip(values if values.dtype.kind == "U" else np.array([str(value) for value in values]))
    mask = np.ma.getmaskarray(column)
    if mask.any():
        text[mask] = ""
    return text


def _floatsas_text(values: np.ndarray) -> np.ndarray:
    whole = np.abs(values) < 2**63  # not NaN either
    whole[whole] = values[whole] % 1 == 0
    text = np.where(whole, values, 0).astype(np.int64).astype(str).astype(object)
    for i in np.flatnonzero(~whole):
        value = float(values[i])
        text[i] = "" if np.isnan(value) else str(int(value)) if np.isfinite(value) and value % 1 == 0 else repr(value)
    return text.astype(str)


def _decoded(values: np.ndarray) -> np.ndarray:
    values = np.ascontiguousarray(values)  # a column of a FITS table lies in strides
    if values.dtype.itemsize and np.any(values.view(np.uint8) > 127):
        return np.char.strip(np.char.decode(values, "utf-8", "replace"))
    return np.char.strip(values.astype(str))


def split_element(name: str) -> tuple[str, str]:
    """Return ``PSFMAG[2]`` as ``PSFMAG`` and ``[2]``; any other name with nothing after it."""
    match = _ELEMENT.match(name)
    return (match[1], match[2]) if match else (name, "")


def element_of(table: Table, name: str) -> MaskedColumn:
    """Return a column of the table, or an element of each of its arrays, counted from 0.

    Raises:
        UsageError: no row has that element.
    """
    if name in table.colnames:
        return MaskedColumn(table[name])
    whole, index = split_element(name)
    column, places = MaskedColumn(table[whole]), tuple(int(digits) for digits in re.findall(r"\d+", index))
    if column.dtype != object:
        if len(places) != column.ndim - 1 or any(i >= n for i, n in zip(places, column.shape[1:], strict=True)):
            has = " x ".join(map(str, column.shape[1:])) or "single"
            raise UsageError(f"catalogue column {name!r}: {whole} has {has} values a row, counted from 0")
        return MaskedColumn(column[(slice(None), *places)], name=name)
    cells = [_element(cell, places) for cell in column.filled(None)]
    known = [cell for cell in cells if cell is not None]
    if not known:
        raise UsageError(f"catalogue column {name!r}: no row of {whole} has such an element (they are counted from 0)")
    values = np.array([known[0] if cell is None else cell for cell in cells])
    return MaskedColumn(values, mask=[cell is None for cell in cells], name=name)


def _element(cell: Any, places: tuple[int, ...]) -> Any:
    """Return one element of a cell that holds an array; None where it is missing or the array has none there."""
    for place in places:
        if cell is None or np.ndim(cell) == 0 or place >= len(cell):
            return None
        cell = cell[place]
    return None if cell is None or cell is np.ma.masked or np.ndim(cell) else cell


class CatalogColumns:
    """Columns of a table by name, whatever their case, and elements of columns of arrays, as in ``PSFMAG[2]``."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._by_lower: dict[str, str] = {}
        for name in table.colnames:
            self._by_lower.setdefault(name.lower(), name)

    @property
    def names(self) -> list[str]:
        """All of them."""
        return list(self._table.colnames)

    def known(self, name: str) -> str | None:
        """Return the name as the table has it; None where it has none like it."""
        if name in self._table.colnames:
            return name
        if name.lower() in self._by_lower:
            return self._by_lower[name.lower()]
        whole, index = split_element(name)
        return f"{base}{index}" if index and (base := self.known(whole)) else None

    def existing(self, name: str, option: str) -> str:
        """See `known`; what `option` names has to be there."""
        if found := self.known(name):
            return found
        raise UsageError(unknown_name(f"{option}: catalogue column", name, self._table.colnames))

    def find(self, role: str, named: str | None, usual: tuple[str, ...]) -> str | None:
        """Return the column that serves as `role`: the one that is named, or one of the usual names."""
        if named == "":
            return None
        if named and role == "id":
            return ",".join(self.existing(name.strip(), "--id-column") for name in named.split(","))
        if named:
            return self.existing(named, f"--{role}-column")
        return next((self._by_lower[name] for name in usual if name in self._by_lower), None)

    def masked(self, name: str, option: str = "") -> MaskedColumn:
        """Return the column, or the element, with its mask."""
        return element_of(self._table, self.existing(name, option) if option else name)

    def unit(self, name: str) -> Any:
        """Return the unit of the column; None without."""
        return self._table[name if name in self._table.colnames else split_element(name)[0]].unit

    def carried(self, name: str, kept: np.ndarray) -> np.ndarray:
        """Return numbers as float64, NaN where missing; integers of which it would not hold every digit as int64."""
        column = self.masked(name)
        if column.ndim != 1 or column.dtype.kind not in "iu":
            return self.numbers(name)
        values, missing = np.asarray(column.data), np.ma.getmaskarray(column) & kept
        there = values[kept & ~missing]
        if not len(there) or (int(there.max()) <= EXACT and int(there.min()) >= -EXACT):
            return self.numbers(name)
        if int(there.max()) >= 2**63:
            raise UsageError(f"--columns {name}: it holds {there.max()}, and a record's integers end at 2^63")
        if missing.any():
            raise UsageError(
                f"--columns {name}: it holds integers beyond 2^53, which are carried as integers, and those have no "
                f"mark for the {np.count_nonzero(missing)} missing ones; leave these rows out "
                f"(--where 'not isnan(`{name}`)')"
            )
        return np.where(kept, values, 0).astype(np.int64)

    def numbers(self, name: str) -> np.ndarray:
        """Return numbers as float64, NaN where missing."""
        column = self.masked(name)
        if column.ndim != 1:
            raise UsageError(
                f"catalogue column {name!r} holds {column.ndim}-dimensional arrays, "
                f"expected one number a row, as in '{name}[0]'"
            )
        if column.dtype.kind == "c":
            raise UsageError(f"catalogue column {name!r} holds complex numbers, expected real ones")
        try:
            return np.asarray(column.astype(np.float64).filled(np.nan))
        except (TypeError, ValueError, OverflowError):
            wrong = next((str(value) for value in column.compressed() if not _is_number(value)), "")
            raise UsageError(f"catalogue column {name!r} holds text, expected numbers: {wrong!r}") from None

    def degrees(self, name: str, *, hours: bool = False) -> np.ndarray:
        """Return an angle in degrees; what has no unit of an angle (or, with `hours`, of time) is degrees already."""
        values, unit = self.numbers(name), self.unit(name)
        kind = None if unit is None else unit.physical_type
        if hours and kind == "time":
            return values * unit.to("hour") * 15
        return values * unit.to("deg") if kind == "angle" else values

    def per_band(
        self, template: str | None, usual: tuple[str, ...], bands: tuple[str, ...], option: str
    ) -> tuple[np.ndarray, str]:
        """Return ``[N, B]`` values and the template found; all NaN and ``""`` where the catalogue has none."""
        if template is None and usual:
            template = next((t for t in usual if all(self._has(t, band) for band in bands)), None)
        elif template and "{band}" not in template and len(bands) > 1:
            raise UsageError(f"{option} {template}: expected {{band}} in it, as in MAG_AUTO_{{band}}")
        if not template:
            return np.full((len(self._table), len(bands)), np.nan), ""
        names = [self.existing(template.replace("{band}", band), option) for band in bands]
        if len(set(names)) < len(names):
            raise UsageError(f"{option} {template}: one column would serve two bands ({', '.join(names)})")
        return np.stack([self.numbers(name) for name in names], axis=1), template

    def _has(self, template: str, band: str) -> bool:
        # Case matters for bands that differ by nothing else (z and Z, y and Y).
        name = template.replace("{band}", band)
        return name in self._table.colnames or (len(band) > 1 and name.lower() in self._by_lower)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
