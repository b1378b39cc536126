"""The command line of a command, made from its description."""

import contextlib
import dataclasses
import sys
from typing import Any

import click

from astrokeras.commands.backend import import_keras
from astrokeras.commands.base import Command
from astrokeras.commands.click_types import click_type, kind_of
from astrokeras.commands.config_file import read_config_file, take_preset
from astrokeras.config import configure, declared, option_fields
from astrokeras.terminal import TERMINAL, show

_RUNNING = "Help and debugging"


class _Option(click.Option):
    """An option with the heading under which ``--help`` shows it."""

    def __init__(self, *names: Any, group: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.group = group


class _Command(click.Command):
    """A command whose ``--help`` shows its options in groups, and whose single options are given once."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse a single option that is given twice: of two values, one would be dropped without a word."""
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

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups in the order of their first options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(parameter, "group", _RUNNING), []).append(record)
        groups[_RUNNING] = groups.pop(_RUNNING, [])
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


def click_command(command: Command) -> click.Command:
    """Return the command as click has it.

    One option for each field of its configuration, and those that all commands have.
    """

    def call(as_json: bool = False, **values: Any) -> None:
        for shared in ("config", "debug"):
            values.pop(shared)
        if command.keras:
            import_keras(tensorflow=command.keras == "tensorflow", quiet=values.get("devices") == "multi-worker")
        config = configure(command.config, **values)
        # Results alone go to stdout, whatever the libraries print while they work.
        with contextlib.nullcontext() if command.prints else contextlib.redirect_stdout(sys.stderr):
            result = command.run(config, TERMINAL)
            text = command.text(config, result)
        if shown := show(result, text, as_json and bool(result)):
            click.echo(shown)

    parameters = [_parameter(command, field) for field in option_fields(command.config).values()]
    # Arguments first; options without a default before those that have one, as in the dataclass.
    return _Command(command.name, callback=call, params=[*parameters, *_shared(command)], help=command.help)


def _parameter(command: Command, field: dataclasses.Field) -> click.Parameter:
    described, kind = declared(field), kind_of(command.config, field)
    if described.argument:
        metavar = described.metavar or field.name.upper()
        return click.Argument([field.name], required=field.default is dataclasses.MISSING, metavar=metavar)
    name, required = "--" + field.name.replace("_", "-"), field.default is dataclasses.MISSING
    settings: dict[str, Any] = {"required": required, "help": described.help, "metavar": described.metavar}
    if kind is bool:
        settings["is_flag"] = True
    else:
        settings |= {"type": click_type(command.config, field), "multiple": described.repeated}
    if not required:
        shown = field.default not in (None, (), False)
        default = ",".join(field.default) if kind is tuple and not described.repeated else field.default
        settings |= {"default": default, "show_default": shown}
    if field.name in command.presets:
        settings |= {"is_eager": True, "callback": take_preset(command.presets[field.name])}
    return _Option([name], group=described.group, **settings)


def _shared(command: Command) -> list[click.Parameter]:
    """Return the options that every command has, beside those of its configuration."""
    as_json = _Option(["--json", "as_json"], group=_RUNNING, is_flag=True, help="Print the result as JSON.")
    config = _Option(
        ["--config"],
        group=_RUNNING,
        metavar="FILE",
        is_eager=True,
        callback=read_config_file,
        help="Options from FILE.toml, or from the run.json of an earlier run; the command line wins.",
    )
    debug = _Option(["--debug"], group=_RUNNING, is_flag=True, help="Show a traceback where something fails.")
    return [*([as_json] if command.json else []), config, debug]
