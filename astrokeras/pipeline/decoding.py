"""From serialized records to arrays by NumPy, one at a time, every size checked; `parsing.py` does it in TensorFlow."""

import math
from collections.abc import Sequence

import numpy as np

from astrokeras.pipeline.source import no_field
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.example import decode


def known_fields(records: RecordsDirectory) -> tuple[str, ...]:
    """Return what every record of a directory has."""
    valid = ("valid",) if records.content["options"].get("valid") else ()
    return ("id", "image", "label", "magnitudes", "magnitude_errors", *valid, *records.columns)


def decode_record(records: RecordsDirectory, serialized: bytes, names: Sequence[str]) -> dict[str, bytes | np.ndarray]:
    """Return the named features of a serialized record, each without the first axis that a batch has.

    Raises:
        AstrokerasError: a field that the records don't have.
        ValueError: the bytes are no record of this directory: no message, a field is missing or has another size.
    """
    stored = decode(serialized)
    features = {}
    for name in names:
        if name in stored:
            features[name] = _value(records, name, stored[name])
        elif name in known_fields(records):
            raise ValueError(f"it has no {name}")
        else:
            raise no_field(records, name, sorted(stored.keys() - {"image"}))
    return features


def _value(records: RecordsDirectory, name: str, stored: bytes | np.ndarray) -> bytes | np.ndarray:
    stamp = (records.size, records.size, len(records.bands))
    if name == "id":
        return _checked(name, stored, bytes)
    if name in ("image", "valid"):
        return _from_bytes(name, stored, "<f4" if name == "image" else "u1", stamp)
    if name in ("magnitudes", "magnitude_errors"):
        return _of_length(name, _checked(name, stored, np.ndarray), stamp[-1])
    if name == "label" or name in records.integer_columns:
        return _of_length(name, _checked(name, stored, np.ndarray), 1)[0]
    return _from_bytes(name, stored, "<f8", ()) if name in records.columns else stored


def _checked(name: str, stored: bytes | np.ndarray, kind: type) -> bytes | np.ndarray:
    if not isinstance(stored, kind):
        raise ValueError(f"its {name} is of another type")
    return stored


def _of_length(name: str, values: np.ndarray, expected: int) -> np.ndarray:
    if len(values) != expected:
        raise ValueError(f"its {name} has {len(values)} numbers, expected {expected}")
    return values


def _from_bytes(name: str, stored: bytes | np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    expected = np.dtype(dtype).itemsize * math.prod(shape)
    if len(_checked(name, stored, bytes)) != expected:
        raise ValueError(f"its {name} has {len(stored):,} bytes, expected {expected:,}")
    return np.frombuffer(stored, dtype).reshape(shape)
