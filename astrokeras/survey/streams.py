"""Open a FITS file's bytes, unpacked where it is packed as a whole, with an eye on what its headers claim."""

import bz2
import contextlib
import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from astrokeras.config import ConvertConfig, option_fields
from astrokeras.survey.image_error import ImageError

MAX_IMAGE_BYTES = option_fields(ConvertConfig)["max_image_bytes"].default
MAX_HEADER_BYTES = 16 << 20  # of all headers of a file that are read, together
MAX_CONTINUED = 2000  # cards that go on with the text of the one before, together
_BLOCK = 2880
_COUNTS, _LENGTH = (b"NAXIS", b"ZNAXIS", b"TFIELDS"), re.compile(rb"Z?NAXIS\d+")
_FEW = re.compile(rb" *\+?\d{1,3} *(/|$)")
_WHOLE = re.compile(rb" *[+-]?\d{1,18} *(/|$)")
_UNBOUNDED = {b"PK\x03\x04": "zip", b"\xfd7zX": "xz", b"\x1f\x9d": "compress (.Z)", b"7z\xbc\xaf": "7z"}


class _Careful:
    """Looks at the headers before astropy does, which reads them, and little else, by the block.

    A header without end, and one that counts its axes or columns in millions, would keep astropy busy for ever.
    """

    path = Path()
    header_bytes = continued = 0
    stopped: ImageError | None = None

    def stop(self, reason: str, detail: str) -> NoReturn:
        """Remember why, and raise what astropy takes for the end of the file, so that images before it can be read."""
        self.stopped = ImageError(reason, f"{self.path}: {detail}")
        raise ValueError(detail)

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Raise the reason for having stopped rather than what came of it."""
        try:
            yield
        except Exception:
            if self.stopped:
                raise self.stopped from None
            raise

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(-1 if size is None else size)
        if size == _BLOCK:
            self.header_bytes += size
            if self.header_bytes > MAX_HEADER_BYTES:
                self.stop("unreadable_image", "a header without end, or far too many headers")
            for start in range(0, len(content), 80):
                self._check_card(content[start : start + 80])
        return content

    def _check_card(self, card: bytes) -> None:
        keyword = card[:8].rstrip()
        if keyword == b"CONTINUE":
            self.continued += 1
            if self.continued > MAX_CONTINUED:
                self.stop("unreadable_image", f"its headers have more than {MAX_CONTINUED:,} CONTINUE cards")
        if keyword in _COUNTS:
            pattern, expected = _FEW, "a number from 0 to 999"
        elif keyword == b"BITPIX" or _LENGTH.fullmatch(keyword):
            pattern, expected = _WHOLE, "a whole number"
        else:
            return
        if card[8:10] == b"= " and not pattern.match(card, 10):
            said = " ".join(card.decode("ascii", "replace").split())
            self.stop("unreadable_image", f"{said!r}, expected {expected}")

    def bytes_at(self, start: int, size: int) -> np.ndarray:
        """Return bytes of the file that are no header."""
        self.seek(start)
        parts = []
        while size > 0 and (part := super().read(size)):  # one read of a file gives 2 GiB at most
            parts.append(part)
            size -= len(part)
        return np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), np.uint8)


class Plain(_Careful, io.FileIO):
    """A file that is not packed."""


class _Bounded(_Careful):
    """A file compressed as a whole, read no further than a limit, however much its few bytes would become."""

    limit = MAX_IMAGE_BYTES

    def _check(self, position: int) -> None:
        if position > self.limit + MAX_HEADER_BYTES:
            self.stop("image_too_large", f"it would unpack to more than {self.limit:,} bytes (--max-image-bytes)")

    def read(self, size: int | None = -1) -> bytes:
        self._check(self.tell() + (self.limit if size is None or size < 0 else size))
        return super().read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            raise OSError("the end of a compressed file is unknown")
        self._check(offset if whence == io.SEEK_SET else super().seek(0, io.SEEK_CUR) + offset)
        return super().seek(offset, whence)


class _Gzip(_Bounded, gzip.GzipFile):
    pass


class _Bzip2(_Bounded, bz2.BZ2File):
    pass


def open_stream(path: Path, max_bytes: int) -> io.IOBase:
    """Return the file's FITS bytes, unpacked where it is gzip or bzip2, whatever its name.

    Raises:
        ImageError: it is no FITS file, or of another packing.
    """
    if not path.is_file():  # a pipe or a device would be read for ever
        raise ImageError("unreadable_image", f"{path} is no regular file")
    with path.open("rb") as stream:
        magic = stream.read(4)
    for start, kind in _UNBOUNDED.items():
        if magic.startswith(start):
            raise ImageError("unreadable_image", f"{path} is packed by {kind}; unpack it, or use gzip or bzip2")
    kind = _Gzip if magic.startswith(b"\x1f\x8b") else _Bzip2 if magic.startswith(b"BZh") else Plain
    opened = kind(path)
    opened.path, opened.limit = path, max_bytes
    try:
        _check_first_card(opened, path)
    except BaseException:
        opened.close()
        raise
    return opened


def _check_first_card(stream: io.IOBase, path: Path) -> None:
    card = stream.read(80)
    stream.seek(0)
    if not card:
        raise ImageError("unreadable_image", f"{path} is empty")
    if not card.startswith(b"SIMPLE"):
        begin = "".join(c if c.isprintable() else "." for c in card[:20].decode("ascii", "replace"))
        raise ImageError("unreadable_image", f"{path} is no FITS file: it begins with {begin!r}, expected SIMPLE")
    if card[6:].lstrip(b" =").startswith(b"F"):
        raise ImageError("unreadable_image", f"{path} says itself that it is against the FITS standard (SIMPLE = F)")
