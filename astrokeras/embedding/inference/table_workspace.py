"""The directory of unfinished work on a table, `.OUT.partial` beside OUT: locked, and good for a rerun at any moment.

In it are: `lock`, held by the run that is at work; `plan.json`, what is being made; `results/`, what came of each
piece, written when it is whole; `detected/`, the objects that were found on each field, where the images have no
catalogue.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from astrokeras.config import describe_changes
from astrokeras.errors import AstrokerasError
from astrokeras.files import write_json
from astrokeras.locking import locked_beside
from astrokeras.records.conversion.workspace import workspace_path

_PLAN = "plan.json"


class TableWorkspace:
    """Unfinished work on the table `out`. Open it with `opened`.

    Attributes:
        out: the table to be.
        results: directory of the results.
        detected: directory of the objects found.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = workspace_path(out)
        self.results, self.detected = self.path / "results", self.path / "detected"

    @classmethod
    @contextlib.contextmanager
    def opened(cls, out: Path) -> Iterator["TableWorkspace"]:
        """Lock the place of `out`; when nothing of worth is left in the directory at the end, it goes.

        Raises:
            AstrokerasError: another run is at work there, or the directory cannot be made.
        """
        workspace = cls(out)
        with locked_beside(workspace.path, out):
            try:
                yield workspace
            finally:
                if not (workspace.kept or any(workspace.detected.glob("*.npz"))):
                    shutil.rmtree(workspace.path, ignore_errors=True)

    @property
    def kept(self) -> int:
        """Number of pieces that are done."""
        return sum(1 for _ in self.results.glob("*.npz"))

    @property
    def plan(self) -> dict[str, Any] | None:
        """What the unfinished work is; None where there is none."""
        try:
            found = json.loads((self.path / _PLAN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def begin(self, plan: Mapping[str, Any], *, overwrite: bool) -> None:
        """Make room for what `plan` describes; what is done of the same is kept.

        Raises:
            AstrokerasError: pieces of something else are there, and they are not to be overwritten.
        """
        before = self.plan
        if before is None or not same(before, plan):
            if before is not None and self.kept and not overwrite:
                raise AstrokerasError(
                    f"unfinished work on {self.out} is there, but {describe_differences(before, plan)}; repeat its "
                    "own command to go on with it, or use --overwrite to begin again"
                )
            for path in (self.results, self.detected):
                shutil.rmtree(path, ignore_errors=True)
        for path in (self.results, self.detected):
            path.mkdir(exist_ok=True)
        write_json(self.path / _PLAN, plan)

    def clear(self) -> None:
        """Delete all but the lock."""
        for path in (self.results, self.detected):
            shutil.rmtree(path, ignore_errors=True)
        (self.path / _PLAN).unlink(missing_ok=True)


def describe_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In words, what is not as it was; both with ``version``, ``encoder``, ``records`` and ``options``."""
    said = []
    if before.get("version") != now["version"]:
        said.append(f"astrokeras was {before.get('version')} and is {now['version']}")
    if _part(before, "encoder") != _part(now, "encoder"):
        said.append("the network was another")
    if _part(before, "records") != _part(now, "records"):
        said.append("the records or images were others")
    options = before.get("options")
    if isinstance(options, dict):
        said += describe_changes(options, now["options"], sorted(options.keys() | now["options"].keys()))
    return ", ".join(said) or "what it was made from is not the same"


def same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether a table was made as is asked for now, wherever the encoder and the records lay."""
    return all(
        _part(before, name) == _part(now, name)
        for name in ("version", "kind", "encoder", "records", "options", "images", "novelty")
    )


def _part(about: Mapping[str, Any], name: str) -> Any:
    value = about.get(name)
    return {k: v for k, v in value.items() if k not in ("path", "name")} if isinstance(value, dict) else value
