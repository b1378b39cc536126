"""Named things that a user chooses from the command line: one decorated function or class each."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from astrokeras.errors import UsageError, unknown_name

Entry = TypeVar("Entry")


def unknown(kind: str, name: str, names: Iterable[str]) -> UsageError:
    """The error for a name that does not exist: the close ones if there are any, otherwise all of them."""
    return UsageError(unknown_name(kind, name, sorted(names)))


class Registry(Generic[Entry]):
    """The entries of one kind by name; a name that is registered twice is an error."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """A decorator that makes a function or class available under ``name``.

        Raises:
            ValueError: the name is taken.
        """

        def add(entry: Entry) -> Entry:
            if name in self._entries:
                raise ValueError(f"{self.kind} '{name}' is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> Entry:
        """The entry of this name.

        Raises:
            UsageError: there is none; the message lists the close ones.
        """
        if name not in self._entries:
            raise unknown(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._entries))
