"""What the points of a map are coloured by: classes or numbers."""

import dataclasses
from typing import Any

import numpy as np

from astrokeras.embedding.pages.page import packed

UNKNOWN = 65535
_MOST_NAMES = 2000


@dataclasses.dataclass(frozen=True)
class Classes:
    """A column of text: its values, the most frequent first, and which each object has.

    Shapes:
        index [N] uint16, `UNKNOWN` where there is none
    """

    name: str
    names: tuple[str, ...]
    index: np.ndarray

    def page_data(self, rows: np.ndarray) -> dict[str, Any]:
        """Return what the page reads, for some objects."""
        return {"kind": "class", "name": self.name, "names": list(self.names), "index": packed(self.index[rows])}


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A column of numbers, and the 2nd and 98th percentile of them, between which colours change.

    Shapes:
        values [N] float32, NaN where unknown
    """

    name: str
    values: np.ndarray
    low: float
    high: float

    def page_data(self, rows: np.ndarray) -> dict[str, Any]:
        """Return what the page reads, for some objects."""
        values = packed(self.values[rows])
        return {"kind": "number", "name": self.name, "values": values, "low": self.low, "high": self.high}


Colour = Classes | Numbers


def colour_of(name: str, values: np.ndarray) -> Colour:
    """Return a column as colours; of more than 2,000 texts the rarer ones count as one.

    Shapes:
        values [N]: text (None where missing), booleans, or numbers

    Example:
        >>> colour_of("label", np.array(["star", None, "star", "qso"], object)).names
        ('star', 'qso')
    """
    if values.dtype == bool:
        values = np.where(values, "yes", "no").astype(object)
    if values.dtype == object:
        known = np.array([value is not None for value in values], dtype=bool)
        names, index, counts = np.unique(values[known].astype(str), return_inverse=True, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        found = np.full(len(values), UNKNOWN, np.uint16)
        found[known] = np.minimum(rank[index], _MOST_NAMES)
        kept = names[order][:_MOST_NAMES].tolist()
        return Classes(name, (*kept, *(["(rarer ones)"] if len(order) > _MOST_NAMES else [])), found)
    numbers = values.astype(np.float64)
    finite = np.where(np.isfinite(numbers) & (np.abs(numbers) < np.finfo(np.float32).max), numbers, np.nan)
    there = finite[~np.isnan(finite)]
    low, high = np.percentile(there, [2, 98]) if len(there) else (0.0, 1.0)
    return Numbers(name, finite.astype(np.float32), float(low), float(high))
