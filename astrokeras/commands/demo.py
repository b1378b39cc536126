"""``astrokeras demo``."""

import dataclasses
import shlex
from pathlib import Path

import click

from astrokeras.commands.base import Command, Console
from astrokeras.config import MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class DemoConfig:
    """Options of ``astrokeras demo``."""

    out: str = option(help="Directory to make.", group="Input and output")
    imagenet_weights: str | None = option(
        None, "Weights file for the imagenet arm.  [default: Keras's own download]", group="Input and output"
    )
    overwrite: bool = option(False, "Replace an existing directory.", group="Input and output")
    seed: int = option(0, "Seed of everything random.", group="Running", maximum=MAX_SEED)


def _run(config: DemoConfig, _: Console) -> Path:
    from astrokeras.commands import commands  # noqa: PLC0415
    from astrokeras.commands.click_command import click_command  # noqa: PLC0415
    from astrokeras.demo_steps import COMPARISONS, next_commands, steps  # noqa: PLC0415

    out = Path(config.out)
    for step in steps(out, config.seed, config.imagenet_weights, config.overwrite):
        click.echo(f"\n# {step.why}\n$ {shlex.join(('astrokeras', *step.command))}")
        name, *arguments = step.command
        click_command(commands()[name]).main(args=arguments, prog_name=f"astrokeras {name}", standalone_mode=False)
    for comparison in COMPARISONS:
        click.echo("\n" + (out / comparison / "comparison.md").read_text(encoding="utf-8"))
    click.echo("Three commands to try next:")
    for step in next_commands(out):
        click.echo(f"\n# {step.why}\n$ {shlex.join(step.command)}")
    return out


DEMO = Command(
    "demo",
    "Go the whole way on the sample survey, in minutes.",
    DemoConfig,
    _run,
    text=lambda config, result: "",
    prints=True,
    order=170,
    example='astrokeras.demo("demo")',
)
