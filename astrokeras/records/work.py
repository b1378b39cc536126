"""What one task does: its rows to one shard a split. A pure function, the same in any process."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from astrokeras import __version__
from astrokeras.errors import AstrokerasError
from astrokeras.records.done import Done, look_at, save
from astrokeras.records.parts import Parts
from astrokeras.records.rejects import Rejects
from astrokeras.records.task import Work
from astrokeras.records.tfrecord import checksum
from astrokeras.survey.cutting import Stamps, cut_field, cut_objects
from astrokeras.survey.measure import LEVEL_NOISE, SHAPES, measure
from astrokeras.survey.stamps import sky_level_and_noise, window_start
from astrokeras.survey.units import zero_point_of


def run(work: Work) -> Done:
    """Cut, check and write the stamps of one task piece by piece, each file under a name of its own.

    An image that cannot be used rejects the rows that need it; everything else that goes wrong is raised.

    Raises:
        OSError: a file cannot be written.
        AstrokerasError: this process runs another version of astrokeras than the one that planned the work.
    """
    if work.version != __version__:
        raise AstrokerasError(f"a worker runs astrokeras {__version__}, expected {work.version} as here")
    paths = _all_paths(work)
    seen = {str(path): look_at(path) for path in paths}
    why, sky, begin = Rejects(len(work.ids)), _Sky(work), 0
    measured = np.full((len(work.ids), len(work.cutting.template.bands) + len(SHAPES) if work.measure else 0), np.nan)
    with Parts(work) as parts:
        for stamps in _cut(work):
            rows = slice(begin, begin + len(stamps.pixels))
            piece, begin = work.piece(rows), rows.stop
            _note_rejects(piece, stamps, rows.start, why)
            kept = ~why.mask[rows]
            if work.measure:
                piece = _measured(piece, stamps.pixels, kept)
                measured[rows] = np.column_stack([piece.magnitudes, *(piece.columns[name] for name in SHAPES)])
            sky.add(piece, stamps.pixels, kept)
            parts.add(piece, stamps.pixels, kept)
        written = parts.close()
    order = work.order
    order = order[~why.mask[order]]
    rejected, codes, texts = why.coded()
    level, noise = sky.measured()
    return Done(
        index=work.task.index,
        parts=written,
        kept=work.task.rows[order],
        measured=measured[order],
        rejected=work.task.rows[rejected],
        codes=codes,
        why=texts,
        sky=level,
        noise=noise,
        inputs=_inputs(work, [path for path in paths if seen[str(path)]]),
        seen=seen,
    )


def run_and_keep(work: Work) -> Done:
    """Run a task and leave its result for a rerun: last, when its files are whole and on the disk."""
    done = run(work)
    save(done, result_path(work.directory, work.task.index), work.fingerprint)
    return done


def result_path(directory: str | Path, index: int) -> Path:
    """The file that keeps the result of a task."""
    return Path(directory) / "results" / f"{index:06d}.npz"


def _cut(work: Work) -> Iterator[Stamps]:
    if work.cutting.template.per_object:
        return cut_objects(work.cutting, work.ids)
    return cut_field(work.cutting, work.task.field, work.task.x, work.task.y)


def _note_rejects(work: Work, stamps: Stamps, begin: int, why: Rejects) -> None:
    """Note which of the stamps, the first of which is row `begin` of the task, are left out."""
    for i, reason in enumerate(stamps.reasons):
        if reason is not None:
            why.add([begin + i], *reason)
    for i in np.flatnonzero(stamps.bad.max(axis=1) > work.max_bad_fraction):
        band = int(np.argmax(stamps.bad[i]))
        name = work.cutting.template.bands[band]
        why.add(
            [begin + i], "bad_pixels", f"{stamps.bad[i, band]:.0%} of the pixels in band {name} are NaN or infinite"
        )


def _measured(work: Work, stamps: np.ndarray, kept: np.ndarray) -> Work:
    """The work with the magnitudes and shapes that its stamps show instead of the catalogue's."""
    size = work.cutting.size
    if work.cutting.template.per_object:  # an image's middle lies between two pixels or on one
        x = y = np.full(len(kept), (size - 0.5) / 2)
    else:
        x, y = (position - window_start(position, size) for position in (work.task.x, work.task.y))
    unit = work.cutting.unit
    found = measure(stamps, np.where(kept, x, np.nan), y, LEVEL_NOISE if unit == "display" else 0.0)
    magnitudes, errors = found.magnitudes(zero_point_of(unit))
    return dataclasses.replace(
        work, magnitudes=magnitudes, magnitude_errors=errors, columns={**work.columns, **found.shapes}
    )


class _Sky:
    """The sky in every `sky_stride`-th training stamp."""

    def __init__(self, work: Work) -> None:
        self._nothing = np.empty((0, len(work.cutting.template.bands)))
        self._found: list[tuple[np.ndarray, np.ndarray]] = []
        self._train, self._seen = work.split_names.index("train"), 0

    def add(self, work: Work, stamps: np.ndarray, kept: np.ndarray) -> None:
        train = np.flatnonzero(kept & (work.split == self._train))
        chosen = train[-self._seen % work.sky_stride :: work.sky_stride]
        self._seen += len(train)
        if len(chosen):
            self._found.append(sky_level_and_noise(stamps[chosen]))

    def measured(self) -> tuple[np.ndarray, np.ndarray]:
        """Level and noise, ``[N, B]`` each."""
        if not self._found:
            return self._nothing, self._nothing
        level, noise = (np.concatenate(pieces) for pieces in zip(*self._found, strict=True))
        return level, noise


def _units(work: Work) -> list[str]:
    return work.ids.tolist() if work.cutting.template.per_object else [work.task.field]


def _paths(work: Work, unit: str) -> list[Path]:
    """The files of one field or object; none for a name that no file can have, whose rows are rejected."""
    templates = [work.cutting.template, *(companion.template for companion in work.cutting.companions)]
    try:
        return list({template.path(unit, band): None for template in templates for band in template.bands})
    except ValueError:
        return []


def _all_paths(work: Work) -> list[Path]:
    return [path for unit in _units(work) for path in _paths(work, unit)]


def inputs_of(work: Work) -> list[dict]:
    """`Done.inputs` of a task as its images are now."""
    return _inputs(work, [path for path in _all_paths(work) if look_at(path)])


def _inputs(work: Work, files: list[Path]) -> list[dict]:
    """Size and checksum of the image files; of an object survey, one line for all of a task's files."""
    template = work.cutting.template
    if not (template.per_object or work.task.hash_inputs):
        return []
    sums = [entry for path in files if (entry := describe_input(path))]
    if not (template.per_object and sums):
        return sums
    together = hashlib.sha256("".join(entry["crc32c"] for entry in sums).encode()).hexdigest()
    total = sum(entry["bytes"] for entry in sums)
    return [{"path": template.text, "files": len(sums), "bytes": total, "sha256": together}]


def describe_input(path: str | Path) -> dict | None:
    """Path, size and checksum of an image; None where it cannot be read, which rejects the rows that need it."""
    try:
        return {"path": str(path), "bytes": Path(path).stat().st_size, "crc32c": checksum(Path(path))}
    except OSError:
        return None
