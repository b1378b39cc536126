"""Make click options out of a configuration dataclass: names, types and defaults stand there, and only there."""

import dataclasses
import json
import tomllib
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from astrokeras.errors import unknown_name

_SCALARS = {int: click.IntRange(min=1), float: click.FloatRange(min=0), str: click.STRING}


class CommaSeparated(click.ParamType):
    """``u,g,r`` on the command line, the same or a list in a file."""

    name = "a,b,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split at the commas."""
        items = value.split(",") if isinstance(value, str) else value
        return tuple(str(item).strip() for item in items if str(item).strip())


def options_of(
    config: type,
    helps: Mapping[str, str],
    *,
    arguments: tuple[str, ...] = (),
    repeated: tuple[str, ...] = (),
    choices: Mapping[str, tuple[str, ...]] | None = None,
) -> Callable:
    """Decorate a click command with one option for each field of `config`.

    Args:
        config: the dataclass.
        helps: a line of help for every field that is no argument.
        arguments: fields given by position.
        repeated: tuple fields whose option is given several times; the other tuples are comma-separated.
        choices: fields that take one of a few words.
    """
    types = typing.get_type_hints(config)

    def decorate(function: Callable) -> Callable:
        for field in reversed(dataclasses.fields(config)):
            if field.name == "seed":
                continue
            required = field.default is dataclasses.MISSING
            if field.name in arguments:
                function = click.argument(field.name, metavar=field.name.upper())(function)
                continue
            settings = {"required": required, "help": helps[field.name]}
            if not required:
                settings |= {"default": field.default, "show_default": field.default not in (None, (), False)}
            name = "--" + field.name.replace("_", "-")
            settings |= _kind(types[field.name], field.name in repeated, (choices or {}).get(field.name))
            if settings.pop("comma", False) and not required:
                settings["default"] = ",".join(field.default)
            function = click.option(name, **settings)(function)
        return function

    return decorate


def _kind(annotation: Any, repeated: bool, words: tuple[str, ...] | None) -> dict[str, Any]:
    if words:
        return {"type": click.Choice(words)}
    if annotation is bool:
        return {"is_flag": True}
    kinds = [kind for kind in typing.get_args(annotation) or (annotation,) if kind is not type(None)]
    if typing.get_origin(annotation) is tuple:
        return {"multiple": True, "type": click.STRING} if repeated else {"type": CommaSeparated(), "comma": True}
    return {"type": _SCALARS[kinds[0]]}


def read_config_file(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """Take the defaults of a command's options from a TOML file, or from the ``run.json`` of an earlier run."""
    if not path:
        return
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
        values = json.loads(text)["options"] if file.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise click.UsageError(f"--config {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError(f"--config {path} cannot be read: {error}") from None
    # One file may serve several commands: [convert], [pretrain], … beside options that all of them share.
    section = values.get(ctx.info_name)
    values = {k: v for k, v in values.items() if not isinstance(v, dict)} | (section or {})
    known = {parameter.name for parameter in ctx.command.params} - {"config", "help"}
    defaults = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in known:
            raise click.UsageError(f"--config {path}: " + unknown_name("option", key, sorted(known)))
        if value is not None:
            defaults[name] = value
    for parameter in ctx.command.params:
        if isinstance(parameter, click.Argument) and parameter.name in defaults:
            parameter.required, parameter.default = False, defaults[parameter.name]
    ctx.default_map = defaults | dict(ctx.default_map or {})
