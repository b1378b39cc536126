"""Checkpoints that are whole or absent, at the end of an epoch or within it; the previous one is kept.

`keras.callbacks.BackupAndRestore` writes in place in two steps; a machine that goes down between them leaves
nothing to go on from.
"""

import dataclasses
import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.lib import format as npy

from astrokeras.errors import AstrokerasError
from astrokeras.files import CannotWrite, digest, remove_unfinished, write_atomically, write_json
from astrokeras.jsonable import finite
from astrokeras.records.metadata import signed
from astrokeras.training.checkpoints.state import State, blank, put
from astrokeras.training.distribution.workers import Workers

History = list[dict[str, Any]]

_KEEP = 2


@dataclasses.dataclass(frozen=True)
class Moment:
    """A point of a run.

    Attributes:
        history: a row for each epoch that is done.
        step: how many steps of the epoch after those are done.
        trained: the scores of that epoch's training, if all of its steps are done and only its validation is not.
    """

    history: History
    step: int = 0
    trained: dict[str, float] | None = None

    @property
    def epoch(self) -> int:
        """How many epochs are done, which is the number of the next one."""
        return len(self.history)

    def __str__(self) -> str:
        where = f"epoch {self.epoch}" if self.step == 0 else f"step {self.step} of epoch {self.epoch + 1}"
        return where if self.epoch or self.step else "the start"


def _state_path(manifest: Path) -> Path:
    return manifest.with_suffix(".npz")


class Beginning:
    """What a training of minutes begins with, in memory: it is gone back to, and nothing else is kept.

    Args:
        state: as `state.take` gives it.
    """

    lasting = False

    def __init__(self, state: State) -> None:
        self.state = state

    def save(self, state: State, moment: Moment) -> None:
        """Do nothing."""

    def restore(self, model: keras.Model) -> Moment:
        """Give a model the state of the beginning."""
        put(model, self.state)
        return Moment([])

    def drop_newest(self) -> bool:
        """Return False: there is no other."""
        return False


class Checkpoints:
    """The checkpoints in one directory, which the first worker reads and writes for all.

    A checkpoint is ``epoch-00007-step-00000120.npz`` (the state as `state.take` gives it) and a manifest of the same
    name, ``.json`` (the `Moment`, the checksum of the state, and that of all the manifest). The manifest is written
    last: a state without one doesn't count.

    Attributes:
        lasting: whether what is saved outlasts this process.
    """

    lasting = True

    def __init__(self, directory: str | Path, workers: Workers | None = None) -> None:
        self.directory = Path(directory)
        self.workers = workers or Workers()

    def save(self, state: State, moment: Moment) -> None:
        """Write the state of a model and removes all but this and the one before.

        Raises:
            CannotWrite: those that were there are as they were.
        """
        self.workers.share(lambda: self._save(state, moment))

    def _save(self, state: State, moment: Moment) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotWrite(self.directory, error) from error
        manifest = self.directory / _name(moment)
        path = _state_path(manifest)
        write_atomically(path, lambda temporary: np.savez(temporary, **state))
        write_json(manifest, signed(finite({**dataclasses.asdict(moment), "state": digest(path)})))
        self._prune(manifest)

    def restore(self, model: keras.Model) -> Moment | None:
        """Load the newest whole checkpoint into a model; None if there is none at all.

        The model's optimizer must be built.

        Raises:
            AstrokerasError: there are checkpoints and all are damaged, or the model is another.
        """
        state = blank(model)

        def newest() -> dict[str, Any] | None:
            nonlocal state
            found = self._newest(model)
            if found is None:
                return None
            moment, state = found
            return dataclasses.asdict(moment)

        moment = self.workers.share(newest)
        if moment is None:
            return None
        put(model, {name: self.workers.same(value) for name, value in sorted(state.items())})
        return Moment(**moment)

    def _newest(self, model: keras.Model) -> tuple[Moment, State] | None:
        manifests = self._manifests()
        for manifest in manifests:
            moment = self._whole(manifest)
            if moment is None:
                continue
            if _shapes(_state_path(manifest)) != {n: (v.shape, v.dtype) for n, v in blank(model).items()}:
                raise AstrokerasError(f"the checkpoint {_state_path(manifest)} is of another model")
            with np.load(_state_path(manifest), allow_pickle=False) as arrays:
                return moment, dict(arrays)
        if manifests:
            raise AstrokerasError(f"all checkpoints in {self.directory} are damaged; start again with --overwrite")
        return None

    def drop_newest(self) -> bool:
        """Remove the newest whole checkpoint if there is another whole one; whether there was."""
        whole = [manifest for manifest in self._manifests() if self._whole(manifest)]
        if len(whole) < 2:
            return False
        self._prune(whole[1])
        return True

    def _manifests(self) -> list[Path]:
        """Return the newest first."""
        return sorted(self.directory.glob("epoch-*.json"), reverse=True)

    def _prune(self, newest: Path) -> None:
        """Keep this checkpoint and the one before; a later one is damaged, or the run would have gone on from it."""
        manifests = self._manifests()
        kept = [manifest for manifest in manifests if manifest <= newest][:_KEEP]
        for manifest in manifests:
            if manifest not in kept:
                manifest.unlink()
        states = {_state_path(manifest) for manifest in kept}
        for path in self.directory.glob("epoch-*.npz"):
            if path not in states:
                path.unlink()
        remove_unfinished(self.directory)

    @staticmethod
    def _whole(manifest: Path) -> Moment | None:
        """Return the moment of a checkpoint whose manifest and state have the checksums that the manifest says."""
        try:
            content = json.loads(manifest.read_text(encoding="utf-8"))
            if content != signed(content) or content["state"] != digest(_state_path(manifest)):
                return None
            moment = _moment(content)
            return moment if manifest == manifest.with_name(_name(moment)) else None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError):
            return None


def _name(moment: Moment) -> str:
    return f"epoch-{moment.epoch:05d}-step-{moment.step:08d}.json"


def _moment(content: dict[str, Any]) -> Moment:
    """Return what a manifest says.

    Raises:
        ValueError, KeyError, TypeError: it is no moment of a training.
    """
    history = [_numbers(row) for row in content["history"]]
    step, trained = content["step"], content["trained"]
    if [row["epoch"] for row in history] != list(range(1, len(history) + 1)):
        raise ValueError("the epochs are not counted from 1")
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        raise ValueError("the step is no number of steps")
    return Moment(history, step, None if trained is None else _numbers(trained))


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it was: JSON has no NaN."""
    numbers = {name: math.nan if value is None else value for name, value in row.items()}
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers.values()):
        raise ValueError("a score is no number")
    return numbers


def _shapes(state: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]] | None:
    """Return what the arrays of a state claim to be, of which nothing is put into memory.

    None if it holds anything else.
    """
    shapes = {}
    try:
        with zipfile.ZipFile(state) as archive:
            for member in archive.infolist():
                with archive.open(member) as file:
                    version = npy.read_magic(file)
                    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                    shape, _, dtype = read(file)
                shapes[member.filename.removesuffix(".npy")] = shape, dtype
    except (ValueError, OSError, RuntimeError, NotImplementedError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return shapes
