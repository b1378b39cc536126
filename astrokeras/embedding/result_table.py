"""Tables of results, which begin with ``id``, ``ra`` and ``dec`` and are written in the format of their suffix."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from astropy.table import Column, MaskedColumn, Table

from astrokeras.embedding.table import Objects
from astrokeras.errors import AstrokerasError
from astrokeras.files import CannotWrite, write_atomically
from astrokeras.survey.round_trip import check_round_trip
from astrokeras.survey.tables import check_table_suffix, write_table

_UNITS = {"ra": "deg", "dec": "deg"}


def check_result(out: str | Path, *, overwrite: bool = False) -> Path:
    """Refuse a table that could not be written, before any work is done.

    Raises:
        UsageError: its suffix is that of no known format.
        AstrokerasError: it exists and is not to be replaced.

    Example:
        >>> check_result("nowhere/odd.parquet").name
        'odd.parquet'
    """
    out = Path(out)
    check_table_suffix(out)
    check_free(out, overwrite=overwrite)
    return out


def check_free(out: str | Path, *, overwrite: bool = False) -> Path:
    """Refuse a file that exists, unless it is to be replaced.

    Raises:
        AstrokerasError: it exists.
    """
    out = Path(out)
    if out.is_dir() or (out.exists() and not overwrite):
        raise AstrokerasError(f"{out} already exists; use --overwrite (for a file) or another --out")
    return out


def result_table(objects: Objects, rows: np.ndarray, columns: Mapping[str, np.ndarray]) -> Table:
    """Return a table of some objects, in the order of `rows`: ``id``, ``ra``, ``dec``, then `columns`.

    Text that is None is masked. Units: ra and dec in degrees.

    Shapes:
        rows [M] int, each column [M]

    Example:
        >>> nearest = np.argsort(distances)[:10]  # doctest: +SKIP
        >>> result_table(embeddings, nearest, {"distance": distances[nearest]})  # doctest: +SKIP
    """
    table = Table()
    table["id"] = objects.ids[rows].astype(str) if len(rows) else np.empty(0, "U1")
    for name in ("ra", "dec"):
        table[name] = Column(getattr(objects, name)[rows], unit=_UNITS[name])
    for name, values in columns.items():
        table[name] = _as_text(values) if values.dtype == object else values
    return table


def write_result(table: Table, out: str | Path) -> None:
    """Write a table of results, whole or not at all; ids stay text.

    Raises:
        UsageError: some text could not be read back from such a file.
        AstrokerasError: it cannot be written.

    Example:
        >>> write_result(result_table(embeddings, nearest, {}), "nearest.csv")  # doctest: +SKIP
    """
    texts = [column for column in table.itercols() if column.dtype.kind == "U"]
    found = {text for column in texts for text in np.unique(np.ma.filled(column, "")).tolist()}
    check_round_trip(out, table.colnames, found)
    write_table(table, out)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all, and the directories that it lies in.

    Raises:
        AstrokerasError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(path, error) from None
    write_atomically(path, write)


def _as_text(values: np.ndarray) -> MaskedColumn | np.ndarray:
    absent = np.array([value is None for value in values], dtype=bool)
    text = np.array(["" if value is None else str(value) for value in values], dtype=str)
    return MaskedColumn(text, mask=absent) if absent.any() else text
