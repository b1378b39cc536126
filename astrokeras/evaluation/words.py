"""Names that others gave, made fit to stand in a table, on a page or in a path."""

import hashlib
import re
from collections.abc import Sequence

from astrokeras.text import shortened

# What Markdown takes for more than itself, in a table too; `_` only at the edge of a word.
_MARKS = re.compile(r"[\\`*\[\]<>|~&$#]|(?<![^\W_])_|_(?![^\W_])")
# Scores whose names are not written as words.
_TITLES = {
    "macro_f1": "macro F1", "auroc": "AUROC", "mae": "MAE", "nmad": "NMAD", "r2": "R²",
    "kappa": "Cohen's kappa", "matthews": "Matthews' coefficient", "brier": "Brier score",
    "calibration_error": "expected calibration error",
    "calibration_error_scaled": "the same after temperature scaling",
}  # fmt: skip
_MOST_BYTES = 80
_MOST_LISTED = 30


def in_markdown(text: str, most: int = 60) -> str:
    """`shortened`, in such a way that Markdown shows it as it is, within a line or in a cell."""
    return _MARKS.sub(lambda mark: f"\\{mark[0]}", shortened(text, most))


def listed(names: Sequence[str], most: int = 40) -> str:
    """Names, each `shortened`, and how many more there are; the whole of them stands in ``run.json``."""
    shown = ", ".join(shortened(name, most) for name in names[:_MOST_LISTED])
    return shown if len(names) <= _MOST_LISTED else f"{shown} and {len(names) - _MOST_LISTED} more"


def plain_name(name: str) -> str:
    """For a directory: letters, digits, ``-`` and ``_``, at most 80 bytes; of a longer name a part and a checksum."""
    plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-_") or "run"
    if len(plain.encode()) <= _MOST_BYTES:
        return plain
    checksum = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    part = plain.encode()[: _MOST_BYTES - 1 - len(checksum)].decode(errors="ignore")
    return f"{part.rstrip('-_')}-{checksum}"


def score_title(name: str) -> str:
    """Return the name of a score as people write it.

    Example:
        >>> score_title("balanced_accuracy")
        'balanced accuracy'
    """
    return _TITLES.get(name, name.replace("_", " "))
