"""The commands, one file each: what its options are, which function it calls, and how its result is shown.

A command is found by being in a file here, or in a plug-in (see `astrokeras.registration`).
"""

import functools

from astrokeras.commands.base import Command
from astrokeras.registration import modules_of, plugins


@functools.cache
def commands() -> dict[str, Command]:
    """Return all commands by name, in their order.

    Raises:
        ValueError: two have the same name.
    """
    found: dict[str, Command] = {}
    for module in (*modules_of(__name__), *plugins()):
        for command in vars(module).values():
            if isinstance(command, Command) and found.setdefault(command.name, command) is not command:
                raise ValueError(f"command '{command.name}' is there twice")
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))
