"""The commands, one file each: what its options are, which function it calls, and how its result is shown.

A command is found by being in a file here, or in a plug-in (see `astrokeras.registration`).
"""

import functools

from astrokeras.commands.base import Command
from astrokeras.registration import modules_of, plugins

ORDER = (
    "simulate", "convert", "inspect", "pretrain", "finetune", "embed", "map", "search", "anomalies", "cluster",
    "suggest", "label", "fewshot", "predict", "export", "encoders", "demo",
)  # fmt: skip


@functools.cache
def commands() -> dict[str, Command]:
    """Return all commands by name: ours in the order in which a survey meets them, then others by name.

    Raises:
        ValueError: two have the same name.
    """
    found: dict[str, Command] = {}
    for module in (*modules_of(__name__), *plugins()):
        for command in vars(module).values():
            if isinstance(command, Command) and found.setdefault(command.name, command) is not command:
                raise ValueError(f"command '{command.name}' is there twice")
    ranks = {name: rank for rank, name in enumerate(ORDER)}
    return dict(sorted(found.items(), key=lambda item: (ranks.get(item[0], len(ranks)), item[0])))
