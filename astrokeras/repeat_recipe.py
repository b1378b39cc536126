"""Recipes: published results as TOML files, repeated from raw files by the commands that a user would type.

A recipe has a title, what it takes (``[needs]``), files to prepare, commands as stages, and the scores to expect. In
its texts ``{data}`` is the directory of the raw files, ``{out}`` that of the results, ``{recipe}`` that of the recipe,
and ``{imagenet}`` ImageNet's weights.
"""

import csv
import dataclasses
import hashlib
import json
import shlex
import tarfile
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import write_atomically, write_json

_DONE = "recipe.json"
_FOLDERS = (Path("recipes"), Path(__file__).resolve().parents[1] / "recipes")
_LARGEST = 64 << 20  # bytes of a file in an archive
_PICTURES = {".jpg", ".jpeg", ".png", ".fits"}
Run = Callable[[list[str]], None]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a recipe's file says.

    Attributes:
        path: of the file.
        title: one line.
        needs: what the data are, how long it takes on which machine: texts by name.
        prepare: files to make first, see `_prepare`.
        stages: by name the commands, as they are typed behind ``astrokeras``, in their order.
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
        return Recipe(
            path.resolve(),
            content["title"],
            content.get("needs", {}),
            content.get("prepare", []),
            {stage["name"]: " ".join(stage["command"].split()) for stage in content["stage"]},
            content.get("expect", []),
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise AstrokerasError(
            f"{path} is no recipe ({' '.join(str(error).split())}); expected a title and [[stage]]s, each with name "
            "and command"
        ) from None


def repeat(
    recipe: Recipe,
    data: Path,
    out: Path,
    run: Run,
    report: Callable[[str], None],
    *,
    imagenet: str = "imagenet",
    until: str | None = None,
) -> list[dict[str, Any]]:
    """Do what a recipe says; what was done before by the same command is left.

    Args:
        recipe: to repeat.
        data: directory of the raw files.
        out: directory of the results; stages that were interrupted go on there.
        run: runs a command, given as its words.
        report: gets a line now and then.
        imagenet: file of ImageNet weights, or ``imagenet`` for Keras's own download: what ``{imagenet}`` means.
        until: the last stage to do; all if None.

    Returns:
        The scores to expect, each with what was ``found`` and whether it lies ``within`` the interval.

    Raises:
        AstrokerasError: files are missing, or a command differs from the one that made what is there.
        UsageError: no such stage.
    """
    if until is not None and until not in recipe.stages:
        raise UsageError(f"--until {until}: the stages of {recipe.path.stem} are {', '.join(recipe.stages)}")
    places = {"data": data.resolve(), "out": out.resolve(), "recipe": recipe.path.parent, "imagenet": imagenet}
    out.mkdir(parents=True, exist_ok=True)
    done = _read_done(out)
    for item in recipe.prepare:
        _prepare(item, places, out, done, report)
    for name, command in recipe.stages.items():
        words = [_filled(word, places) for word in shlex.split(command)]
        if done.get(name) == words:
            report(f"stage {name}: done before")
        elif name in done:
            raise AstrokerasError(
                f"stage {name} in {out} was made by another command (astrokeras {shlex.join(done[name])}); take "
                "another --out, or remove that directory"
            )
        else:
            report(f"stage {name}: astrokeras {shlex.join(words)}")
            run(words)
            done[name] = words
            write_json(out / _DONE, done)
        if name == until:
            return []
    return [_compared(row, places) for row in recipe.expect]


def outcome(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the scores, what was expected and whether they agree, a line each."""
    return "\n".join(
        f"{row['what']}: {row['found']:.3f}, expected {row['value']:.3f} "
        f"[{row['low']:.3f}, {row['high']:.3f}]: {'as expected' if row['within'] else 'NOT as expected'}"
        for row in rows
    )


def _read_done(out: Path) -> dict[str, Any]:
    if not (out / _DONE).is_file():
        return {}
    try:
        return dict(json.loads((out / _DONE).read_text(encoding="utf-8")))
    except ValueError:
        raise AstrokerasError(f"{out / _DONE} is damaged; remove it, and what is complete is made anew") from None


def _filled(text: str, places: Mapping[str, Path | str]) -> str:
    for name, place in places.items():
        text = text.replace(f"{{{name}}}", str(place))
    return text


def _prepare(
    item: Mapping[str, Any],
    places: Mapping[str, Path | str],
    out: Path,
    done: dict[str, Any],
    report: Callable[[str], None],
) -> None:
    """Unpack an archive (``unpack``, ``into``), or write one table of several (``tables``, ``into``), see `_gather`."""
    item = json.loads(json.dumps(item), object_hook=lambda found: _filled_all(found, places))
    key = f"prepare {item['into']} {hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:8]}"
    if done.get(key) == item:
        return
    if "unpack" in item:
        count, what = _unpack(_there(item["unpack"]), Path(item["into"])), f"files of {item['unpack']}"
    else:
        count, what = _gather(item["tables"], Path(item["into"])), "rows"
    report(f"{count} {what} in {item['into']}")
    done[key] = item
    write_json(out / _DONE, done)


def _filled_all(found: dict[str, Any], places: Mapping[str, Path | str]) -> dict[str, Any]:
    return {key: _filled(value, places) if isinstance(value, str) else value for key, value in found.items()}


def _there(name: str) -> Path:
    if not Path(name).is_file():
        raise AstrokerasError(f"there is no file {name}, which the recipe needs; is --data the right directory?")
    return Path(name)


def _unpack(archive: Path, folder: Path) -> int:
    """Put the pictures of an archive into one folder, under their own names; returns their number."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    try:
        with tarfile.open(archive) as file:
            for member in file:
                name = Path(member.name).name
                if not member.isfile() or Path(name).suffix.lower() not in _PICTURES or member.size > _LARGEST:
                    continue
                (folder / name).write_bytes(file.extractfile(member).read())
                count += 1
    except (tarfile.TarError, EOFError) as error:
        raise AstrokerasError(f"{archive} is no whole tar archive ({error})") from None
    return count


def _gather(tables: list[dict[str, Any]], into: Path) -> int:
    """Write the rows of CSV tables one below the other; returns their number.

    Args:
        tables: each a ``file`` with a column `id`; with ``join``, another table, its columns by id are added and rows
            without any there are left out; ``set`` gives columns that are the same in all rows.
        into: the file to write.
    """
    rows: list[dict[str, str]] = []
    for table in tables:
        mine = _rows(_there(table["file"]))
        if "join" in table:
            further = {row["id"]: row for row in _rows(_there(table["join"]))}
            mine = [row | further[row["id"]] for row in mine if row["id"] in further]
        rows += [row | table.get("set", {}) for row in mine]
    names = list(dict.fromkeys(name for row in rows for name in row))

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names, restval="")
            writer.writeheader()
            writer.writerows(rows)

    write_atomically(into, write)
    return len(rows)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or "id" not in rows[0]:
        raise AstrokerasError(f"{path} has no rows with an id")
    return rows


def _compared(expected: Mapping[str, Any], places: Mapping[str, Path | str]) -> dict[str, Any]:
    """Return what a table says where a recipe expects a value."""
    table = _there(_filled(expected["table"], places))
    row, column = {name: str(value) for name, value in expected["row"].items()}, expected["column"]
    with table.open(encoding="utf-8", newline="") as stream:
        lines = [line for line in csv.DictReader(stream) if row.items() <= line.items() and line.get(column)]
    if len(lines) != 1:
        asked = ", ".join(f"{name} {value}" for name, value in row.items())
        raise AstrokerasError(f"{table} has {len(lines)} rows with {column} of {asked}; expected one")
    found = float(lines[0][column])
    return {**expected, "table": str(table), "found": found, "within": expected["low"] <= found <= expected["high"]}
