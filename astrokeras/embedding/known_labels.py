"""Labels of embedded objects: those that the file of embeddings has, and those of a table that is joined by id."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.table import MaskedColumn, Table

from astrokeras.embedding.table import Objects
from astrokeras.errors import AstrokerasError
from astrokeras.survey.columns import as_text
from astrokeras.survey.tables import read_table
from astrokeras.text import printable


def known_labels(objects: Objects, path: str | None, limit: int, report: Callable[[str], None]) -> np.ndarray:
    """Return the class of each object, None where there is none.

    Args:
        objects: the embedded objects; their own labels count where the table says nothing.
        path: a table with the columns ``id`` and ``label``, in whatever case; None for their own labels alone.
        limit: bytes that the table may unpack to.
        report: is told how many ids were found.

    Shapes:
        ``[N]`` of text or None

    Raises:
        AstrokerasError: the table cannot be read, lacks a column, or gives an id two labels.
    """
    found = objects.label.copy()
    if path is None:
        return found
    given = read_labels(path, limit)
    for row, identifier in enumerate(objects.ids.tolist()):
        if identifier in given:
            found[row] = given[identifier]
    matched = len(given.keys() & set(objects.ids.tolist()))
    report(f"{matched} of the {len(given)} labels in {path} are of these {len(objects)} objects")
    return found


def read_labels(path: str | Path, limit: int) -> dict[str, str]:
    """Return the label of each id of a table; rows without one are left out.

    Raises:
        AstrokerasError: it cannot be read, lacks a column, or gives an id two labels.
    """
    table = read_table(path, text_columns=("id", "label"), limit=limit)
    rows = zip(text_values(table, "id", path), text_values(table, "label", path), strict=True)
    given: dict[str, str] = {}
    for identifier, label in rows:
        if identifier and label and given.setdefault(identifier, label) != label:
            shown = printable(identifier, keep="")[:80]
            raise AstrokerasError(f"{path}: the id {shown!r} has two labels; leave one of the rows")
    if not given:
        raise AstrokerasError(f"{path} has no labels")
    return given


def text_values(table: Table, name: str, path: str | Path) -> list[str]:
    """Return the values of a column, whose name may be of whatever case, as text; empty where missing.

    Raises:
        AstrokerasError: there is none.
    """
    found = next((column for column in table.colnames if column.lower() == name), None)
    if found is None:
        raise AstrokerasError(f"{path} has no column {name}; it has {', '.join(table.colnames)[:200]}")
    return as_text(MaskedColumn(table[found])).tolist()


def class_numbers(labels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the number of each object's class, -1 without one, and the names of the classes, sorted.

    Example:
        >>> class_numbers(np.array(["b", None, "a"], dtype=object))
        (array([ 1, -1,  0]), ('a', 'b'))
    """
    names = tuple(sorted({label for label in labels.tolist() if label is not None}))
    number = {name: place for place, name in enumerate(names)}
    return np.array([number.get(label, -1) for label in labels.tolist()], dtype=int), names
