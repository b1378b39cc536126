"""Defaults of a command's options from a file, or from another option."""

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from astrokeras.commands.click_types import CommaSeparated, TextOrNumber
from astrokeras.errors import AstrokerasError, unknown_name
from astrokeras.small_file import read_small

_NOT_REPEATED = ("out", "overwrite", "resume")


def read_config_file(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """Take the defaults of a command's options from a TOML file, or from the ``run.json`` of an earlier run."""
    if not path:
        return
    try:
        values = _read(Path(path))
        shared = {key: value for key, value in values.items() if not isinstance(value, dict)}
        # One file may serve several commands: [convert], [pretrain], … beside options that all of them share.
        commands = ctx.parent.command.list_commands(ctx.parent) if ctx.parent else []
        for section in values.keys() - shared.keys() - set(commands):
            raise ValueError(unknown_name("section", section, commands))
        options = shared | values.get(ctx.info_name, {})
        ctx.default_map = dict(ctx.default_map or {}) | _defaults(ctx.command, options)
    except OSError as error:
        raise click.UsageError(f"--config {path}: {error.strerror}") from None
    except (ValueError, AstrokerasError) as error:
        raise click.UsageError(f"--config {path} cannot be used: {error}") from None
    except RecursionError:
        raise click.UsageError(f"--config {path} cannot be used: it is nested too deeply") from None


def take_preset(preset: Callable[[str], Mapping[str, Any]]) -> Callable:
    """Return a callback that takes the defaults of other options from what `preset` says; ``--config`` wins over it."""

    def take(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
        if name:
            try:
                defaults = _defaults(ctx.command, preset(name))
            except ValueError as error:
                raise click.UsageError(f"--{param.name} {name} cannot be used: {error}") from None
            ctx.default_map = defaults | dict(ctx.default_map or {})
        return name

    return take


def _read(file: Path) -> dict[str, Any]:
    text = read_small(file)
    if file.suffix != ".json":
        return tomllib.loads(text)
    values = json.loads(text)
    options = values.get("options") if isinstance(values, dict) else None
    if not isinstance(options, dict):
        raise ValueError("it has no options; expected the run.json of a run")
    # Repeating a run must not replace it.
    return {key: value for key, value in options.items() if key not in _NOT_REPEATED}


def _defaults(command: click.Command, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names that click has for them."""
    parameters = {_typed(parameter): parameter for parameter in command.params}
    for name in ("config", "debug", "help"):
        parameters.pop(name, None)
    defaults = {}
    for key, value in options.items():
        name = key.replace("_", "-")
        if name not in parameters:
            raise ValueError(unknown_name("option", key, sorted(parameters)))
        if value is None:
            continue
        parameter = parameters[name]
        many = isinstance(parameter.type, CommaSeparated) or getattr(parameter, "multiple", False)
        _check_type(key, value, parameter, many)
        single = getattr(parameter, "multiple", False) and not isinstance(value, list)
        defaults[parameter.name] = [value] if single else value
    return defaults


def _typed(parameter: click.Parameter) -> str:
    """Return the name as it is typed, without dashes in front."""
    return max(parameter.opts, key=len).lstrip("-").replace("_", "-")


def _check_type(key: str, value: Any, parameter: click.Parameter, many: bool) -> None:
    """Refuse what click would bend into shape: 1.7 repeats, a flag that is a word."""
    flag = getattr(parameter, "is_flag", False)
    whole = isinstance(parameter.type, click.types.IntParamType)
    number = isinstance(parameter.type, click.types.FloatParamType)
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, list | dict) or (isinstance(item, str) and not _is_possible(item)):
            raise ValueError(f"{key} = {value!r:.100}: expected text, a number, or a list of text")
    expected, right = "text", isinstance(value, str | int | float) and not isinstance(value, bool)
    if flag:
        expected, right = "true or false", isinstance(value, bool)
    elif whole:
        expected, right = "a whole number", isinstance(value, int) and not isinstance(value, bool)
    elif number:
        expected, right = "a number", isinstance(value, int | float) and not isinstance(value, bool)
    elif many:
        expected, right = "text or a list of text", isinstance(value, str | int | list) and not isinstance(value, bool)
    elif not isinstance(parameter.type, click.Choice):
        right = isinstance(value, str) or (right and isinstance(parameter.type, TextOrNumber))
    if not right:
        raise ValueError(f"{key} = {value!r:.100}: expected {expected}")


def _is_possible(text: str) -> bool:
    """Tell whether it can be typed, or be the name of a file: no NUL and no half of a character."""
    return "\0" not in text and text.encode(errors="ignore").decode() == text
