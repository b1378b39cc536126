"""Writing files whole or not at all."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from astrokeras.jsonable import finite


def sync(path: Path) -> None:
    """Waits until a file, or the names in a directory, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Lets `write` fill a temporary file beside `path` and then renames it.

    The temporary name ends like `path`, since Keras chooses formats by the end of a name.
    """
    temporary = path.with_name(f".writing-{path.name}")
    try:
        write(temporary)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """JSON, written atomically."""
    text = json.dumps(finite(value), indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text))
