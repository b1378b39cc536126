"""Configurations as plain dictionaries, which outputs record and resumed runs are compared with."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from astrokeras.config.declare import declared
from astrokeras.config.nested import configure, option_fields, values_of


def as_dict(config: Any) -> dict[str, Any]:
    """Return the options of a configuration, ready for JSON (tuples become lists).

    Example:
        >>> from astrokeras.config import SimulateConfig
        >>> as_dict(SimulateConfig("sky", bands=("g", "r")))["bands"]
        ['g', 'r']
    """
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values_of(config).items()}


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return in words which of the named options of `as_dict` are not as they were.

    Example:
        >>> describe_changes({"size": 32}, {"size": 64}, ["size"])
        ['--size was 32 and is 64']
    """
    options = [(name, before.get(name), now.get(name)) for name in names]
    return [
        f"--{name.replace('_', '-')} was {_typed(was)} and is {_typed(is_)}"
        for name, was, is_ in options
        if was != is_ and _typed(was) != _typed(is_)
    ]


def as_command(name: str, config: Any) -> str:
    """Return the command that gives a configuration, as it is typed: options that are as by default are left out.

    Example:
        >>> from astrokeras.config import SimulateConfig
        >>> as_command("simulate", SimulateConfig("sky", bands=("g", "r")))
        'astrokeras simulate --out sky --bands g,r'
    """
    words = ["astrokeras", name]
    values = values_of(config)
    for field in option_fields(type(config)).values():
        described, value = declared(field), values[field.name]
        option = f"--{field.name.replace('_', '-')}"
        if described.argument:
            words.append(str(value))
        elif value == field.default or value is None or value is False:
            continue
        elif value is True:
            words.append(option)
        elif isinstance(value, tuple):
            parts = value if described.repeated else [",".join(map(str, value))]
            words += [word for part in parts for word in (option, str(part))]
        else:
            words += [option, str(value)]
    return shlex.join(words)


def _typed(value: Any) -> str:
    if value in (None, [], ""):
        return "not given"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def from_dict(kind: type, options: Mapping[str, Any]) -> Any:
    """Return a configuration from `as_dict`'s dictionary; lists become tuples again, unknown names are an error.

    Example:
        >>> from astrokeras.config import SimulateConfig
        >>> from_dict(SimulateConfig, {"out": "sky", "bands": ["g", "r"]}).bands
        ('g', 'r')
    """
    return configure(kind, **{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})
