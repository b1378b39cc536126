"""The commands, one file each: what its options are, which function it calls, and how its result is shown.

A command is found by being in a file here, or in a plug-in (see `astrokeras.registration`).
"""

import functools
import pkgutil

import astrokeras
from astrokeras.commands.base import Command
from astrokeras.errors import AstrokerasError
from astrokeras.registration import modules_of, plugins


@functools.cache
def commands() -> dict[str, Command]:
    """Return all commands by name, in their order.

    Raises:
        AstrokerasError: two have the same name, or one has that of a module, which would hide its function.
    """
    found: dict[str, Command] = {}
    modules = {module.name for module in pkgutil.iter_modules(astrokeras.__path__)}
    for module in (*modules_of(__name__), *plugins()):
        for command in vars(module).values():
            if not isinstance(command, Command):
                continue
            name = command.name
            if found.setdefault(name, command) is not command:
                raise AstrokerasError(f"command '{name}' is there twice; give one of them another name")
            if name in modules:
                raise AstrokerasError(f"command '{name}' has the name of the module astrokeras.{name}; give it another")
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))
