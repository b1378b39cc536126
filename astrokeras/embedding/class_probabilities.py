"""Probabilities of classes, from a table of predictions."""

from collections.abc import Callable

import numpy as np

from astrokeras.embedding.known_labels import text_values
from astrokeras.embedding.table import Embeddings
from astrokeras.errors import AstrokerasError
from astrokeras.survey.tables import read_table


def read_predictions(
    embeddings: Embeddings, path: str, limit: int, report: Callable[[str], None]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the probabilities that a table has for each object, and the names of the classes.

    The table has the columns ``id`` and ``p_CLASS`` for two classes or more, as `predict` writes it.

    Shapes:
        ``[N, C]``; NaN for objects that are not in the table, or whose probabilities are missing there

    Raises:
        AstrokerasError: it cannot be read, lacks a column, holds what is no probability, or none of the objects.
    """
    table = read_table(path, text_columns=("id",), limit=limit)
    names = [name for name in table.colnames if name.startswith("p_")]
    if len(names) < 2:
        raise AstrokerasError(f"{path} has no columns p_CLASS for two classes or more, as predict writes them")
    if odd := [name for name in names if table[name].dtype.kind not in "fiu" or table[name].ndim != 1]:
        raise AstrokerasError(f"{path}: the column {odd[0]!r} holds no numbers, expected probabilities")
    columns = [np.ma.filled(np.ma.asarray(table[name]).astype(np.float64), np.nan) for name in names]
    given = np.stack(columns, axis=1)
    given[~np.isfinite(given).all(axis=1)] = np.nan
    if np.any((given < 0) | (given > 1 + 1e-6)):
        raise AstrokerasError(f"{path} holds probabilities below 0 or above 1; expected those that predict writes")
    row = {text: number for number, text in enumerate(text_values(table, "id", path))}
    places = np.array([row.get(text, -1) for text in embeddings.ids.tolist()], dtype=int)
    probabilities = np.where(places[:, None] < 0, np.nan, given[places])
    known = int(np.isfinite(probabilities[:, 0]).sum())
    if not known:
        raise AstrokerasError(f"{path} has predictions of none of the {len(embeddings)} objects")
    if known < len(embeddings):
        report(f"{path} has predictions of {known} of the {len(embeddings)} objects; the others are left to coverage")
    return probabilities, tuple(name.removeprefix("p_") for name in names)
