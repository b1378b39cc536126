"""Where weights come from: the records of starts in ``run.json``, with all that they go back to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from astrokeras.errors import AstrokerasError
from astrokeras.training.imagenet import imagenet_name

JOINED = "joined"
"""The kind of a start that is made of several, its ``parts``."""
SIGNS = {"|": "beside", "+": "mean"}
"""How parts are put together: their embeddings side by side, or the mean of their predictions."""
# Runs can go on from each other for ever, and in circles.
_MOST_ANCESTORS, _MOST_NAMES = 100, 8


def shortened(start: dict[str, Any]) -> dict[str, Any]:
    """Return a start with at most `_MOST_ANCESTORS` runs that it goes back to; what lies before them is ``earlier``."""
    chain = []
    while start.get("init") and len(chain) < _MOST_ANCESTORS:
        chain.append(start)
        start = start["init"]
    short = {"kind": "earlier"} if start.get("init") else start
    for one in reversed(chain):
        short = {**one, "init": short}
    return short


def ancestors(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the runs that a start goes back to, the last one first; of several parts those of each."""
    while record:
        if record["kind"] == JOINED:
            for part in record["parts"]:
                yield from ancestors(part)
        if record["kind"] != "run":
            return
        yield record
        record = record.get("init")


def is_random(record: dict[str, Any]) -> bool:
    """Return whether a start has random weights, or a part of it has."""
    return record["kind"] == "scratch" or (record["kind"] == JOINED and any(map(is_random, record["parts"])))


def firsts(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return what a start began with before any run; of several parts that of each."""
    while record.get("init"):
        record = record["init"]
    if record["kind"] != JOINED:
        yield record
        return
    for part in record["parts"]:
        yield from firsts(part)


def lineage(record: dict[str, Any]) -> list[str]:
    """Return a start in words, the last one first: names of runs, and ``imagenet`` if that was the first.

    The names of a few: ``earlier`` stands for more. What is made of several is one name.
    """
    names = []
    while record:
        if record["kind"] == JOINED:
            names.append(joined_name(record["how"], ["-from-".join(lineage(part)) for part in record["parts"]]))
        elif record["kind"] != "scratch":
            names.append(Path(record.get("path") or record.get("name") or imagenet_name(record)).name)
        record = record.get("init")
    return names if len(names) <= _MOST_NAMES else [*names[: _MOST_NAMES - 1], "earlier"]


def joined_name(how: str, names: list[str]) -> str:
    """Return what an arm that is made of several is called.

    Example:
        >>> joined_name("beside", ["imagenet", "magnitudes"])
        'imagenet-beside-magnitudes'
    """
    names = [name or "scratch" for name in names]
    return "-beside-".join(names) if how == "beside" else f"mean-of-{'-and-'.join(names)}"


def joined_record(how: str, parts: list[dict[str, Any]], backbone: str) -> dict[str, Any]:
    """Return what stands in ``run.json`` of a start that is made of several."""
    return {"kind": JOINED, "how": how, "parts": parts, "backbone": backbone}


def check_same_start(path: Path, old: dict[str, Any] | None, new: dict[str, Any]) -> None:
    """Make sure that a run to be resumed starts from the same weights still.

    Raises:
        AstrokerasError: they have changed.
    """
    old = old or {}
    if new["kind"] == JOINED:
        before = old.get("parts") or []
        if len(before) != len(new["parts"]):
            raise AstrokerasError(f"cannot resume {path}: its arms had other parts; use --overwrite")
        for was, part in zip(before, new["parts"], strict=True):
            check_same_start(path, was, part)
    if old.get("sha256") != new.get("sha256"):
        what = new.get("path") or new.get("weights")
        raise AstrokerasError(f"cannot resume {path}: {what} has changed since it was started; use --overwrite")
