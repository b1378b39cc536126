"""Classes of a catalogue: which values they are, what they are called, and which rows have none."""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import MaskedColumn

from astrokeras.errors import UsageError
from astrokeras.survey.columns import as_text
from astrokeras.text import is_plain

_NO_CLASS = ("", "nan", "none", "null", "-1", "--", "n/a", "\\n")
_SHOWN = 10


def parse_label_names(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``--label-names``: ``0=star,1=galaxy``. Values of one name are one class.

    Raises:
        UsageError: a part is no VALUE=NAME, or a value has two names.
    """
    names: dict[str, str] = {}
    for pair in pairs:
        value, equals, name = (part.strip() for part in pair.partition("="))
        if not (equals and value and name):
            raise UsageError(f"--label-names {pair}: expected VALUE=NAME for each class, as in 0=star,1=galaxy")
        if value in names:
            raise UsageError(f"--label-names: {value} has two names, {names[value]} and {name}")
        names[value] = name
    return names


def class_indices(
    column: MaskedColumn, kept: np.ndarray, names: Mapping[str, str]
) -> tuple[np.ndarray, tuple[str, ...], str]:
    """Return class indices, the classes' names among the `kept` rows, and a line about rows without a class.

    Negative, empty, NaN and masked is unlabelled, unless `names` names it. With names the classes are in their order.

    Raises:
        UsageError: the column holds fractions, a value without a name, or text that no table keeps.
    """
    if column.ndim != 1:
        raise UsageError(f"--label {column.name}: holds arrays, expected one value a row, as in {column.name}[0]")
    numeric = column.dtype.kind in "iuf"
    text = as_text(column)
    if numeric:
        values = np.asarray(column.astype(np.float64).filled(np.nan))
        labelled = kept & np.isfinite(values) & (values >= 0)
        if np.any(values[labelled] % 1):
            raise UsageError(f"--label {column.name}: holds fractions, expected text or whole numbers")
    else:
        labelled = kept & ~np.isin(np.char.lower(text), _NO_CLASS)
    labelled |= kept & np.isin(text, [name for name in names if name])
    left, counts = np.unique(text[kept & ~labelled], return_counts=True)
    said = _unlabelled(column.name, dict(zip(left.tolist(), counts.tolist(), strict=True)), int(kept.sum()))
    if names:
        _check_names(column.name, text, labelled, names)
        classes = list(dict.fromkeys(name for value, name in names.items() if value in set(text[labelled].tolist())))
        text = np.array([names.get(value, "") for value in text.tolist()], dtype=str)
    else:
        found = np.unique(text[labelled]).tolist()
        classes = sorted(found, key=int) if numeric else found
    odd = next((name for name in classes if not is_plain(name)), None)
    if odd is not None:
        raise UsageError(
            f"--label {column.name}: {odd!r} has characters in it that no table keeps; give it another name"
        )
    number = {name: i for i, name in enumerate(classes)}
    labels = np.array([number[name] if here else -1 for name, here in zip(text.tolist(), labelled, strict=True)], int)
    return labels, tuple(classes), said


def _check_names(option: str, text: np.ndarray, labelled: np.ndarray, names: Mapping[str, str]) -> None:
    found, counts = np.unique(text[labelled], return_counts=True)
    nameless = [f"{value} ({count} rows)" for value, count in zip(found, counts, strict=True) if value not in names]
    if nameless:
        raise UsageError(
            f"--label-names: of {option} it does not name {_some(nameless)}; name them, or leave the rows out (--where)"
        )
    everything = set(text.tolist())
    if unknown := [value for value in names if value not in everything]:
        raise UsageError(f"--label-names: no row has {option} {_some(unknown)}; it has {_some(sorted(everything))}")


def _unlabelled(option: str, counts: Mapping[str, int], rows: int) -> str:
    """Return a line that says how many rows have no class and what stands there; nothing where all have one."""
    if not counts:
        return ""
    often = sorted(counts, key=lambda value: (-counts[value], value))
    said = _some([f"{value or 'empty'} ({counts[value]})" for value in often])
    return f"--label {option}: {sum(counts.values())} of {rows} rows are unlabelled, being negative or empty: {said}"


def _some(values: Sequence[str]) -> str:
    return ", ".join(values[:_SHOWN]) + (f", … ({len(values)} in all)" if len(values) > _SHOWN else "")
