"""Read and write tables of any format that astropy knows, one clear line where that fails."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import CannotWrite, write_atomically
from astrokeras.survey.fits_table import read_fits
from astrokeras.survey.parquet_table import parquet_files, read_parquet
from astrokeras.survey.text_table import read_text
from astrokeras.survey.unpack import COMPRESSIONS, MAX_BYTES, check_regular
from astrokeras.survey.votable import read_votable

_KINDS = {
    ".fits": "fits", ".fit": "fits", ".fts": "fits", ".fz": "fits", ".ldac": "fits",
    ".ecsv": "ascii.ecsv", ".csv": "csv", ".tsv": "tsv", ".txt": "text", ".dat": "text", ".cat": "text",
    ".vot": "votable", ".xml": "votable", ".votable": "votable", ".parquet": "parquet",
}  # fmt: skip
_WRITERS = {
    ".fits": {"format": "fits"},
    ".ecsv": {"format": "ascii.ecsv"},
    ".csv": {"format": "ascii.csv"},
    ".parquet": {"format": "parquet"},
}


def read_table(path: str | Path, *, text_columns: tuple[str, ...] = (), limit: int = MAX_BYTES) -> Table:
    """Read a catalogue; the format follows from the file's suffix.

    Args:
        path: FITS (the first extension with a table), ECSV, CSV, TSV, VOTable or text with a line of column names
            (also SExtractor's ASCII_HEAD), each also compressed (``.gz``, ``.bz2``), or Parquet, also as a directory.
        text_columns: columns of a text file to be read as text (lower case), so that an id keeps its leading zeros.
        limit: bytes that a packed file may unpack to, or a column claim, beyond what the file itself has.

    Returns:
        The table, masked where values are missing; columns of a plain FITS file are read from the disk when they are
        used.

    Raises:
        UsageError: the suffix is that of no known format.
        AstrokerasError: there is no such file, it is damaged, too large, or it has no rows.
    """
    path = Path(path)
    kind = _kind(path)
    if not (kind == "parquet" and path.is_dir()):
        check_regular(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            if kind == "fits" or (kind == "text" and _starts_as_fits(path)):
                table = read_fits(path, limit)
            elif kind == "parquet":
                table = read_parquet(path, limit)
            elif kind == "votable":
                table = read_votable(path, limit)
            else:
                table = read_text(path, kind, text_columns, limit)
    except ModuleNotFoundError as error:
        raise AstrokerasError(f"{path}: {error.name} is needed; pip install {error.name}") from None
    except Exception as error:  # whatever a damaged table raises from within its reader
        said = " ".join(str(error).split()) or type(error).__name__
        raise AstrokerasError(f"{path} cannot be read as a table: {said}") from None
    if len(table) == 0:
        raise AstrokerasError(f"{path} has no rows")
    return table


def _kind(path: Path) -> str:
    """Return the format of a table by its suffix; of a compressed one by the suffix before (``.csv.gz``)."""
    if path.is_dir() and parquet_files(path):
        return "parquet"
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compressed = bool(suffixes) and suffixes[-1] in COMPRESSIONS
    kind = _KINDS.get(suffixes[-2 if compressed else -1] if len(suffixes) > compressed else "")
    if kind is None or (compressed and kind == "parquet"):
        raise UsageError(
            f"{path}: unknown table format; expected one of {', '.join(_KINDS)}, "
            "and after it .gz or .bz2 where it is compressed"
        )
    return kind


def _starts_as_fits(path: Path) -> bool:
    with COMPRESSIONS.get(path.suffix.lower(), open)(path, "rb") as stream:
        return stream.read(10) == b"SIMPLE  = "


def is_table(text: str) -> bool:
    """Return whether `text` is the name of a table, by its suffix."""
    try:
        return bool(_kind(Path(text)))
    except UsageError:
        return False


def is_untyped(path: str | Path) -> bool:
    """Return whether a table's format knows no types, so that an integer and text that looks like one are the same."""
    return _kind(Path(path)) in ("csv", "tsv") or (_kind(Path(path)) == "text" and not _starts_as_fits(Path(path)))


def check_table_suffix(path: str | Path) -> None:
    """Refuse, before any work is done, a table name whose format is unknown."""
    if Path(path).suffix.lower() not in _WRITERS:
        raise UsageError(f"{path}: unknown table format; expected one of {', '.join(_WRITERS)}")


def write_table(table: Table, path: str | Path) -> None:
    """Write a table whole or not at all; the suffix gives the format, and directories are made.

    Raises:
        UsageError: the suffix is that of no format that can be written.
        CannotWrite: `path` is as it was.

    Example:
        >>> write_table(Table({"id": ["a"], "z": [0.1]}), "/tmp/found/a.csv")  # doctest: +SKIP
    """
    path = Path(path)
    check_table_suffix(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(path, error) from None
    write_atomically(path, lambda temporary: table.write(temporary, overwrite=True, **_WRITERS[path.suffix.lower()]))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (head, rule, *rows)
    )
