"""What may stand in a ``run.json``: it is read back by runs that start from it, and may be somebody else's."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrokeras.config import ConvertConfig, FinetuneConfig, PretrainConfig, option_types

_MOST_BYTES = 64 << 20
_DEEPEST = 250
_OPTIONS = {"pretrain": PretrainConfig, "finetune": FinetuneConfig, "classifier": FinetuneConfig}
_SOURCE = {"path": str, "name": str, "fingerprint": str}
_RUN = {
    "command": str,
    "options": dict,
    "seed": int,
    "versions": dict,
    "records": {**_SOURCE, "bands": [str], "unit": str, "size": int, "classes": [str], "conversion": dict},
    "result": dict | None,
}
_FINETUNED = {
    "rows": [{"arm": str, "backbone": str, "init": str}],
    "winner": {"arm": str},
}
_START = {
    "scratch": {},
    "earlier": {},
    "imagenet": {},
    "joined": {"how": str, "parts": [dict], "backbone": str},
    "encoder": {"name": str, "backbone": str, "sha256": str},
    "run": {
        "path": str, "command": str, "backbone": str, "task": list[str] | None, "mode": str | None,
        "records": _SOURCE, "sha256": str | None,
    },
}  # fmt: skip


def read_run(file: Path) -> dict[str, Any]:
    """Return the content of a ``run.json``; options that it does not know, being older, have their defaults.

    Raises:
        ValueError: it is not what one of our commands would write.
        OSError: it cannot be read.
    """
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
    try:
        run = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    _check_depth(run)
    _check(run, _RUN, "")
    kind = _OPTIONS.get(run["command"])
    if kind is not None:
        _renew(run["options"], kind)
        _check_options(run["options"], kind, "options")
        defaults = {f.name: f.default for f in dataclasses.fields(kind) if f.default is not dataclasses.MISSING}
        run["options"] = {**_as_json(defaults), **run["options"]}
    _check_options(run["records"]["conversion"], ConvertConfig, "records.conversion")
    _check_what_came_of_it(run)
    return run


def _renew(options: dict[str, Any], kind: type) -> None:
    """Write the backbone of an older comparison, which had one at most, as a list."""
    backbone = options.get("backbone", [])
    if kind is FinetuneConfig and (backbone is None or isinstance(backbone, str)):
        options["backbone"] = [] if backbone is None else [backbone]


def _check_what_came_of_it(run: dict[str, Any]) -> None:
    """Check the parts that other runs look at."""
    if run.get("init") is not None:
        _check_start(run["init"], "init")
    resolved = run.get("resolved", {})
    _check(resolved, dict, "resolved")
    if "precision" in resolved:
        _check(resolved["precision"], {"precision": str}, "resolved.precision")
    _check(run.get("changed", []), [dict], "changed")
    starts = run.get("starts") or {}
    _check(starts, dict, "starts")
    for arm, start in starts.items():
        _check_start(start, f"starts.{arm[:40]}")
    targets = run.get("targets") or {}
    _check(targets, dict, "targets")
    for name, target in targets.items():
        _check(target, {"target": str, "config": dict}, f"targets.{name[:40]}")
    result = run["result"]
    if result is None or run["command"] != "finetune":
        return
    _check(result, _FINETUNED, "result")
    if result["winner"]["arm"] not in [row["arm"] for row in result["rows"]]:
        raise ValueError("result.winner is none of the arms")


def _check_start(start: Any, where: str) -> None:
    """Check a start, and all that it goes back to."""
    while start is not None:
        _check(start, {"kind": str}, where)
        if start["kind"] not in _START:
            raise ValueError(f"{where}.kind is {start['kind'][:40]!r}, expected {', '.join(_START)}")
        _check(start, _START[start["kind"]], where)
        for number, part in enumerate(start["parts"] if start["kind"] == "joined" else ()):
            _check_start(part, f"{where}.parts[{number}]"[-200:])
        start, where = start.get("init"), f"{where}.init"[-200:]


def _check_options(options: Mapping[str, Any], kind: type, where: str) -> None:
    """Make sure that options that are known are of their types."""
    hints = option_types(kind)
    for name, value in options.items():
        if name in hints:
            _check(value, hints[name], f"{where}.{name}")


def _check(value: Any, expected: Any, where: str) -> None:
    """Compare with a type, a union, a list of one kind, or what a dictionary has to hold.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(expected, Mapping):
        _check(value, dict, where)
        for name, inner in expected.items():
            inside = f"{where}.{name}".lstrip(".")
            if name not in value:
                raise ValueError(f"{inside} is missing")
            _check(value[name], inner, inside)
    elif isinstance(expected, list):
        _check(value, list, where)
        for number, one in enumerate(value):
            _check(one, expected[0], f"{where}[{number}]")
    elif not _is(value, expected):
        raise ValueError(f"{where or 'it'} is {_short(value)}, expected {_words(expected)}")


def _is(value: Any, expected: Any) -> bool:
    if isinstance(expected, types.UnionType):
        return any(_is(value, one) for one in typing.get_args(expected))
    if typing.get_origin(expected) in (tuple, list):
        return isinstance(value, list) and all(_is(one, typing.get_args(expected)[0]) for one in value)
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, expected) and not (expected is int and isinstance(value, bool))


def _words(expected: Any) -> str:
    if isinstance(expected, types.UnionType):
        return " or ".join(_words(one) for one in typing.get_args(expected))
    if typing.get_origin(expected) in (tuple, list):
        return "a list"
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "an object"}
    return words.get(expected, "a list" if expected is list else "null")


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return json.dumps(value)[:40]


def _as_json(defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}


def _check_depth(value: Any) -> None:
    """Refuse what is nested deeper than we write it: it could not be written again."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            one
            for outer in level
            if isinstance(outer, dict | list)
            for one in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError("it is nested too deep")
