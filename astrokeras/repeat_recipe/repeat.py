"""Do what a recipe says, and compare what came of it with what it expects."""

import csv
import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import write_json
from astrokeras.repeat_recipe.preparing import DONE, filled, prepare, there
from astrokeras.repeat_recipe.recipe_file import Recipe
from astrokeras.repeat_recipe.side_by_side import SideBySide, run_side_by_side
from astrokeras.repeat_recipe.stages import needed_by, needs_of
from astrokeras.text import shortened

Run = Callable[[list[str]], None]


def repeat(
    recipe: Recipe,
    data: Path,
    out: Path,
    run: Run,
    report: Callable[[str], None],
    *,
    imagenet: str = "imagenet",
    until: str | None = None,
    beside: SideBySide | None = None,
) -> list[dict[str, Any]]:
    """Do what a recipe says; what was done before by the same command is left.

    Args:
        recipe: to repeat.
        data: directory of the raw files.
        out: directory of the results; stages that were interrupted go on there.
        run: runs a command, given as its words.
        report: gets a line now and then.
        imagenet: file of ImageNet weights, or ``imagenet`` for Keras's own download: what ``{imagenet}`` means.
        until: do this stage alone, and those that it needs; all if None.
        beside: how commands that need nothing of one another run at the same time, with what they print in
            ``{stage}.log`` in `out`; if None, all are run one after the other by `run`.

    Returns:
        The scores to expect, each with what was ``found`` and whether it lies ``within`` the interval; none with
        `until`.

    Raises:
        AstrokerasError: files are missing, a command differs from the one that made what is there, or one of several
            that ran beside each other failed.
        UsageError: no such stage.
    """
    if until is not None and until not in recipe.stages:
        raise UsageError(f"--until {until}: the stages of {recipe.path.stem} are {', '.join(recipe.stages)}")
    places = {"data": data.resolve(), "out": out.resolve(), "recipe": recipe.path.parent, "imagenet": imagenet}
    out.mkdir(parents=True, exist_ok=True)
    done = _read_done(out)
    for item in recipe.prepare:
        prepare(item, places, out, done, report)
    stages = {name: [filled(word, places) for word in shlex.split(text)] for name, text in recipe.stages.items()}
    needs = needs_of(stages)
    if until is not None:
        stages = {name: stages[name] for name in needed_by(until, needs)}
    stages = _to_do(stages, done, out, report)

    def ended(name: str) -> None:
        done[name] = stages[name]
        write_json(out / DONE, done)

    if beside is not None:
        run_side_by_side(stages, needs, beside, out, ended, report)
    else:
        for name, words in stages.items():
            report(f"stage {name}: astrokeras {shlex.join(words)}")
            run(words)
            ended(name)
    return [] if until is not None else [_compared(row, places) for row in recipe.expect]


def outcome(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the scores, what was expected and whether they agree, a line each."""
    return "\n".join(
        f"{row['what']}: {row['found']:.3f}, expected {row['value']:.3f} "
        f"[{row['low']:.3f}, {row['high']:.3f}]: {'as expected' if row['within'] else 'NOT as expected'}"
        for row in rows
    )


def _read_done(out: Path) -> dict[str, Any]:
    if not (out / DONE).is_file():
        return {}
    try:
        return dict(json.loads((out / DONE).read_text(encoding="utf-8")))
    except ValueError:
        raise AstrokerasError(f"{out / DONE} is damaged; remove it, and what is complete is made anew") from None


def _to_do(
    stages: Mapping[str, list[str]], done: Mapping[str, Any], out: Path, report: Callable[[str], None]
) -> dict[str, list[str]]:
    """Return the stages that were not done before.

    Raises:
        AstrokerasError: one was done by another command.
    """
    for name, words in stages.items():
        if name not in done:
            continue
        if done[name] != words:
            raise AstrokerasError(
                f"stage {name} in {out} was made by another command (astrokeras {shlex.join(done[name])}); take "
                "another --out, or remove that directory"
            )
        report(f"stage {name}: done before")
    return {name: words for name, words in stages.items() if name not in done}


def _compared(expected: Mapping[str, Any], places: Mapping[str, Path | str]) -> dict[str, Any]:
    """Return what a table says where a recipe expects a value."""
    table = there(filled(expected["table"], places))
    row, column = {name: str(value) for name, value in expected["row"].items()}, expected["column"]
    with table.open(encoding="utf-8", newline="") as stream:
        lines = [line for line in csv.DictReader(stream) if row.items() <= line.items() and line.get(column)]
    if len(lines) != 1:
        asked = ", ".join(f"{name} {value}" for name, value in row.items())
        raise AstrokerasError(f"{table} has {len(lines)} rows with {column} of {asked}; expected one")
    try:
        found = float(lines[0][column])
    except ValueError:
        raise AstrokerasError(f"{table}: {column} is '{shortened(lines[0][column])}', expected a number") from None
    return {**expected, "table": str(table), "found": found, "within": expected["low"] <= found <= expected["high"]}
