"""The records of one task: a file for each split that has any."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from astrokeras.records.conversion.result import ShardInfo
from astrokeras.records.conversion.task import TaskInput
from astrokeras.records.example import encode
from astrokeras.records.tfrecord import Writer


class ShardWriters:
    """Files under names of their own; none of them is left where something goes wrong.

    The records, which come in pieces, are held until one of `TaskInput.windows` is complete, which is then written.
    """

    def __init__(self, task_input: TaskInput) -> None:
        self._task_input = task_input
        self._files: dict[str, _File] = {}
        self._rows = 0
        self._windows = task_input.windows[::-1]

    def __enter__(self) -> "ShardWriters":
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        if kind:
            for file in self._files.values():
                file.writer.drop()

    def add(self, task_input: TaskInput, stamps: np.ndarray, kept: np.ndarray) -> None:
        """Write the stamps ``[N, S, S, B]`` of `task_input` that are `kept`, bool ``[N]``, to their splits' files."""
        for index, split in enumerate(task_input.split_names):
            chosen = np.flatnonzero(kept & (task_input.split == index))
            if len(chosen):
                if split not in self._files:
                    self._files[split] = _File(self._task_input, split)
                self._files[split].add(task_input, stamps, chosen, self._rows + chosen)
        self._rows += len(kept)
        while self._windows and self._rows > self._windows[-1].max():
            order = self._windows.pop().tolist()
            for file in self._files.values():
                file.write(order)

    def close(self) -> dict[str, ShardInfo]:
        """Return what has been written, by split, once it is on the disk."""
        return {split: self._files[split].close() for split in self._task_input.split_names if split in self._files}


class _File:
    """One of the files, and what it counts."""

    def __init__(self, task_input: TaskInput, split: str) -> None:
        # No two attempts share a name, not even one that goes on after its parent was killed.
        self._name = f"{split}-{task_input.task.index:06d}-{uuid.uuid4().hex}"
        self.writer = Writer(part_path(task_input.directory, self._name))
        self._records: dict[int, bytes] = {}
        self._labels = np.zeros(task_input.n_classes + 1, dtype=np.int64)
        self._magnitudes = np.zeros(task_input.magnitudes.shape[1], dtype=np.int64)

    def add(self, task_input: TaskInput, stamps: np.ndarray, chosen: np.ndarray, rows: np.ndarray) -> None:
        self._records |= zip(rows.tolist(), _records(task_input, stamps, chosen), strict=True)
        self._labels += np.bincount(task_input.labels[chosen] + 1, minlength=task_input.n_classes + 1)
        self._magnitudes += np.isfinite(task_input.magnitudes[chosen]).sum(axis=0)

    def write(self, order: list[int]) -> None:
        """Write the records of a window, those of them that are this file's."""
        for row in order:
            if row in self._records:
                self.writer.add(self._records.pop(row))

    def close(self) -> ShardInfo:
        return ShardInfo(self._name, self.writer.close(), self._labels[1:].tolist(), self._magnitudes.tolist())


def part_path(directory: str | Path, name: str) -> Path:
    """Return the file with the records of a task for one split, until it gets its final name."""
    return Path(directory) / "parts" / name


def _records(task_input: TaskInput, stamps: np.ndarray, chosen: np.ndarray) -> Iterator[bytes]:
    for i in chosen:
        carried = {name: _carried(values, i) for name, values in task_input.columns.items()}
        if task_input.cutting.valid:
            carried["valid"] = np.isfinite(stamps[i]).astype(np.uint8).tobytes()
        yield encode(
            {
                "id": str(task_input.ids[i]).encode(),
                "image": stamps[i].astype("<f4", copy=False).view(np.uint8),
                "magnitudes": task_input.magnitudes[i],
                "magnitude_errors": task_input.magnitude_errors[i],
                "label": task_input.labels[i : i + 1],
                **carried,
            }
        )


def _carried(values: np.ndarray, row: int) -> bytes | np.ndarray:
    """Return a carried number as it is stored: integers as such, all others as the 8 bytes of a float64."""
    return values[row : row + 1] if values.dtype == np.int64 else values[row].astype("<f8").tobytes()
