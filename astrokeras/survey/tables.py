"""Read and write tables of any format that astropy knows, one clear line where that fails."""

import csv
import io
import warnings
from collections.abc import Sequence
from pathlib import Path

from astropy.table import Column, MaskedColumn, Table
from astropy.utils.exceptions import AstropyWarning

from astrokeras.errors import AstrokerasError, UsageError

_READERS = {
    ".fits": {"format": "fits", "hdu": 1},
    ".fit": {"format": "fits", "hdu": 1},
    ".fz": {"format": "fits", "hdu": 1},
    ".gz": {"format": "fits", "hdu": 1},
    ".ecsv": {"format": "ascii.ecsv"},
    ".csv": {},  # `_read_csv`
    ".vot": {"format": "votable"},
    ".xml": {"format": "votable"},
    ".votable": {"format": "votable"},
    ".parquet": {},  # `_read_parquet`
}
_WRITERS = {
    ".fits": {"format": "fits"},
    ".ecsv": {"format": "ascii.ecsv"},
    ".csv": {"format": "ascii.csv"},
    ".parquet": {"format": "parquet"},
}


def read_table(path: str | Path, *, text_columns: tuple[str, ...] = ()) -> Table:
    """Read a catalogue; the format follows from the file's suffix.

    Args:
        path: FITS, ECSV, CSV, VOTable or Parquet.
        text_columns: columns of a CSV file to be read as text (lower case), so that an id keeps its leading zeros.
    """
    path = Path(path)
    options = _reader(path)
    if not path.is_file():
        raise AstrokerasError(f"{path} does not exist")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            if path.suffix.lower() == ".csv":
                table = _read_csv(path.read_text(encoding="utf-8-sig"), text_columns)
            elif path.suffix.lower() == ".parquet":
                table = _read_parquet(path)
            else:
                table = Table.read(path, **options)
    except ModuleNotFoundError as error:
        raise AstrokerasError(f"{path}: {error.name} is needed; pip install 'astrokeras[parquet]'") from None
    except Exception as error:  # whatever a damaged table raises from within its reader
        raise AstrokerasError(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from None
    if len(table) == 0:
        raise AstrokerasError(f"{path} has no rows")
    return table


def _read_csv(text: str, text_columns: tuple[str, ...]) -> Table:
    # astropy's fast reader knows no text columns and its other one takes five times as long, hence csv for those.
    # (It also takes a text without any line break for a file's name.)
    table = Table.read(text.rstrip("\n") + "\n", format="ascii.csv", guess=False)
    wanted = [i for i, name in enumerate(table.colnames) if name.lower() in text_columns]
    rows = (row for row in csv.reader(io.StringIO(text, newline="")) if row)
    values = [[row[i].strip() for i in wanted] for row in rows][1:]
    for i, column in zip(wanted, zip(*values, strict=True), strict=True):
        table[table.colnames[i]] = column
    return table


def _read_parquet(path: Path) -> Table:
    # astropy's reader wants pandas as well, fails on absent text, and makes floats of integers with gaps.
    import pyarrow as pa  # noqa: PLC0415 - an extra
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
            values = ["" if value is None else value for value in column.to_pylist()]
        columns[name] = MaskedColumn(values, mask=absent) if absent.any() else Column(values)
    return Table(columns)


def _reader(path: Path) -> dict:
    try:
        return _READERS[path.suffix.lower()]
    except KeyError:
        raise UsageError(f"{path}: unknown table format; expected one of {', '.join(_READERS)}") from None


def check_table_suffix(path: str | Path) -> None:
    """Refuse, before any work is done, a table name whose format is unknown."""
    if Path(path).suffix.lower() not in _WRITERS:
        raise UsageError(f"{path}: unknown table format; expected one of {', '.join(_WRITERS)}")
    if Path(path).suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401, PLC0415 - an extra
        except ModuleNotFoundError:
            raise UsageError(f"{path}: pyarrow is needed; pip install 'astrokeras[parquet]'") from None


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
