"""Named things that a user chooses from the command line: one decorated function or class each."""

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from astrokeras.errors import AstrokerasError, UsageError, unknown_name

Entry = TypeVar("Entry")

PLUGINS = "ASTROKERAS_PLUGINS"  # files or modules, separated as PATH is
PLUGIN_GROUP = "astrokeras.plugins"  # entry points of other distributions


def unknown(kind: str, name: str, names: Iterable[str]) -> UsageError:
    """Return the error for a name that does not exist: the close ones if there are any, otherwise all of them.

    Example:
        >>> str(unknown("backbone", "compct", ["compact"]))
        "backbone 'compct' is unknown; did you mean compact?"
    """
    return UsageError(unknown_name(kind, name, sorted(names)))


def modules_of(package: str) -> list[ModuleType]:
    """Import every module of a package, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__))
    return [importlib.import_module(f"{package}.{name}") for name in names]


@functools.cache
def plugins() -> tuple[ModuleType, ...]:
    """Import what users add from outside: entry points, and what the environment variable ``ASTROKERAS_PLUGINS`` names.

    Raises:
        AstrokerasError: one of them cannot be imported.
    """
    loaders: dict[str, Callable[[], ModuleType]] = {
        entry.value: entry.load for entry in importlib.metadata.entry_points(group=PLUGIN_GROUP)
    }
    for name in filter(None, os.environ.get(PLUGINS, "").split(os.pathsep)):
        loaders[name] = functools.partial(_load_file if name.endswith(".py") else importlib.import_module, name)
    modules = []
    for name, load in loaders.items():
        try:
            modules.append(load())
        except Exception as error:
            raise AstrokerasError(f"the plug-in {name} cannot be imported: {type(error).__name__}: {error}") from error
    return tuple(modules)


def _load_file(name: str) -> ModuleType:
    path = Path(name).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


class Registry(Generic[Entry]):
    """The entries of one kind by name; a name that is registered twice is an error.

    Args:
        kind: what an entry is called in messages.
        packages: whose modules register entries; they are imported when one is first asked for, plug-ins after them.

    Example:
        >>> shapes = Registry("shape")
        >>> @shapes.register("square")
        ... def square(side):
        ...     return side * side
        >>> shapes.get("square")(3)
        9
    """

    def __init__(self, kind: str, *packages: str) -> None:
        self.kind, self._packages = kind, packages
        self._entries: dict[str, Entry] = {}
        self._complete = False

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """Return a decorator that makes a function or class available under ``name``.

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
        """Return the entry of this name.

        Raises:
            UsageError: there is none; the message lists the close ones.
        """
        if name not in self:
            raise unknown(self.kind, name, self._entries)
        return self._entries[name]

    def name_of(self, entry: Entry) -> str:
        """Return the name under which an entry is registered.

        Raises:
            ValueError: it is not.
        """
        for name, other in self._entries.items():
            if other is entry:
                return name
        raise ValueError(f"{entry} is no registered {self.kind}")

    def __contains__(self, name: str) -> bool:
        self._discover()
        return name in self._entries

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        self._discover()
        return tuple(sorted(self._entries))

    def _discover(self) -> None:
        if self._complete:
            return
        for package in self._packages:
            modules_of(package)
        plugins()
        self._complete = True
