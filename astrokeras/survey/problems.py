"""What can be wrong with an image, as a reason for the table of rejects."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path


class ImageError(Exception):
    """An image that cannot be used; `reason` is the word that stands in ``rejects.ecsv``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def one_line(error: BaseException) -> str:
    """What an error says, for a table."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__} {text}".strip() if isinstance(error, LookupError) or not text else text


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
        raise ImageError("unreadable_image", f"{path}: {one_line(error)}") from None
