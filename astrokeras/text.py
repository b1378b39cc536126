"""Text that comes from files, made harmless where people read it."""

import re

# Control characters, line and paragraph separators, marks that turn the direction of what follows, half characters.
_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def is_plain(text: str) -> bool:
    """Return whether `text` has no control character, line end, separator or mark of direction in it."""
    return _ODD.search(text) is None


def printable(text: str, keep: str = "\n\t") -> str:
    """Return `text` with every such character spelt out by its number, but for those in `keep`."""
    return _ODD.sub(lambda match: match[0] if match[0] in keep else _spelt(ord(match[0])), text)


def shortened(text: str, most: int = 60) -> str:
    r"""Return `text` in one line of at most so many characters, `printable`.

    Example:
        >>> shortened("two\nlines of text", 8)
        'two lin…'
    """
    line = printable(" ".join(text.split()), keep="")
    return line if len(line) <= most else f"{line[: most - 1]}…"


def printable_json(text: str) -> str:
    """Return JSON, in which such characters stand within strings only, with their escapes instead.

    It means the same.
    """
    return _ODD.sub(lambda match: match[0] if match[0] in "\n\t" else f"\\u{ord(match[0]):04x}", text)


def _spelt(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
