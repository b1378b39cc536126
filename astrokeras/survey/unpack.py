"""Open files that somebody names: regular ones only, and packed ones up to a size."""

import bz2
import gzip
import io
from pathlib import Path

from astrokeras.errors import AstrokerasError

COMPRESSIONS = {".gz": gzip.open, ".bz2": bz2.open}
MAX_BYTES = 4 << 30
ROOM = 64  # bytes in memory for each of a file, beyond the limit: no honest file takes more
_MAGICS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}
_CHUNK = 1 << 20


def check_regular(path: Path) -> None:
    """Refuse what is not there, and what would never end or never begin: pipes, devices, sockets.

    Raises:
        AstrokerasError: `path` is no regular file.
    """
    if path.is_dir():
        raise AstrokerasError(f"{path} is a directory, expected a file")
    if not path.exists():
        raise AstrokerasError(f"{path} does not exist")
    if not path.is_file():
        raise AstrokerasError(f"{path} is a pipe or a device, expected a file on the disk")


def too_large(what: str, size: float, limit: int) -> ValueError:
    """Return the error for a table whose size, looked at before anything is allocated, is beyond the limit."""
    return ValueError(
        f"{what} would take {size / 2**20:,.0f} MiB of memory, more than {limit / 2**20:,.0f} "
        "(--max-catalog-bytes allows more)"
    )


def is_packed(path: Path) -> bool:
    """Return whether the file is packed by gzip or bzip2, by its suffix or its first bytes."""
    return path.suffix.lower() in COMPRESSIONS or _by_magic(path) is not None


def unpacked(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Return the content of a file, unpacked if it is packed.

    Raises:
        ValueError: it unpacks to more than `limit` bytes.
        OSError: it cannot be read.
    """
    opener = COMPRESSIONS.get(path.suffix.lower()) or _by_magic(path)
    if opener is None:
        return path.read_bytes()
    whole = io.BytesIO()
    with opener(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            if whole.tell() + len(chunk) > limit:
                raise ValueError(f"it unpacks to more than {limit / 2**20:,.0f} MiB (--max-catalog-bytes allows more)")
            whole.write(chunk)
    return whole.getvalue()


def _by_magic(path: Path) -> object | None:
    with path.open("rb") as stream:
        start = stream.read(3)
    return next((opener for magic, opener in _MAGICS.items() if start.startswith(magic)), None)
