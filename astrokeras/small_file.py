"""Read small files that people name: configurations, surveys."""

from pathlib import Path

from astrokeras.errors import AstrokerasError

MAX_SMALL = 16 << 20


def read_small(path: Path) -> str:
    """Return the text of a small regular file; no pipe or device, which would never end.

    Raises:
        AstrokerasError: it is no such file, or larger than any configuration.
        OSError: it cannot be read.
        ValueError: it is no UTF-8.
    """
    size = path.stat().st_size  # says what is wrong if it is not there
    if not path.is_file():
        raise AstrokerasError("it is no regular file")
    if size > MAX_SMALL:
        raise AstrokerasError(f"it has {size} bytes, expected at most {MAX_SMALL}")
    return path.read_text(encoding="utf-8")
