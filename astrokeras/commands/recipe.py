"""``astrokeras recipe``."""

import dataclasses
import subprocess
from pathlib import Path
from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import option, option_fields
from astrokeras.errors import AstrokerasError, UsageError, unknown_name


@dataclasses.dataclass(frozen=True)
class RecipeConfig:
    """Options of ``astrokeras recipe``."""

    name: str | None = option(
        None,
        "Recipe to repeat, or the path of a TOML file; without one all are listed.",
        group="Input and output",
        argument=True,
    )
    data: str | None = option(None, "Directory of the raw files.", group="Input and output")
    out: str | None = option(
        None, "Directory of the results; stages that were done there before are left.", group="Input and output"
    )
    imagenet_weights: str | None = option(
        None, "Weights file for the arms from ImageNet.  [default: Keras's own download]", group="Input and output"
    )
    until: str | None = option(
        None, "Do this stage alone, and the stages that it needs.", group="Running", metavar="STAGE"
    )
    jobs: int = option(
        1,
        "Stages that run beside each other if they need nothing of one another, each in a process of its own, with "
        "what it prints in OUT/STAGE.log.",
        group="Running",
        minimum=1,
    )


def _run(config: RecipeConfig, console: Console) -> list[dict[str, Any]]:
    from astrokeras.repeat_recipe import SideBySide, outcome, read_recipe, recipe_names, repeat  # noqa: PLC0415

    if config.name is None:
        return [{"name": name, "title": read_recipe(name).title} for name in recipe_names()]
    recipe = read_recipe(config.name)
    if config.data is None or config.out is None:
        needs = "; ".join(f"{name}: {text}" for name, text in recipe.needs.items())
        raise UsageError(f"recipe {recipe.path.stem} needs --data and --out. {recipe.title}. {needs}")
    weights = str(Path(config.imagenet_weights).resolve()) if config.imagenet_weights else "imagenet"
    rows = repeat(
        recipe,
        Path(config.data),
        Path(config.out),
        _run_here,
        console.report,
        imagenet=weights,
        until=config.until,
        beside=SideBySide(config.jobs, _start) if config.jobs > 1 else None,
    )
    if wrong := [row for row in rows if not row["within"]]:
        console.report(outcome(rows))
        raise AstrokerasError(f"{len(wrong)} of {len(rows)} scores are not as the recipe says")
    return rows


def _run_here(words: list[str]) -> None:
    """Run a command in this process."""
    from astrokeras.commands.click_command import click_command  # noqa: PLC0415

    command, arguments = _resumed(words)
    click_command(command).main(args=arguments, prog_name=f"astrokeras {command.name}", standalone_mode=False)


def _start(words: list[str], log: Path) -> subprocess.Popen:
    """Run a command in a process of its own."""
    from astrokeras.repeat_recipe.side_by_side import start_astrokeras  # noqa: PLC0415

    command, arguments = _resumed(words)
    return start_astrokeras([command.name, *arguments], log)


def _resumed(words: list[str]) -> tuple[Command, list[str]]:
    """Return a command and its arguments, by which it goes on where it was interrupted if it can."""
    from astrokeras.commands import commands  # noqa: PLC0415

    name, *arguments = words
    if name not in commands():
        raise AstrokerasError(unknown_name("command", name, commands()))
    command = commands()[name]
    return command, [*arguments, "--resume"] if "resume" in option_fields(command.config) else arguments


def _text(config: RecipeConfig, result: list[dict[str, Any]]) -> str:
    from astrokeras.repeat_recipe import outcome  # noqa: PLC0415

    if config.name is None:
        return "\n".join(f"{row['name']}  {row['title']}" for row in result)
    return outcome(result)


RECIPE = Command(
    "recipe",
    "Repeat a published result from raw files.",
    RecipeConfig,
    _run,
    text=_text,
    json=True,
    order=165,
    example='astrokeras.recipe("efigi", data="efigi", out="repeated")',
)
