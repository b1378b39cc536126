"""Small TOML files that say how labels hang together: questions, trees, groups."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.small_file import read_small
from astrokeras.text import is_plain, printable


def read_toml(name: str, option: str) -> dict[str, Any]:
    """Return what a TOML file says.

    Args:
        name: of the file.
        option: where it was named, for messages.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return tomllib.loads(read_small(Path(name)))
    except (OSError, ValueError, AstrokerasError) as error:
        reason = " ".join(printable(str(error)).split())[:200]
        raise UsageError(f"{option}: {printable(name)} cannot be read as TOML: {reason}") from None


def names_in(value: object, where: str) -> tuple[str, ...]:
    """Return a list of different names.

    Args:
        value: what stands in the file.
        where: that is, for messages.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(value, list) or not value or not all(isinstance(n, str) and n and is_plain(n) for n in value):
        raise UsageError(f'{where}: expected a list of names, as in ["a", "b"]')
    once(value, where)
    return tuple(value)


def once(names: Iterable[str], where: str) -> None:
    """Make sure that a name stands once.

    Raises:
        UsageError: it does not.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UsageError(f"{where}: {name} stands there twice")
        seen.add(name)
