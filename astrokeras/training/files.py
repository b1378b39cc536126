"""Writing files whole or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from astrokeras.jsonable import finite
from astrokeras.records.metadata import sync


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
