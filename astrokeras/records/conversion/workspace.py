"""The directory of an unfinished conversion, `.OUT.partial` beside OUT: locked, and good for a rerun at any moment.

In it are: `lock`, held by the run that is at work; `plan.json`, what is being converted; `parts/`, files with records,
each under a name of its own; `results/`, what came of each task, written last, so that what stands there is whole;
`detected/`, the objects that were found on each field; `moves.json`, which part becomes which shard, written before the
first is moved; `records/`, the directory to be, which is renamed to OUT when it is whole; `old/`, what --overwrite
replaces, until then.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from astrokeras.files import remove_unfinished, sync, write_json
from astrokeras.locking import locked_beside
from astrokeras.records.conversion.result import TaskResult, load
from astrokeras.records.conversion.run_task import result_path
from astrokeras.records.conversion.shard_writer import part_path
from astrokeras.records.conversion.task import TaskInput
from astrokeras.records.tfrecord import checksum


class Workspace:
    """An unfinished conversion to `out`. Open it with `opened`."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = workspace_path(out)
        self.records = self.path / "records"
        self._plan = self.path / "plan.json"
        self._moves = self.path / "moves.json"
        self._old = self.path / "old"

    @classmethod
    @contextlib.contextmanager
    def opened(cls, out: Path) -> Iterator["Workspace"]:
        """Lock the place of `out`; when nothing of worth is left in the directory at the end, it goes.

        Raises:
            AstrokerasError: another run is at work there, or the directory cannot be made.
        """
        workspace = cls(out)
        with locked_beside(workspace.path, out):
            try:
                workspace._restore()
                yield workspace
            finally:
                workspace._restore()
                if not (workspace.kept or workspace.searched):
                    workspace.clear()
                    shutil.rmtree(workspace.path, ignore_errors=True)

    @property
    def plan(self) -> dict[str, Any] | None:
        """What the unfinished conversion is one of; None where there is none."""
        try:
            return json.loads(self._plan.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    @property
    def detected(self) -> Path:
        """The directory in which the objects that `--detect` finds are kept."""
        return self.path / "detected"

    @property
    def searched(self) -> int:
        """Number of fields whose objects have been found."""
        return sum(1 for _ in self.detected.glob("[!.]*.npz"))

    @property
    def kept(self) -> int:
        """Number of finished tasks."""
        return sum(1 for _ in self.path.glob("results/[!.]*.npz"))

    def clear(self) -> None:
        """Drop all that has been done, but for what was detected, which knows by itself what it is good for."""
        for path in (self.records, self.path / "results", self.path / "parts"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self._moves, self._plan):
            path.unlink(missing_ok=True)

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Make room for what `plan` describes; what is finished of the same is kept."""
        if self.plan != plan:
            self.clear()
        self._undo_moves()
        for name in ("parts", "results"):
            (self.path / name).mkdir(exist_ok=True)
        write_json(self._plan, plan)

    def finished(self, task_input: TaskInput) -> TaskResult | None:
        """Return what came of `task_input` in an earlier run, if it is whole and its images are still the same."""
        result = result_path(self.path, task_input.task.index)
        done = load(result, task_input.fingerprint) if result.is_file() else None
        if done and done.unchanged and all(self._is_whole(part) for part in done.parts.values()):
            return done
        result.unlink(missing_ok=True)
        return None

    def _is_whole(self, part: Any) -> bool:
        path = part_path(self.path, part.file)
        size = path.stat().st_size if path.is_file() else None
        return size == part.shard.bytes and checksum(path) == part.shard.crc32c

    def drop_strays(self, parts: set[str], n_tasks: int) -> None:
        """Delete the files that no finished task knows: what a killed run left half-written, or another plan."""
        strays = [path for path in self.path.glob("parts/*") if path.name not in parts]
        strays += [path for path in self.path.glob("results/[!.]*.npz") if int(path.stem) >= n_tasks]
        for path in strays:
            path.unlink(missing_ok=True)
        remove_unfinished(self.path / "results")

    def move(self, moves: Mapping[str, str]) -> None:
        """Give parts their final names in the directory to be."""
        shutil.rmtree(self.records, ignore_errors=True)
        self.records.mkdir()
        write_json(self._moves, moves)
        for part, shard in moves.items():
            part_path(self.path, part).rename(self.records / shard)

    def _undo_moves(self) -> None:
        """Put the shards of a run that was killed while finishing back where they were."""
        with contextlib.suppress(OSError, ValueError):
            moves = json.loads(self._moves.read_text(encoding="utf-8"))
            for part, shard in moves.items():
                if (self.records / shard).is_file():
                    (self.records / shard).rename(part_path(self.path, part))
        self._moves.unlink(missing_ok=True)
        shutil.rmtree(self.records, ignore_errors=True)

    def publish(self) -> None:
        """Put the directory in its place, what was there out of the way, and what is no longer needed away."""
        sync(self.records)
        if self.out.exists():
            self.out.rename(self._old)
        self.records.rename(self.out)
        sync(self.out.parent)
        self.clean_up()

    def clean_up(self) -> None:
        """Delete all that a finished conversion leaves; the plan last, by which a rerun knows that it is finished."""
        shutil.rmtree(self._old, ignore_errors=True)
        self._moves.unlink(missing_ok=True)
        for path in (self.path / "parts", self.path / "results", self.detected):
            shutil.rmtree(path, ignore_errors=True)
        self._plan.unlink(missing_ok=True)

    def _restore(self) -> None:
        """Bring back what was moved out of the way if nothing came in its place."""
        if self._old.exists() and not self.out.exists():
            self._old.rename(self.out)
        shutil.rmtree(self._old, ignore_errors=True)


def workspace_path(out: Path) -> Path:
    """Return where an unfinished conversion to `out` is kept."""
    return out.with_name(f".{out.name}.partial")
