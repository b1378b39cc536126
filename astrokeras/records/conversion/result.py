"""What came of a task, and the file that keeps it for a rerun."""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.files import sync, write_atomically
from astrokeras.records.tfrecord import Shard

_ARRAYS = ("kept", "measured", "rejected", "codes", "sky", "noise")


@dataclasses.dataclass(frozen=True)
class ShardInfo:
    """What a task adds to one split.

    Attributes:
        file: name of the file with the records, among the parts.
        shard: its size and checksum.
        labels: number of records of each class.
        magnitudes: number of records with a magnitude in each band.
    """

    file: str
    shard: Shard
    labels: list[int]
    magnitudes: list[int]


@dataclasses.dataclass(frozen=True)
class TaskResult:
    """What came of one task.

    Attributes:
        index: number of the task.
        parts: the records, by split.
        kept: rows of the catalogue that are in `parts`, those of each split in the order of its records.
        measured: their magnitudes and shapes with ``--measure``, float64 ``[K, B + 4]``, else ``[K, 0]``.
        rejected: rows that are not, and
        codes: for each of them which of `why` holds.
        why: reason and detail.
        sky, noise: level and noise of the sky in training stamps, float64 ``[N, B]``.
        inputs: images read for the first time in this task, with sizes and checksums.
        seen: size and times of change (ns) of every file that the task depends on, before it was read; None: missing.
    """

    index: int
    parts: dict[str, ShardInfo]
    kept: np.ndarray
    measured: np.ndarray
    rejected: np.ndarray
    codes: np.ndarray
    why: list[tuple[str, str]]
    sky: np.ndarray
    noise: np.ndarray
    inputs: list[dict[str, Any]]
    seen: dict[str, list[int] | None]

    @property
    def unchanged(self) -> bool:
        """Whether the files that the task depends on are those that it saw."""
        return all(look_at(path) == before for path, before in self.seen.items())


def look_at(path: str | Path) -> list[int] | None:
    """Return size and times of the last change of a file and of what is known about it; None where there is none.

    The second time is not set back with the first by what edits a file in place.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError):  # not there, or a name that no file can have
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def save(done: TaskResult, path: Path, fingerprint: str) -> None:
    """Write a result, whole or not at all; `fingerprint` says of which work."""
    rest = {name: value for name, value in _as_dict(done).items() if name not in _ARRAYS}
    text = json.dumps({"fingerprint": fingerprint, **rest}).encode()
    arrays = {name: getattr(done, name) for name in _ARRAYS}
    # The parts first, since a result says that they are there.
    sync(path.parents[1] / "parts")
    write_atomically(path, lambda temporary: np.savez(temporary, json=np.frombuffer(text, np.uint8), **arrays))


def load(path: Path, fingerprint: str) -> TaskResult | None:
    """Read a result; None where there is none, where it is damaged, or where it is that of other work."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            rest = json.loads(file["json"].tobytes())
            if rest.pop("fingerprint") != fingerprint:
                return None
            parts = {
                split: ShardInfo(**{**part, "shard": Shard(**part["shard"])})
                for split, part in rest.pop("parts").items()
            }
            why = [(reason, detail) for reason, detail in rest.pop("why")]
            return TaskResult(parts=parts, why=why, **rest, **{name: file[name] for name in _ARRAYS})
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _as_dict(done: TaskResult) -> dict[str, Any]:
    shallow = {field.name: getattr(done, field.name) for field in dataclasses.fields(done)}
    return {**shallow, "parts": {split: dataclasses.asdict(part) for split, part in done.parts.items()}}
