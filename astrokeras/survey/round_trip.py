"""Whether texts and names of columns come back from a table's file as they were."""

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from astrokeras.errors import UsageError

_PLAIN = re.compile(r"[\w.+:/-]+( [\w.+:/-]+)*")
_FORMATS = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv"}


def check_round_trip(path: str | Path, names: Sequence[str], texts: Iterable[str]) -> None:
    """Refuse, before the work, a table that could not be read back as it was written.

    Args:
        path: of the table; the suffix gives the format.
        names: of the columns.
        texts: what is to stand in them.

    Raises:
        UsageError: some name or text would be another, or none; the message shows it, escaped.
    """
    suffix = Path(path).suffix.lower()
    for name in names:
        if not _come_back(suffix, [name], names=True):
            raise _refusal(path, "the name of a column", name)
    wrong = _first_wrong(suffix, sorted(set(map(str, texts)) - {""}))
    if wrong is not None:
        raise _refusal(path, "an id or a label", wrong)


def _refusal(path: str | Path, what: str, text: str) -> UsageError:
    others = [suffix for suffix in (".parquet", ".ecsv", ".csv", ".fits") if _come_back(suffix, [text])]
    fits = " (text in FITS is printable ASCII)" if Path(path).suffix.lower() == ".fits" else ""
    mend = f"use {', '.join(others)}" if others else "change it in the catalogue"
    return UsageError(f"{path}: {what} is {text!r}, which cannot be read back from such a file{fits}; {mend}")


def _first_wrong(suffix: str, texts: list[str]) -> str | None:
    if _come_back(suffix, texts):
        return None
    while len(texts) > 1:
        half = texts[: len(texts) // 2]
        texts = texts[len(half) :] if _come_back(suffix, half) else half
    return texts[0]


def _come_back(suffix: str, texts: list[str], *, names: bool = False) -> bool:
    """Return whether cells (or names of columns) with these texts are read back as they are."""
    if not all(_is_unicode(text) and "\0" not in text for text in texts):
        return False
    if suffix == ".fits":
        return all(text.isascii() and text.isprintable() and text == text.rstrip() for text in texts)
    odd = [text for text in texts if not _PLAIN.fullmatch(text)]
    if suffix not in _FORMATS or not odd:
        return True
    # Plain text around them, so that what looks like a number stays text.
    table = Table({odd[0] if names else "text": ["a", *([] if names else odd), "c"]})
    table["other"] = np.arange(len(table))
    written = io.StringIO()
    try:
        table.write(written, format=_FORMATS[suffix])
        read = Table.read(written.getvalue(), format=_FORMATS[suffix])
        same = read.colnames == table.colnames and len(read) == len(table)
        return same and bool(np.all(np.asarray(read.columns[0].astype(str)) == np.asarray(table.columns[0])))
    except Exception:  # whatever the reader raises: it does not come back
        return False


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
