"""The errors that a user meets: one line each, saying what, where and how to mend it."""

import difflib
from collections.abc import Iterable


class AstrokerasError(Exception):
    """The work failed. The command line prints the message and exits with 1."""

    exit_code = 1


class UsageError(AstrokerasError):
    """The request itself is wrong (option values, combinations). Exits with 2."""

    exit_code = 2


class Stopped(AstrokerasError):
    """Somebody asked for the end, and it came in good order. Exits with 128 + the number of the signal."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Return one line for a name that is not there, with the nearest of those that are.

    Example:
        >>> unknown_name("task", "rotaton", ["jigsaw", "rotation"])
        "task 'rotaton' is unknown; did you mean rotation?"
    """
    known = list(known)
    by_lower = {other.lower(): other for other in known}
    near = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=3)]
    if near:
        return f"{what} {name!r} is unknown; did you mean {' or '.join(near)}?"
    listing = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"{what} {name!r} is unknown; there are: {listing or 'none'}"
