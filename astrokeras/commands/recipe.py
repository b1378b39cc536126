"""``astrokeras recipe``."""

import dataclasses
from pathlib import Path
from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import option, option_fields
from astrokeras.errors import AstrokerasError, UsageError


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
    until: str | None = option(None, "Stop after this stage.", group="Running", metavar="STAGE")


def _run(config: RecipeConfig, console: Console) -> list[dict[str, Any]]:
    from astrokeras.repeat_recipe import outcome, read_recipe, recipe_names, repeat  # noqa: PLC0415

    if config.name is None:
        return [{"name": name, "title": read_recipe(name).title} for name in recipe_names()]
    recipe = read_recipe(config.name)
    if config.data is None or config.out is None:
        needs = "; ".join(f"{name}: {text}" for name, text in recipe.needs.items())
        raise UsageError(f"recipe {recipe.path.stem} needs --data and --out. {recipe.title}. {needs}")
    weights = str(Path(config.imagenet_weights).resolve()) if config.imagenet_weights else "imagenet"
    rows = repeat(
        recipe, Path(config.data), Path(config.out), _command, console.report, imagenet=weights, until=config.until
    )
    if wrong := [row for row in rows if not row["within"]]:
        console.report(outcome(rows))
        raise AstrokerasError(f"{len(wrong)} of {len(rows)} scores are not as the recipe says")
    return rows


def _command(words: list[str]) -> None:
    """Run a command, which goes on where it was interrupted if it can."""
    from astrokeras.commands import commands  # noqa: PLC0415
    from astrokeras.commands.click_command import click_command  # noqa: PLC0415

    name, *arguments = words
    command = commands()[name]
    if "resume" in option_fields(command.config):
        arguments.append("--resume")
    click_command(command).main(args=arguments, prog_name=f"astrokeras {name}", standalone_mode=False)


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
