"""Cells of a catalogue as text, a column at a time."""

import numpy as np
from astropy.table import MaskedColumn


def as_text(column: MaskedColumn) -> np.ndarray:
    """Values as text: whole numbers without a decimal point, no padding, empty where masked or NaN."""
    if column.dtype.kind in "iub":
        text = np.asarray(column.filled(np.zeros((), column.dtype)[()])).astype(str)
    elif column.dtype.kind == "f":
        text = _floatsas_text(np.asarray(column.filled(0.0)))
    elif column.dtype.kind == "S":
        text = _decoded(np.asarray(column.filled(b"")))
    else:
        values = np.asarray(column.data)
        text = np.char.strip(values if values.dtype.kind == "U" else np.array([str(value) for value in values]))
    mask = np.ma.getmaskarray(column)
    if mask.any():
        text[mask] = ""
    return text


def _floatsas_text(values: np.ndarray) -> np.ndarray:
    whole = np.abs(values) < 2**63  # not NaN either
    whole[whole] = values[whole] % 1 == 0
    text = np.where(whole, values, 0).astype(np.int64).astype(str).astype(object)
    for i in np.flatnonzero(~whole):
        value = float(values[i])
        text[i] = "" if np.isnan(value) else str(int(value)) if np.isfinite(value) and value % 1 == 0 else repr(value)
    return text.astype(str)


def _decoded(values: np.ndarray) -> np.ndarray:
    values = np.ascontiguousarray(values)  # a column of a FITS table lies in strides
    if values.dtype.itemsize and np.any(values.view(np.uint8) > 127):
        return np.char.strip(np.char.decode(values, "utf-8", "replace"))
    return np.char.strip(values.astype(str))
