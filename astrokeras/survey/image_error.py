"""What can be wrong with an image, as a reason for the table of rejects."""

import contextlib
import errno
import gzip
import re
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path


class ImageError(Exception):
    """An image that cannot be used; `reason` is the word that stands in ``rejects.ecsv``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def one_line(error: BaseException) -> str:
    """Return what an error says, for a table."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__} {text}".strip() if isinstance(error, LookupError) or not text else text


class Damaged(ValueError):
    """What is wrong with a file, in words for a person, where its name is not known."""


_NEEDED = re.compile(
    r"'(Z?BITPIX|Z?NAXIS\d*|[PG]COUNT|TFIELDS|TFORM\d+|TTYPE\d+|ZCMPTYPE|COMPRESSED_DATA|ZSCALE|ZZERO)'"
)


def explain(error: BaseException) -> str:
    """Return what is wrong with a FITS file from which a reader raised `error`, without the reader's own words."""
    text = " ".join(str(error).split())
    if isinstance(error, Damaged):
        return text
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        return "it is packed, and damaged or cut short"
    if isinstance(error, OSError) and error.strerror and error.errno != errno.EINVAL:
        return error.strerror
    if card := re.match(r"Unparsable card \(([^)]+)\)", text):
        return f"the card {card[1]} of its header cannot be understood"
    if isinstance(error, KeyError) and (missing := _NEEDED.search(text)):
        return f"its header lacks {missing[1]}"
    return "it is damaged, or its header says what cannot be"


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn anything that a reader may raise on a damaged file into an `ImageError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of standards that a file breaks
            yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageError("image_too_large", f"{path}: not enough memory to read it") from None
    except Exception as error:  # a damaged file can raise anything at all from within the reader
        raise ImageError("unreadable_image", f"{path}: {explain(error)}") from None
