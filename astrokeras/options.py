"""Make click options out of a configuration dataclass: names, types and defaults stand there, and only there."""

import contextlib
import dataclasses
import json
import math
import tomllib
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from astrokeras.errors import AstrokerasError, unknown_name
from astrokeras.small_file import read_small

_NOT_REPEATED = ("out", "overwrite", "resume")


class Amount(click.FloatRange):
    """A finite number from 0."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuse NaN and infinity, which a range lets pass."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


class Signed(click.types.FloatParamType):
    """A finite number, negative ones too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuse NaN and infinity."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


class Command(click.Command):
    """A command whose single options are given once: of two values, one would be dropped without a word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse a single option that is given twice."""
        order: list[click.Parameter] = []
        with contextlib.suppress(click.ClickException):  # which parsing raises again below
            order = self.make_parser(ctx).parse_args(args=list(args))[2]
        for parameter in order:
            single = isinstance(parameter, click.Option) and not (parameter.multiple or parameter.is_flag)
            if single and order.count(parameter) > 1:
                raise click.UsageError(
                    f"{parameter.opts[0]} is given {order.count(parameter)} times, expected once", ctx
                )
        return super().parse_args(ctx, args)


_SCALARS = {int: click.IntRange(min=1), float: Amount(min=0), str: click.STRING}


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
    choices: Mapping[str, tuple[str | int, ...]] | None = None,
    callbacks: Mapping[str, Callable] | None = None,
    signed: tuple[str, ...] = (),
) -> Callable:
    """Decorate a click command with one option for each field of `config`.

    Args:
        config: the dataclass.
        helps: a line of help for every field that is no argument.
        arguments: fields given by position.
        repeated: tuple fields whose option is given several times; the other tuples are comma-separated.
        choices: fields that take one of a few words.
        callbacks: fields whose value decides the defaults of others, and what does so.
        signed: fields of numbers that may be negative.
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
            if field.name in signed:
                settings["type"] = Signed()
            if settings.pop("comma", False) and not required:
                settings["default"] = ",".join(field.default)
            if field.name in (callbacks or {}):
                settings |= {"is_eager": True, "callback": callbacks[field.name]}
            function = click.option(name, **settings)(function)
        return function

    return decorate


def _kind(annotation: Any, repeated: bool, words: tuple[str | int, ...] | None) -> dict[str, Any]:
    if words:
        return {"type": click.IntRange(min(words), max(words)) if isinstance(words[0], int) else click.Choice(words)}
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
    try:
        values = _read(Path(path))
        shared = {key: value for key, value in values.items() if not isinstance(value, dict)}
        # One file may serve several commands: [convert], [pretrain], … beside options that all of them share.
        commands = ctx.parent.command.commands if ctx.parent else {}
        for section in values.keys() - shared.keys() - commands.keys():
            raise ValueError(unknown_name("section", section, commands))
        options = shared | values.get(ctx.info_name, {})
        ctx.default_map = dict(ctx.default_map or {}) | _defaults(ctx.command, options)
    except OSError as error:
        raise click.UsageError(f"--config {path}: {error.strerror}") from None
    except (ValueError, AstrokerasError) as error:
        raise click.UsageError(f"--config {path} cannot be used: {error}") from None
    except RecursionError:
        raise click.UsageError(f"--config {path} cannot be used: it is nested too deeply") from None


def shared_options(function: Callable) -> Callable:
    """The options that every command has."""
    for decorator in (
        click.option("--debug", is_flag=True, help="Show a traceback where something fails."),
        click.option(
            "--seed",
            default=0,
            show_default=True,
            type=click.IntRange(0, 2**31 - 1),
            help="Seed of everything random.",
        ),
        click.option(
            "--config",
            metavar="FILE",
            is_eager=True,
            expose_value=True,
            callback=read_config_file,
            help="Options from FILE.toml, or from the run.json of an earlier run; the command line wins.",
        ),
    ):
        function = decorator(function)
    return function


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def take_survey(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    """Take the defaults of the options that describe a survey from the survey's file; ``--config`` wins over it."""
    if name:
        from astrokeras.survey.presets import read_survey  # noqa: PLC0415

        try:
            defaults = _defaults(ctx.command, read_survey(name).options)
        except ValueError as error:
            raise click.UsageError(f"--survey {name} cannot be used: {error}") from None
        ctx.default_map = defaults | dict(ctx.default_map or {})
    return name


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
    """Values by the names that click has for them."""
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
    """The name as it is typed, without dashes in front."""
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
        right = isinstance(value, str) or (right and key.replace("-", "_") in ("zero_point", "budget"))
    if not right:
        raise ValueError(f"{key} = {value!r:.100}: expected {expected}")


def _is_possible(text: str) -> bool:
    """Whether it can be typed, or be the name of a file: no NUL and no half of a character."""
    return "\0" not in text and text.encode(errors="ignore").decode() == text
