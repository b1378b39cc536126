"""How far some work is: what shows it is handed down from whoever called, and what works tells it."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Advance = Callable[[int], None]


class Progress(Protocol):
    """Shows how far some work is, while the block lasts."""

    def __call__(self, label: str, total: int) -> AbstractContextManager[Advance]:
        """Begin to show work of `total` parts; what it gives is called with the number of parts just done."""


@contextlib.contextmanager
def not_shown(label: str, total: int) -> Iterator[Advance]:
    """Show nothing: the `Progress` of whoever does not want any."""
    yield lambda count: None


def followed(items: Iterable[Item], progress: Progress, label: str, total: int) -> Iterator[Item]:
    """Give the items on, one after the other, and show how many there have been.

    Args:
        items: parts of the work, each done when the next is asked for.
        progress: shows them.
        label: what they are.
        total: how many they are.

    Example:
        >>> list(followed("abc", not_shown, "letters", 3))
        ['a', 'b', 'c']
    """
    with progress(label, total) as advance:
        for item in items:
            yield item
            advance(1)
