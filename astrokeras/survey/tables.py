"""Read and write tables of any format that astropy knows, one clear line where that fails."""

import bz2
import csv
import gzip
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import ascii, fits
from astropy.table import Column, MaskedColumn, Table
from astropy.utils.exceptions import AstropyWarning
from astropy.utils.xml.iterparser import get_xml_iterator

from astrokeras.errors import AstrokerasError, UsageError

_KINDS = {
    ".fits": "fits", ".fit": "fits", ".fts": "fits", ".fz": "fits", ".ldac": "fits",
    ".ecsv": "ascii.ecsv", ".csv": "csv", ".tsv": "tsv", ".txt": "text", ".dat": "text", ".cat": "text",
    ".vot": "votable", ".xml": "votable", ".votable": "votable", ".parquet": "parquet",
}  # fmt: skip
_COMPRESSIONS = {".gz": gzip.open, ".bz2": bz2.open}
_WRITERS = {
    ".fits": {"format": "fits"},
    ".ecsv": {"format": "ascii.ecsv"},
    ".csv": {"format": "ascii.csv"},
    ".parquet": {"format": "parquet"},
}
_LDAC_HEADER = "LDAC_IMHEAD"  # SExtractor's FITS_LDAC keeps the image's header in a table before the catalogue


def read_table(path: str | Path, *, text_columns: tuple[str, ...] = ()) -> Table:
    """Read a catalogue; the format follows from the file's suffix.

    Args:
        path: FITS (the first extension with a table), ECSV, CSV, TSV, VOTable or text with a line of column names
            (also SExtractor's ASCII_HEAD), each also compressed (``.gz``, ``.bz2``), or Parquet.
        text_columns: columns of a text file to be read as text (lower case), so that an id keeps its leading zeros.

    Returns:
        The table; columns of a plain FITS file are read from the disk when they are used.

    Raises:
        UsageError: the suffix is that of no known format.
        AstrokerasError: there is no such file, it is damaged, or it has no rows.
    """
    path = Path(path)
    kind = _kind(path)
    if not path.is_file():
        raise AstrokerasError(f"{path} does not exist")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            if kind == "fits" or (kind == "text" and _starts_as_fits(path)):
                table = _read_fits(path)
            elif kind == "parquet":
                table = _read_parquet(path)
            elif kind in ("csv", "tsv"):
                table = _read_csv(_text(path), text_columns, kind)
            elif kind == "text":
                table = _read_columns(_text(path), text_columns)
            else:
                if kind == "votable":
                    _refuse_links(path)
                table = Table.read(path, format=kind)
    except Exception as error:  # whatever a damaged table raises from within its reader
        said = " ".join(str(error).split()) or type(error).__name__
        raise AstrokerasError(f"{path} cannot be read as a table: {said}") from None
    if len(table) == 0:
        raise AstrokerasError(f"{path} has no rows")
    return table


def _kind(path: Path) -> str:
    """The format of a table by its suffix; of a compressed one by the suffix before (``.csv.gz``)."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compressed = bool(suffixes) and suffixes[-1] in _COMPRESSIONS
    kind = _KINDS.get(suffixes[-2 if compressed else -1] if len(suffixes) > compressed else "")
    if kind is None or (compressed and kind == "parquet"):
        raise UsageError(
            f"{path}: unknown table format; expected one of {', '.join(_KINDS)}, "
            "and after it .gz or .bz2 where it is compressed"
        )
    return kind


def _stream(path: Path) -> io.BufferedIOBase:
    return _COMPRESSIONS.get(path.suffix.lower(), open)(path, "rb")


def _starts_as_fits(path: Path) -> bool:
    with _stream(path) as stream:
        return stream.read(10) == b"SIMPLE  = "


def _text(path: Path) -> str:
    with _stream(path) as stream:
        return stream.read().decode("utf-8-sig")


def _refuse_links(path: Path) -> None:
    """Keep a VOTable from making astropy read any other file or address that its data are said to be at."""
    with get_xml_iterator(str(path)) as elements:
        for starts, tag, attributes, _ in elements:
            if starts and tag == "STREAM" and "href" in attributes:
                raise ValueError(f"its data are elsewhere ({attributes['href']}); save the table in one file")


def _read_fits(path: Path) -> Table:
    # Opened here, since astropy leaves a file open whose first header it cannot read.
    with path.open("rb") as stream, fits.open(stream, memmap=True, character_as_bytes=True) as hdus:
        tables = (hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU))
        hdu = next((hdu for hdu in tables if hdu.name != _LDAC_HEADER), None)
        if hdu is None:
            raise ValueError("no extension holds a table")
        if hdu.header.get("ZTABLE"):
            raise ValueError("its table is tile-compressed, which astropy does not read; unpack it with funpack")
        return Table.read(hdu, format="fits", mask_invalid=False)


def _read_csv(text: str, text_columns: tuple[str, ...], kind: str) -> Table:
    # astropy's fast reader knows no text columns and its other one takes five times as long, hence csv for those.
    # (It also takes a text without any line break for a file's name.)
    # Its csv reader with a tab for the comma takes two tabs for one, hence its own format for those.
    style, delimiter = ("ascii.tab", "\t") if kind == "tsv" else ("ascii.csv", ",")
    table = Table.read(text.rstrip("\r\n") + "\n", format=style, guess=False)
    wanted = [i for i, name in enumerate(table.colnames) if name.lower() in text_columns]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = (row for row in lines if len(row) > 1 or "".join(row).strip())
    values = [[row[i].strip() for i in wanted] for row in rows][1:]
    if not wanted or not len(table):
        return table
    if len(values) != len(table):
        raise ValueError(f"it has {len(values)} lines or {len(table)}; does a quoted cell hold a line break?")
    for i, column in zip(wanted, zip(*values, strict=True), strict=True):
        table.replace_column(table.colnames[i], Column(np.array(column)))
    return table


def _read_columns(text: str, text_columns: tuple[str, ...]) -> Table:
    """Columns separated by white space: their names in the first line, with or without #, or in SExtractor's way."""
    text = text.rstrip() + "\n"
    kind = "ascii.commented_header" if text.startswith("#") else "ascii.basic"
    if re.match(r"#\s*\d+\s+\w", text):
        kind = "ascii.sextractor"
    table = Table.read(text, format=kind, guess=False)
    as_text = {name: [ascii.convert_numpy(str)] for name in table.colnames if name.lower() in text_columns}
    if not as_text:
        return table
    return Table.read(text, format=kind, guess=False, fast_reader=False, converters=as_text)


def _read_parquet(path: Path) -> Table:
    # astropy's reader wants pandas as well, fails on absent text, and makes floats of integers with gaps.
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import parquet  # noqa: PLC0415

    columns, table = {}, parquet.read_table(path)
    for name in table.column_names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        absent = column.is_null().to_numpy()
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
            values = column.fill_null(False if pa.types.is_boolean(column.type) else 0).to_numpy()
        else:
            values = _objects(column.to_pylist())
        columns[name] = MaskedColumn(values, mask=absent) if absent.any() else Column(values)
    return Table(columns)


def _objects(values: list) -> np.ndarray:
    """Text as text; lists, dates and whatever else Parquet holds as they are, one a row."""
    if all(isinstance(value, str | None) for value in values):
        return np.array(["" if value is None else value for value in values])
    found = np.empty(len(values), dtype=object)
    found[:] = ["" if value is None else value for value in values]
    return found


def is_table(text: str) -> bool:
    """Whether `text` is the name of a table, by its suffix."""
    try:
        return bool(_kind(Path(text)))
    except UsageError:
        return False


def is_untyped(path: str | Path) -> bool:
    """Whether a table's format knows no types, so that an integer and text that looks like one are the same."""
    return _kind(Path(path)) in ("csv", "tsv") or (_kind(Path(path)) == "text" and not _starts_as_fits(Path(path)))


def check_table_suffix(path: str | Path) -> None:
    """Refuse, before any work is done, a table name whose format is unknown."""
    if Path(path).suffix.lower() not in _WRITERS:
        raise UsageError(f"{path}: unknown table format; expected one of {', '.join(_WRITERS)}")


def write_table(table: Table, path: str | Path) -> None:
    """Write a table under a temporary name beside `path`, then rename; the suffix gives the format."""
    path = Path(path)
    check_table_suffix(path)
    temporary = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write(temporary, overwrite=True, **_WRITERS[path.suffix.lower()])
        temporary.replace(path)
    except OSError as error:
        raise AstrokerasError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        if temporary.is_file():
            temporary.unlink()


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (head, rule, *rows)
    )
