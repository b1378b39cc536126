"""What a recipe says, read from its file.

A recipe has a title, what it takes (``[needs]``), files to prepare, commands as stages, and the scores to expect. In
its texts ``{data}`` is the directory of the raw files, ``{out}`` that of the results, ``{recipe}`` that of the recipe,
and ``{imagenet}`` ImageNet's weights.
"""

import dataclasses
import itertools
import math
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.text import shortened

PLACES = ("data", "out", "recipe", "imagenet")
_FOLDERS = (Path("recipes"), Path(__file__).resolve().parents[2] / "recipes")
_NAME = re.compile(r"\w[\w.+=-]{0,99}")  # it is that of a log as well
_MOST_STAGES = 1000


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a recipe's file says.

    Attributes:
        path: of the file.
        title: one line.
        needs: what the data are, how long it takes on which machine: texts by name.
        prepare: files to make first, see `astrokeras.repeat_recipe.preparing.prepare`.
        stages: by name the commands, as they are typed behind ``astrokeras``, in their order; one for each value where
            the file has a stage for several.
        expect: values with their intervals, each in one ``column`` of the one ``row`` of a ``table`` (CSV) that has the
            values given, and in words ``what`` it is.
    """

    path: Path
    title: str
    needs: dict[str, str]
    prepare: list[dict[str, Any]]
    stages: dict[str, str]
    expect: list[dict[str, Any]]


def recipe_names() -> list[str]:
    """Names of the recipes in the checkout and in the directory ``recipes`` here."""
    return sorted({file.stem for folder in _FOLDERS if folder.is_dir() for file in folder.glob("*.toml")})


def read_recipe(name: str) -> Recipe:
    """Return a recipe by its name or its path.

    Raises:
        UsageError: there is none.
        AstrokerasError: the file is no recipe.
    """
    files = [Path(name), *(folder / f"{name}.toml" for folder in _FOLDERS)]
    path = next((file for file in files if file.suffix == ".toml" and file.is_file()), None)
    if path is None:
        there = ", ".join(recipe_names()) or "none here (recipes lie in a checkout of astrokeras)"
        raise UsageError(f"there is no recipe '{name}'; there are: {there}; or give the path of a TOML file")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        _check_entries(path, content)
        return Recipe(
            path.resolve(),
            content["title"],
            content.get("needs", {}),
            content.get("prepare", []),
            _stages(path, content["stage"]),
            content.get("expect", []),
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise AstrokerasError(
            f"{path} is no recipe ({' '.join(str(error).split())}); expected a title and [[stage]]s, each with name "
            "and command"
        ) from None


def _check_entries(path: Path, content: Mapping[str, Any]) -> None:
    """Raise an error unless files to prepare and values to expect say what they have to, before anything is run."""
    for item in content.get("prepare", []):
        if not isinstance(item.get("into"), str) or isinstance(item.get("unpack"), str) == ("tables" in item):
            raise AstrokerasError(f"{path}: [[prepare]]: expected into, and either unpack or tables")
        for table in item.get("tables", []):
            if not isinstance(table.get("file"), str):
                raise AstrokerasError(
                    f"{path}: [[prepare]] {shortened(item['into'])}: expected a file in each of tables"
                )
    for row in content.get("expect", []):
        kinds = {"what": str, "table": str, "row": dict, "column": str}
        wrong = [name for name, kind in kinds.items() if not isinstance(row.get(name), kind)]
        wrong += [name for name in ("value", "low", "high") if type(row.get(name)) not in (int, float)]
        if wrong:
            raise AstrokerasError(
                f"{path}: [[expect]] {shortened(str(row.get('what', '')))}: {', '.join(wrong)}: expected what, table "
                "and column in words, row as { column = value }, and the numbers value, low and high"
            )


def out_of(words: list[str]) -> str | None:
    """Return what a command's ``--out`` is; None if it has none.

    Example:
        >>> out_of(["convert", "--out=records"])
        'records'
    """
    for word, further in itertools.zip_longest(words, words[1:]):
        if word == "--out":
            return further
        if word.startswith("--out="):
            return word.removeprefix("--out=")
    return None


def _stages(path: Path, listed: list[dict[str, Any]]) -> dict[str, str]:
    """Return the commands by name; those with ``each`` once for each value."""
    found: dict[str, str] = {}
    for stage in listed:
        for name, command in _of_each(path, stage):
            if not _NAME.fullmatch(name):
                raise AstrokerasError(
                    f"{path}: stage {shortened(repr(name))}: expected a name of letters, digits and _ . + = -, the "
                    "first of them a letter, a digit or _"
                )
            if name in found:
                raise AstrokerasError(f"{path}: two stages are called {name}; give each a name of its own")
            if not _words(path, name, command):
                raise AstrokerasError(f"{path}: stage {name} has no command")
            found[name] = command
            if len(found) > _MOST_STAGES:
                raise AstrokerasError(f"{path} has more than {_MOST_STAGES} stages")
    return found


def _words(path: Path, name: str, command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise AstrokerasError(f"{path}: stage {name}: its command cannot be taken apart ({error})") from None


def _of_each(path: Path, stage: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names and commands of the stages that one in the file stands for."""
    name, command = stage["name"], " ".join(stage["command"].split())
    if "each" not in stage:
        yield name, command
        return
    values = stage["each"]
    _check_each(path, name, values)
    out = out_of(_words(path, name, command))
    for variable in values:
        for what, text in (("name", name), ("--out", out)):
            if text is not None and f"{{{variable}}}" not in text:
                raise AstrokerasError(
                    f"{path}: stage {name} is for each {variable}, and its {what} ({text}) has no {{{variable}}}: all "
                    "would be the same"
                )
    if math.prod(map(len, values.values())) > _MOST_STAGES:
        raise AstrokerasError(f"{path} has more than {_MOST_STAGES} stages")
    placeholder = re.compile("|".join(re.escape(f"{{{variable}}}") for variable in values))
    for chosen in itertools.product(*values.values()):
        texts = {f"{{{variable}}}": str(value) for variable, value in zip(values, chosen, strict=True)}
        yield tuple(placeholder.sub(lambda match, texts=texts: texts[match[0]], text) for text in (name, command))


def _check_each(path: Path, name: str, values: Any) -> None:
    """Raise an error unless these are lists of numbers or texts by names that mean nothing else."""
    if not isinstance(values, dict) or not values:
        raise AstrokerasError(f"{path}: stage {name}: each is written like {{ seed = [0, 1, 2] }}")
    for variable, listed in values.items():
        if not variable.isidentifier() or variable in PLACES:
            raise AstrokerasError(
                f"{path}: stage {name}: each {shortened(repr(variable))}: expected a word other than "
                f"{', '.join(PLACES)}"
            )
        plain = isinstance(listed, list) and all(type(value) in (int, float, str) for value in listed)
        if not plain or not listed:
            raise AstrokerasError(f"{path}: stage {name}: each {variable}: expected a list of numbers or texts")
