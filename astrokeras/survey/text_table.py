"""Tables in text files: CSV, TSV, columns separated by white space, ECSV."""

import csv
import math
import re
from pathlib import Path

import numpy as np
from astropy.io import ascii
from astropy.table import Column, MaskedColumn, Table

from astrokeras.survey.unpack import ROOM, too_large, unpacked

# What archives write for a missing number: CasJobs and Gaia null, databases \N, others the rest.
_NO_NUMBER = ("null", "none", "nan", "n/a", "na", "<na>", "#n/a", "-", "--", "---", "\\n", "?")
_NO_TEXT = ("null", "NULL", "Null", "\\N", "<NA>")  # anything else may be somebody's word
_MAX_HEADER = 1000  # lines of comments before the names
_BLOCK = 1 << 24


def read_text(path: Path, kind: str, text_columns: tuple[str, ...], limit: int) -> Table:
    """Return a table of text; lines of comments before the names of the columns are passed over.

    Args:
        path: the file.
        kind: ``csv``, ``tsv``, ``text`` (white space, or as SExtractor writes it) or ``ascii.ecsv``.
        text_columns: columns to be read as text (lower case), so that an id keeps its leading zeros.
        limit: bytes that it may take.

    Raises:
        ValueError: the file is damaged, or takes more than that.
    """
    content = unpacked(path, limit)
    _check_width(content, kind, limit)
    text = content.decode("utf-8-sig")
    if kind == "ascii.ecsv":
        _check_shapes(text, limit)
        return Table.read(text.rstrip("\r\n") + "\n", format=kind)
    if kind == "text":
        return _with_missing(_read_columns(text, text_columns), text_columns)
    from astrokeras.survey.csv_table import read_csv  # noqa: PLC0415 - pandas takes most of a second to import

    separator = "\t" if kind == "tsv" else ","
    return _with_missing(read_csv(_without_comments(text, kind), separator, text_columns), text_columns)


def _check_width(content: bytes, kind: str, limit: int) -> None:
    """Refuse one long cell among very many rows: a column of text has as much room for each of its cells."""
    ends = b"\n\t" if kind == "tsv" else b"\n\t ," if kind in ("text", "ascii.ecsv") else b"\n,"
    rows = content.count(b"\n") + 1
    if len(content) * rows * 4 <= limit:
        return
    longest = last = 0
    for start in range(0, len(content), _BLOCK):
        block = np.frombuffer(content, np.uint8, min(_BLOCK, len(content) - start), start)
        where = np.flatnonzero(np.isin(block, np.frombuffer(ends, np.uint8))) + start
        if len(where):
            longest = max(longest, int(where[0]) - last, int(np.diff(where).max(initial=0)))
            last = int(where[-1])
    longest = max(longest, len(content) - last)
    if longest * rows * 4 > limit + ROOM * len(content):
        raise too_large(f"a cell of {longest} characters in each of {rows} rows", longest * rows * 4, limit)


def _check_shapes(text: str, limit: int) -> None:
    """Refuse what the header of an ECSV file claims and no file could hold."""
    rows = text.count("\n") + 1
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        for shape in re.findall(r"subtype:[^\[}]*\[([\d,\s]*)", line):
            cells = math.prod(int(size[:20]) for size in re.findall(r"\d+", shape))
            if cells * rows * 8 > limit + ROOM * len(text):
                raise too_large("what its header claims", cells * rows * 8, limit)
        for width in re.findall(r"datatype:\s*['\"]?[<>=|]?[a-zA-Z]+(\d{4,})", line):
            if int(width[:20]) * rows > limit:
                raise too_large("what its header claims", int(width[:20]) * rows, limit)


def _split(line: str, kind: str) -> list[str]:
    if kind == "text":
        return line.split()
    return next(csv.reader([line], delimiter="\t" if kind == "tsv" else ","), [])


def _has_number(cells: list[str]) -> bool:
    return any(_is_number(cell) for cell in cells)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _without_comments(text: str, kind: str) -> str:
    """Return `text` from the names of its columns on.

    Of the lines with # in front, the last holds the names if it has as many as the first line after it has cells,
    unless that one has to be the names itself: words, with numbers below them.
    """
    lines, rest, comment = [], text, ""
    while rest.startswith("#") and len(lines) < _MAX_HEADER:
        comment, _, rest = rest.partition("\n")
        lines.append(comment)
    if not lines:
        return text
    first, _, others = rest.lstrip("\r\n").partition("\n")
    second = others.partition("\n")[0]
    names, cells = _split(comment.lstrip("#").strip(), kind), _split(first, kind)
    below = _split(second, kind)
    first_is_names = not _has_number(cells) and len(below) == len(cells) and _has_number(below)
    if names and len(names) == len(cells) and not _has_number(names) and not first_is_names:
        return comment.lstrip("#").lstrip() + "\n" + rest
    return rest.lstrip("\r\n")


def _read_columns(text: str, text_columns: tuple[str, ...]) -> Table:
    """Return columns separated by white space.

    Their names in the first line, with or without #, or in SExtractor's way.
    """
    kind = "ascii.sextractor" if re.match(r"#\s*\d+\s+\w", text) else "ascii.basic"
    text = (text if kind == "ascii.sextractor" else _without_comments(text, "text")).rstrip() + "\n"
    table = Table.read(text, format=kind, guess=False)
    as_text = {name: [ascii.convert_numpy(str)] for name in table.colnames if name.lower() in text_columns}
    if not as_text:
        return table
    return Table.read(text, format=kind, guess=False, fast_reader=False, converters=as_text)


def _with_missing(table: Table, text_columns: tuple[str, ...]) -> Table:
    """Mask what marks missing values, which makes numbers of columns that are text for nothing else."""
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind == "U" and column.ndim == 1:
            found = None if name.lower() in text_columns else _as_numbers(column)
            table.replace_column(name, _without_null(column) if found is None else found)
    return table


def _as_numbers(column: Column) -> MaskedColumn | None:
    """Return the column as integers or numbers with gaps; None where it holds any other text."""
    values = np.char.strip(np.asarray(column))
    missing = np.ma.getmaskarray(column) | np.isin(np.char.lower(values), ("", *_NO_NUMBER))
    known = values[~missing]
    if not len(known):  # no word of it is known
        return MaskedColumn(np.zeros(len(values)), mask=True, name=column.name)
    for dtype in (np.int64, np.uint64, np.float64):
        try:
            # numpy would bend -1 and 1.5 into unsigned integers.
            if dtype is not np.float64 and not all(re.fullmatch(r"[+-]?\d+", value) for value in known[:1000]):
                continue
            numbers = np.zeros(len(values), dtype=dtype)
            numbers[~missing] = [int(value) for value in known] if dtype is not np.float64 else known.astype(dtype)
        except (ValueError, OverflowError):
            continue
        return MaskedColumn(numbers, mask=missing, name=column.name, unit=column.unit)
    return None


def _without_null(column: Column) -> Column:
    null = np.isin(np.char.strip(np.asarray(column)), _NO_TEXT)
    if not null.any():
        return column
    return MaskedColumn(np.asarray(column), mask=np.ma.getmaskarray(column) | null, name=column.name)
