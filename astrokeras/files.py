"""Writing files whole or not at all."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from astrokeras.errors import AstrokerasError
from astrokeras.jsonable import finite

_TEMPORARY = ".writing-"


class CannotWrite(AstrokerasError):
    """A file can't be written: the disk is full, over quota, read-only, gone."""

    def __init__(self, path: Path, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        super().__init__(f"cannot write {path}: {reason}")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Lets `write` fill a temporary file beside `path` and then renames it.

    The temporary name ends like `path`, since Keras and NumPy choose formats by the end of a name.

    Raises:
        CannotWrite: `path` is as it was.
    """
    temporary = path.with_name(f"{_TEMPORARY}{path.name}")
    try:
        write(temporary)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        raise CannotWrite(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Force a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """JSON, written atomically."""
    text = json.dumps(finite(value), indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text))


def remove_unfinished(directory: Path) -> None:
    """Remove what processes that were killed while writing have left."""
    for path in directory.glob(f"{_TEMPORARY}*"):
        path.unlink()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
