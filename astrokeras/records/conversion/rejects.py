"""Which catalogue rows are left out, and why."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from astrokeras.text import printable

if TYPE_CHECKING:
    from astropy.table import Table

FILTERED = "where"  # the reason of rows that the user's own --where leaves out: they are no failures


class Rejects:
    """The reason of every row that is left out; the first reason of a row stays.

    A row has a code, and only the codes have texts, so that a million rows with one reason cost no more than that.
    """

    def __init__(self, n_rows: int) -> None:
        self._code = np.full(n_rows, -1, dtype=np.int32)
        self._why: dict[tuple[str, str], int] = {}

    def add(self, rows: Sequence[int] | np.ndarray, reason: str, detail: str) -> None:
        """Note one reason for `rows`, as far as they have none yet."""
        rows = np.asarray(rows, dtype=np.int64)
        rows = rows[self._code[rows] < 0]
        if len(rows):
            self._code[rows] = self._why.setdefault((reason, detail), len(self._why))

    def __len__(self) -> int:
        return int(np.count_nonzero(self.mask))

    @property
    def mask(self) -> np.ndarray:
        """Whether each row is left out, bool ``[N]``."""
        return self._code >= 0

    def items(self) -> Iterator[tuple[int, tuple[str, str]]]:
        """Yield row number, reason and detail of all that is left out, in the order of rows."""
        why = list(self._why)
        for row in np.flatnonzero(self.mask):
            yield int(row), why[self._code[row]]

    def coded(self) -> tuple[np.ndarray, np.ndarray, list[tuple[str, str]]]:
        """Return rows that are left out, the number of each one's reason, and the (reason, detail) of each number."""
        rows = np.flatnonzero(self.mask)
        return rows, self._code[rows], list(self._why)

    def counts(self) -> dict[str, int]:
        """Return the number of rows by reason, in alphabetical order."""
        numbers = np.bincount(self._code[self.mask], minlength=len(self._why))
        counts: dict[str, int] = {}
        for (reason, _), number in zip(self._why, numbers.tolist(), strict=True):
            counts[reason] = counts.get(reason, 0) + number
        return dict(sorted(counts.items()))

    def summary(self) -> str:
        """Return reasons and numbers, most frequent first, with one example of what is behind each."""
        counts = self.counts()
        examples = {reason: detail for reason, detail in reversed(self._why)}
        return "; ".join(f"{counts[r]} {r} ({examples[r]})" for r in sorted(counts, key=lambda r: -counts[r]))

    def table(self, ids: np.ndarray) -> "Table":
        """Return ``id``, ``reason`` and ``detail`` of all that is left out, in the order of rows."""
        from astropy.table import Table  # noqa: PLC0415 - workers, which need none, start twice as fast without it

        rows = np.flatnonzero(self.mask)
        codes, why = self._code[rows], list(self._why)
        reasons, details = (np.array([printable(text[i], keep="") for text in why], dtype=str) for i in (0, 1))
        # As the table itself can keep them, so that it can be read back.
        names = [printable(name, keep="") for name in ids[rows].tolist()]
        columns = {"id": names, "reason": reasons[codes], "detail": details[codes]}
        return Table(columns, dtype=[str, str, str])
