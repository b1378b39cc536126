"""Write files whole or not at all, and tell them apart by their digests."""

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from astrokeras.errors import AstrokerasError
from astrokeras.jsonable import finite

_TEMPORARY = ".writing-"


class CannotWrite(AstrokerasError):
    """A file can't be written: the disk is full, over quota, read-only, gone.

    Attributes:
        strerror: the reason alone, as an `OSError` has it.
    """

    def __init__(self, path: Path, error: Exception) -> None:
        self.strerror = getattr(error, "strerror", None) or " ".join(str(error).split())
        super().__init__(f"cannot write {path}: {self.strerror}")
        self._from = path, error

    def __reduce__(self) -> tuple[type, tuple[Path, Exception]]:
        """Let workers hand the error on to the process that started them."""
        return type(self), self._from


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, force it to the disk, and rename it.

    The temporary name is its own at every call, so that two processes may write the same file. It ends like `path`,
    since Keras and NumPy choose formats by the end of a name.

    Args:
        path: of the file.
        write: writes the file whose path it is given.

    Raises:
        CannotWrite: `path` is as it was.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> write_atomically(path, lambda temporary: temporary.write_text("whole"))
        >>> path.read_text()
        'whole'
    """
    temporary = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex[:12]}-{path.name}")
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


def encode_json(value: Any) -> bytes:
    """Return the bytes of a JSON file; the same value always gives the same bytes, and NaN and infinity give null."""
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode(errors="backslashreplace")  # names of files need not be text


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, see `write_atomically` and `encode_json`."""
    content = encode_json(value)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def remove_unfinished(directory: Path) -> None:
    """Remove what processes that were killed while writing have left."""
    for path in directory.glob(f"{_TEMPORARY}*"):
        path.unlink()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal digits.

    Example:
        >>> digest_of(b"")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()
