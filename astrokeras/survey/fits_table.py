"""Tables in FITS files, with what is missing in them as the standard marks it.

Source: FITS Standard 4.0. ``TNULLn`` is compared with the raw values, before TSCAL and TZERO (7.3.2, 7.3.4); in ASCII
tables it is text (7.2.2); a logical value that is neither T nor F is undefined (7.3.3.1).
"""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table

from astrokeras.survey.unpack import is_packed, too_large, unpacked

_LDAC_HEADER = "LDAC_IMHEAD"  # SExtractor's FITS_LDAC keeps the image's header in a table before the catalogue
_MAX_COLUMNS = 999  # FITS Standard 4.0, 7.2.1


def read_fits(path: Path, limit: int) -> Table:
    """Return the first extension with a table; columns of a plain file are read from the disk when they are used.

    Raises:
        ValueError: there is none, it is damaged, or it takes more than `limit` bytes once it is unpacked.
    """
    # Opened here, since astropy leaves a file open whose first header it cannot read.
    with io.BytesIO(unpacked(path, limit)) if is_packed(path) else path.open("rb") as stream:
        length = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        with fits.open(stream, memmap=not is_packed(path), character_as_bytes=True) as hdus:
            tables = (hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU))
            hdu = next((hdu for hdu in tables if hdu.name != _LDAC_HEADER), None)
            if hdu is None:
                raise ValueError("no extension holds a table")
            if hdu.header.get("ZTABLE"):
                raise ValueError("its table is tile-compressed, which astropy does not read; unpack it with funpack")
            _check(hdu, length, limit)
            nulls = _take_nulls(hdu.header)
            if isinstance(hdu, fits.TableHDU):
                return _read_ascii(hdu, nulls)
            scales = _take_scales(hdu.header)
            table = Table.read(hdu, format="fits", mask_invalid=False)
            _mark_missing(table, hdu, nulls, scales)
            return table


def _check(hdu: fits.BinTableHDU | fits.TableHDU, length: int, limit: int) -> None:
    """Compare what the header claims with the file before anything is allocated."""
    width, rows, columns = (hdu.header.get(key, 0) for key in ("NAXIS1", "NAXIS2", "TFIELDS"))
    if not 0 <= columns <= _MAX_COLUMNS:
        raise ValueError(f"its header claims {columns} columns, expected at most {_MAX_COLUMNS}")
    there = length - hdu.fileinfo()["datLoc"]
    if width < 0 or rows < 0 or width * rows > there:
        raise ValueError(f"its header claims {rows} rows of {width} bytes, but only {max(there, 0)} bytes follow")
    for number in range(1, columns + 1):  # text of no width takes no room in the file, and as many rows as one likes
        if str(hdu.header.get(f"TFORM{number}", "")).strip().upper().startswith(("0", "-")) and rows * 8 > limit:
            raise too_large("it", rows * 8, limit)


def _take_nulls(header: fits.Header) -> dict[int, Any]:
    """Return the TNULL of each column by its number, taken out of the header.

    Astropy compares them with scaled values.
    """
    numbers = range(1, header.get("TFIELDS", 0) + 1)
    return {number: header.pop(f"TNULL{number}") for number in numbers if f"TNULL{number}" in header}


def _read_ascii(hdu: fits.TableHDU, nulls: dict[int, Any]) -> Table:
    for number, null in nulls.items():  # but it has to know which text is no number
        hdu.columns[number - 1].null = str(null)
    stored, columns = hdu.data.view(np.ndarray), {}
    for number, column in enumerate(hdu.columns, start=1):
        null = nulls.get(number)
        raw = stored[stored.dtype.names[number - 1]]
        missing = False if null is None else np.char.strip(raw) == str(null).strip().encode()
        unit = None if column.unit is None else units.Unit(column.unit, format="fits", parse_strict="silent")
        kind = Column if missing is False else MaskedColumn
        columns[column.name] = kind(hdu.data[column.name], unit=unit, **({} if missing is False else {"mask": missing}))
    return Table(columns)


def _take_scales(header: fits.Header) -> dict[int, tuple[float, float]]:
    """Return TSCAL and TZERO of the columns of variable-length integers, taken out.

    Astropy rounds what it scales there.
    """
    scales = {}
    for number in range(1, header.get("TFIELDS", 0) + 1):
        if re.match(r"\s*[01]?[PQ][BIJK]", str(header.get(f"TFORM{number}", ""))):
            scales[number] = header.pop(f"TSCAL{number}", 1), header.pop(f"TZERO{number}", 0)
    return scales


def _mark_missing(
    table: Table, hdu: fits.BinTableHDU, nulls: dict[int, Any], scales: dict[int, tuple[float, float]]
) -> None:
    """Mask what the raw values say is missing, and nothing else."""
    stored = hdu.data.view(np.ndarray)
    for number, column in enumerate(hdu.columns, start=1):
        name = column.name
        if name not in table.colnames or f"{name}.mask" in hdu.columns.names:
            continue
        values, null = table[name], nulls.get(number)
        form = str(column.format).lstrip("0123456789")[:1]
        raw = stored[stored.dtype.names[number - 1]]
        if number in scales:
            for row, cell in enumerate(values.data):
                values.data[row] = _scaled(np.asarray(cell), null, *scales[number])
        elif form == "L":
            _mask(table, name, (raw != ord("T")) & (raw != ord("F")))
        elif form in ("B", "I", "J", "K") and null is not None:
            _mask(table, name, (raw == null).reshape(values.shape))


def _mask(table: Table, name: str, missing: np.ndarray) -> None:
    values = table[name]
    table.replace_column(name, MaskedColumn(values.data, mask=missing, name=name, unit=values.unit, copy=False))


def _scaled(raw: np.ndarray, null: int | None, scale: float, zero: float) -> np.ndarray:
    """Return what the integers of one cell stand for, masked where they are `null`."""
    if (scale, zero) == (1, 0):
        values = raw
    elif scale == 1 and zero % 1 == 0:
        exact = [int(value) + int(zero) for value in raw.ravel()]
        values = np.array(exact, dtype=np.uint64 if exact and max(exact) >= 2**63 else np.int64).reshape(raw.shape)
    else:
        values = raw * scale + zero
    return values if null is None or not np.any(raw == null) else np.ma.MaskedArray(values, mask=raw == null)
