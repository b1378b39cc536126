"""Commands as Python functions: the same options, defaults, ranges and messages as on the command line."""

import dataclasses
import functools
import inspect
import numbers
import os
from collections.abc import Callable, Mapping
from typing import Any

import click

from astrokeras.commands import commands
from astrokeras.commands.backend import import_keras
from astrokeras.commands.base import Command
from astrokeras.commands.click_types import click_type, kind_of
from astrokeras.config import configure, declared, option_fields
from astrokeras.errors import UsageError, unknown_name
from astrokeras.terminal import TERMINAL

_LETTERS = ("bands", "catalog_bands")  # "ugriz" is five bands here


@functools.cache
def function_names() -> tuple[str, ...]:
    """Return the names of the commands that are functions of the package, those of plug-ins too."""
    return tuple(commands())


@functools.cache
def function(name: str) -> Callable[..., Any]:
    """Return the function of a command, with a signature and a docstring made from its options."""
    command = commands()[name]
    fields = _in_order(command)
    names = [field.name for field in fields]

    def call(*positional: Any, **options: Any) -> Any:
        if len(positional) > len(names):
            raise UsageError(f"{name} takes {len(names)} arguments at most, got {len(positional)}")
        given = dict(zip(names, positional, strict=False))
        for option in options:
            if option not in names:
                raise UsageError(unknown_name("argument", option, sorted(names)))
            if option in given:
                raise UsageError(f"{name}: {option} is given twice")
        config = configuration(command, given | options)
        if command.keras:
            import_keras(tensorflow=command.keras == "tensorflow")
        result = command.run(config, TERMINAL)
        return command.opened(config, result) if command.opened else result

    call.__name__ = call.__qualname__ = name
    call.__module__ = "astrokeras"
    call.__doc__ = _documentation(command)
    call.__signature__ = inspect.Signature([_parameter(field) for field in fields])
    return call


def configuration(command: Command, values: Mapping[str, Any]) -> Any:
    """Return the configuration of a command for values as Python has them.

    Raises:
        UsageError: an option is missing, or a value is not of its kind or out of its range.
    """
    config, presets = command.config, {}
    for name, preset in command.presets.items():
        if values.get(name) is not None:
            presets |= preset(_text(name, values[name]))
    chosen = {}
    for field in option_fields(config).values():
        if values.get(field.name) is not None:
            chosen[field.name] = _typed(command, field, values[field.name])
        elif presets.get(field.name) is not None and field.name not in values:
            chosen[field.name] = _typed(command, field, presets[field.name])
        elif field.default is dataclasses.MISSING:
            raise UsageError(f"{command.name}: {field.name} is missing ({declared(field).help.rstrip('.')})")
    return configure(config, **chosen)


def _typed(command: Command, field: dataclasses.Field, value: Any) -> Any:
    """Return the value of an option as its configuration has it."""
    kind, described = kind_of(command.config, field), declared(field)
    expected = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}.get(kind)
    right = {
        bool: isinstance(value, bool),
        int: isinstance(value, numbers.Integral) and not isinstance(value, bool),
        float: isinstance(value, numbers.Real) and not isinstance(value, bool),
    }.get(kind, True)
    if not right:
        raise UsageError(f"{command.name}: {field.name} = {value!r}, expected {expected}")
    if kind is bool:
        return value
    convert = click_type(command.config, field)
    try:
        if kind is not tuple:
            value = value if kind in (int, float) else _one_text(field.name, value, numbers_too=described.numbers)
            return convert.convert(value, None, None)
        return _several(field, value, convert)
    except click.BadParameter as error:
        raise UsageError(f"{command.name}: {field.name} = {value!r}: {error.message}") from None


def _several(field: dataclasses.Field, value: Any, convert: click.ParamType) -> tuple[str, ...]:
    if isinstance(value, str) and field.name in _LETTERS and "," not in value:
        value = list(value)
    if declared(field).repeated:
        single = isinstance(value, str | os.PathLike | numbers.Number) or hasattr(value, "path")
        return tuple(convert.convert(_text(field.name, item), None, None) for item in ([value] if single else value))
    return convert.convert(value if isinstance(value, str) else [_text(field.name, item) for item in value], None, None)


def _one_text(name: str, value: Any, *, numbers_too: bool) -> str:
    if isinstance(value, Mapping):  # {"u": 25} is u=25
        return ",".join(f"{key}={_text(name, item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ",".join(_text(name, item) for item in value)
    if isinstance(value, numbers.Number) and not numbers_too:
        raise UsageError(f"{name} = {value!r}, expected text")
    return _text(name, value)


def _text(name: str, value: Any) -> str:
    """Return paths, records and runs by their path, numbers as they are written."""
    value = getattr(value, "path", value)
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    if isinstance(value, numbers.Number) and not isinstance(value, bool):
        return str(value)
    raise UsageError(f"{name} = {value!r}, expected text")


def _in_order(command: Command) -> list[dataclasses.Field]:
    """Return the options as they may be given by position: those without a default come first."""
    return sorted(option_fields(command.config).values(), key=lambda field: field.default is not dataclasses.MISSING)


def _parameter(field: dataclasses.Field) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
    return inspect.Parameter(field.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)


def _documentation(command: Command) -> str:
    lines = [command.help, "", "Args:"]
    for field in _in_order(command):
        lines.append(f"    {field.name}: {declared(field).help}")
    lines += ["", "Raises:", "    AstrokerasError: what went wrong, and how to mend it."]
    if command.example:
        lines += ["", "Example:", f"    >>> {command.example}  # doctest: +SKIP"]
    return "\n".join(lines)
