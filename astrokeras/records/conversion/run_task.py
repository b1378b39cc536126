"""What one task does: its rows to one shard a split. A pure function, the same in any process."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from astrokeras import __version__
from astrokeras.errors import AstrokerasError
from astrokeras.files import digest_of
from astrokeras.records.conversion.rejects import Rejects
from astrokeras.records.conversion.result import TaskResult, look_at, save
from astrokeras.records.conversion.shard_writer import ShardWriters
from astrokeras.records.conversion.task import TaskInput
from astrokeras.records.tfrecord import checksum
from astrokeras.survey.cutting import CutStamps, cut_field, cut_objects
from astrokeras.survey.levels import stretch
from astrokeras.survey.measure import LEVEL_NOISE, SHAPES, measure
from astrokeras.survey.stamps import sky_level_and_noise, window_start
from astrokeras.survey.units import zero_point_of


def run(task_input: TaskInput) -> TaskResult:
    """Cut, check and write the stamps of one task piece by piece, each file under a name of its own.

    An image that cannot be used rejects the rows that need it; everything else that goes wrong is raised.

    Raises:
        OSError: a file cannot be written.
        AstrokerasError: this process runs another version of astrokeras than the one that planned the work.
    """
    if task_input.version != __version__:
        raise AstrokerasError(f"a worker runs astrokeras {__version__}, expected {task_input.version} as here")
    paths = _all_paths(task_input)
    seen = look_at_inputs(task_input)
    why, sky = Rejects(len(task_input.ids)), _Sky(task_input)
    measured = []
    with ShardWriters(task_input) as parts:
        for piece, pixels, kept in finished_stamps(task_input, why):
            measured.append(as_measured(piece))
            sky.add(piece, pixels, kept)
            parts.add(piece, pixels, kept)
        written = parts.close()
    order = task_input.order
    order = order[~why.mask[order]]
    rejected, codes, texts = why.coded()
    level, noise = sky.measured()
    return TaskResult(
        index=task_input.task.index,
        parts=written,
        kept=task_input.task.rows[order],
        measured=np.concatenate(measured)[order],
        rejected=task_input.task.rows[rejected],
        codes=codes,
        why=texts,
        sky=level,
        noise=noise,
        inputs=_inputs(task_input, [path for path in paths if seen[str(path)]]),
        seen=seen,
    )


def run_and_keep(task_input: TaskInput) -> TaskResult:
    """Run a task and leave its result for a rerun: last, when its files are whole and on the disk."""
    done = run(task_input)
    save(done, result_path(task_input.directory, task_input.task.index), task_input.fingerprint)
    return done


def result_path(directory: str | Path, index: int) -> Path:
    """Return the file that keeps the result of a task."""
    return Path(directory) / "results" / f"{index:06d}.npz"


def finished_stamps(task_input: TaskInput, why: Rejects) -> Iterator[tuple[TaskInput, np.ndarray, np.ndarray]]:
    """Cut the stamps of a task a few at a time, measure them, and bring them to the unit of the records.

    Args:
        task_input: the task.
        why: gets the reasons of the rows that are left out.

    Yields:
        The work for some rows, with what was measured of them; their stamps, ``[n, S, S, B]`` float32 in an array that
        is used again for the next ones; which of them are kept, bool ``[n]``: the others' are not to be used.
    """
    begin = 0
    for stamps in _cut(task_input):
        rows = slice(begin, begin + len(stamps.pixels))
        piece = task_input.piece(rows)
        _note_rejects(piece, stamps, begin, why)
        kept = ~why.mask[rows]
        if task_input.measure:
            piece = measured_piece(piece, stamps.pixels, kept)
        if task_input.cutting.levels:
            for i in np.flatnonzero(kept):
                stretch(stamps.pixels[i : i + 1], stamps.pixel_scale[i : i + 1])
        yield piece, stamps.pixels, kept
        begin = rows.stop


def look_at_inputs(task_input: TaskInput) -> dict[str, list[int] | None]:
    """Return `TaskResult.seen` of the files as they are now."""
    return {str(path): look_at(path) for path in _all_paths(task_input)}


def _cut(task_input: TaskInput) -> Iterator[CutStamps]:
    if task_input.cutting.template.per_object:
        return cut_objects(task_input.cutting, task_input.ids)
    return cut_field(task_input.cutting, task_input.task.field, task_input.task.x, task_input.task.y)


def _note_rejects(task_input: TaskInput, stamps: CutStamps, begin: int, why: Rejects) -> None:
    """Note which of the stamps, the first of which is row `begin` of the task, are left out."""
    for i, reason in enumerate(stamps.reasons):
        if reason is not None:
            why.add([begin + i], *reason)
    for i in np.flatnonzero(stamps.bad.max(axis=1) > task_input.max_bad_fraction):
        band = int(np.argmax(stamps.bad[i]))
        name = task_input.cutting.template.bands[band]
        why.add(
            [begin + i], "bad_pixels", f"{stamps.bad[i, band]:.0%} of the pixels in band {name} are NaN or infinite"
        )


def measured_piece(task_input: TaskInput, stamps: np.ndarray, kept: np.ndarray) -> TaskInput:
    """Return the work with the magnitudes and shapes that its stamps show instead of the catalogue's."""
    size = task_input.cutting.size
    if task_input.cutting.template.per_object:  # an image's middle lies between two pixels or on one
        x = y = np.full(len(kept), (size - 0.5) / 2)
    else:
        x, y = (position - window_start(position, size) for position in (task_input.task.x, task_input.task.y))
    unit = task_input.cutting.flux_unit
    found = measure(stamps, np.where(kept, x, np.nan), y, LEVEL_NOISE if unit == "display" else 0.0)
    magnitudes, errors = found.magnitudes(zero_point_of(unit))
    return dataclasses.replace(
        task_input, magnitudes=magnitudes, magnitude_errors=errors, columns={**task_input.columns, **found.shapes}
    )


def as_measured(task_input: TaskInput) -> np.ndarray:
    """Return the magnitudes and shapes of rows as `TaskResult.measured` has them, float64 ``[N, B + 4]``.

    ``[N, 0]`` where nothing is measured.
    """
    if not task_input.measure:
        return np.empty((len(task_input.ids), 0))
    return np.column_stack([task_input.magnitudes, *(task_input.columns[name] for name in SHAPES)])


class _Sky:
    """The sky in every `sky_stride`-th training stamp."""

    def __init__(self, task_input: TaskInput) -> None:
        self._nothing = np.empty((0, len(task_input.cutting.template.bands)))
        self._found: list[tuple[np.ndarray, np.ndarray]] = []
        self._train, self._seen = task_input.split_names.index("train"), 0

    def add(self, task_input: TaskInput, stamps: np.ndarray, kept: np.ndarray) -> None:
        train = np.flatnonzero(kept & (task_input.split == self._train))
        chosen = train[-self._seen % task_input.sky_stride :: task_input.sky_stride]
        self._seen += len(train)
        if len(chosen):
            self._found.append(sky_level_and_noise(stamps[chosen]))

    def measured(self) -> tuple[np.ndarray, np.ndarray]:
        """Return level and noise, ``[N, B]`` each."""
        if not self._found:
            return self._nothing, self._nothing
        level, noise = (np.concatenate(pieces) for pieces in zip(*self._found, strict=True))
        return level, noise


def _units(task_input: TaskInput) -> list[str]:
    return task_input.ids.tolist() if task_input.cutting.template.per_object else [task_input.task.field]


def _paths(task_input: TaskInput, unit: str) -> list[Path]:
    """Return the files of one field or object; none for a name that no file can have, whose rows are rejected."""
    templates = [task_input.cutting.template, *(companion.template for companion in task_input.cutting.companions)]
    try:
        return list({template.path(unit, band): None for template in templates for band in template.bands})
    except ValueError:
        return []


def _all_paths(task_input: TaskInput) -> list[Path]:
    return [path for unit in _units(task_input) for path in _paths(task_input, unit)]


def inputs_of(task_input: TaskInput) -> list[dict]:
    """Return `TaskResult.inputs` of a task as its images are now."""
    return _inputs(task_input, [path for path in _all_paths(task_input) if look_at(path)])


def _inputs(task_input: TaskInput, files: list[Path]) -> list[dict]:
    """Return size and checksum of the image files; of an object survey, one line for all of a task's files."""
    template = task_input.cutting.template
    if not (template.per_object or task_input.task.hash_inputs):
        return []
    sums = [entry for path in files if (entry := describe_input(path))]
    if not (template.per_object and sums):
        return sums
    together = digest_of("".join(entry["crc32c"] for entry in sums).encode())
    total = sum(entry["bytes"] for entry in sums)
    return [{"path": template.text, "files": len(sums), "bytes": total, "sha256": together}]


def describe_input(path: str | Path) -> dict | None:
    """Return path, size and checksum of an image; None where it cannot be read, which rejects the rows that need it."""
    try:
        return {"path": str(path), "bytes": Path(path).stat().st_size, "crc32c": checksum(Path(path))}
    except OSError:
        return None
