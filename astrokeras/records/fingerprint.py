"""One checksum for a description made of dataclasses, arrays and plain values."""

import dataclasses
import hashlib
from typing import Any

import numpy as np


def fingerprint(value: Any) -> str:
    """Return SHA-256 of the value, the same in every process and on every machine."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    """Add a value with its kind and length before it, so that no two can look the same."""
    if isinstance(value, np.generic):
        value = value.item()
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        _feed(digest, list(value.items()))
    elif isinstance(value, list | tuple):
        digest.update(f"sequence of {len(value)};".encode())
        for item in value:
            _feed(digest, item)
    elif isinstance(value, np.ndarray):
        digest.update(f"array {value.dtype.str} {value.shape};".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif value is None or isinstance(value, str | int | float | bool):
        text = repr(value)
        digest.update(f"{type(value).__name__} {len(text)} {text};".encode(errors="surrogatepass"))
    else:
        raise TypeError(f"{type(value).__name__} has no fingerprint")
