"""The unit of conversion: one task's rows to one shard a split. A pure function, the same in any process."""

import dataclasses
import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from astrokeras import __version__
from astrokeras.errors import AstrokerasError
from astrokeras.records.done import Done, Part, look_at, save
from astrokeras.records.example import encode
from astrokeras.records.fingerprint import fingerprint
from astrokeras.records.rejects import Rejects
from astrokeras.records.task import Task
from astrokeras.records.tfrecord import Shard, checksum, write
from astrokeras.survey.cutting import Cutting, Stamps, cut_field, cut_objects
from astrokeras.survey.measure import LEVEL_NOISE, measure
from astrokeras.survey.stamps import sky_level_and_noise, window_start
from astrokeras.survey.units import zero_point_of


@dataclasses.dataclass(frozen=True)
class Work:
    """One task with the part of the catalogue that it needs (arrays of N rows, in the task's order).

    The sky is measured on every `sky_stride`-th training stamp.
    """

    task: Task
    cutting: Cutting
    max_bad_fraction: float
    split_names: tuple[str, ...]
    ids: np.ndarray
    split: np.ndarray
    labels: np.ndarray
    magnitudes: np.ndarray
    magnitude_errors: np.ndarray
    columns: dict[str, np.ndarray]
    n_classes: int
    directory: str
    measure: bool = False
    sky_stride: int = 1
    version: str = __version__

    @property
    def fingerprint(self) -> str:
        """The same for the same work, wherever its results go."""
        return fingerprint(dataclasses.replace(self, directory=""))


def run(work: Work) -> Done:
    """Cut, check and write the stamps of one task, each file under a name of its own.

    An image that cannot be used rejects the rows that need it; everything else that goes wrong is raised.

    Raises:
        OSError: a file cannot be written.
        AstrokerasError: this process runs another version of astrokeras than the one that planned the work.
    """
    if work.version != __version__:
        raise AstrokerasError(f"a worker runs astrokeras {__version__}, expected {work.version} as here")
    paths = [path for unit in _units(work) for path in _paths(work, unit)]
    seen = {str(path): look_at(path) for path in paths}
    stamps = _cut(work)
    why = Rejects(len(work.ids))
    for i in np.flatnonzero([reason is not None for reason in stamps.reasons]):
        why.add([i], *stamps.reasons[i])
    _reject_bad_pixels(work, stamps, why)
    kept = ~why.mask
    if work.measure:
        work = _measured(work, stamps.pixels, kept)
    train = np.flatnonzero(kept & (work.split == work.split_names.index("train")))
    sky, noise = _sky(stamps.pixels[train[:: work.sky_stride]])
    rejected, codes, texts = why.coded()
    return Done(
        index=work.task.index,
        parts=_write_parts(work, stamps.pixels, kept),
        kept=work.task.rows[kept],
        rejected=work.task.rows[rejected],
        codes=codes,
        why=texts,
        sky=sky,
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


def part_path(directory: str | Path, name: str) -> Path:
    """The file with the records of a task for one split, until it gets its final name."""
    return Path(directory) / "parts" / name


def _cut(work: Work) -> Stamps:
    if work.cutting.template.per_object:
        return cut_objects(work.cutting, work.ids)
    return cut_field(work.cutting, work.task.field, work.task.x, work.task.y)


def _reject_bad_pixels(work: Work, stamps: Stamps, why: Rejects) -> None:
    for i in np.flatnonzero(stamps.bad.max(axis=1) > work.max_bad_fraction):
        band = int(np.argmax(stamps.bad[i]))
        name = work.cutting.template.bands[band]
        why.add([i], "bad_pixels", f"{stamps.bad[i, band]:.0%} of the pixels in band {name} are NaN or infinite")


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


def _sky(stamps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(stamps):
        nothing = np.empty((0, stamps.shape[-1]))
        return nothing, nothing
    pairs = [sky_level_and_noise(stamps[..., band]) for band in range(stamps.shape[-1])]
    return np.stack([level for level, _ in pairs], axis=1), np.stack([noise for _, noise in pairs], axis=1)


def _write_parts(work: Work, stamps: np.ndarray, kept: np.ndarray) -> dict[str, Part]:
    parts = {}
    for index, split in enumerate(work.split_names):
        chosen = np.flatnonzero(kept & (work.split == index))
        if len(chosen):
            # No two attempts share a name, not even one that goes on after its parent was killed.
            name = f"{split}-{work.task.index:06d}-{uuid.uuid4().hex}"
            shard = _write(part_path(work.directory, name), _records(work, stamps, chosen))
            labels = np.bincount(work.labels[chosen] + 1, minlength=work.n_classes + 1)[1:]
            magnitudes = np.isfinite(work.magnitudes[chosen]).sum(axis=0)
            parts[split] = Part(name, shard, labels.tolist(), magnitudes.tolist())
    return parts


def _write(path: Path, records: Iterator[bytes]) -> Shard:
    try:
        return write(path, records)
    except OSError:  # a full disk most of all: leave what room there is
        path.unlink(missing_ok=True)
        raise


def _records(work: Work, stamps: np.ndarray, chosen: np.ndarray) -> Iterator[bytes]:
    for i in chosen:
        carried = {name: values[i].astype("<f8").tobytes() for name, values in work.columns.items()}
        if work.cutting.valid:
            carried["valid"] = np.isfinite(stamps[i]).astype(np.uint8).tobytes()
        yield encode(
            {
                "id": str(work.ids[i]).encode(),
                "image": stamps[i].astype("<f4", copy=False).view(np.uint8),
                "magnitudes": work.magnitudes[i],
                "magnitude_errors": work.magnitude_errors[i],
                "label": work.labels[i : i + 1],
                **carried,
            }
        )


def _units(work: Work) -> list[str]:
    return work.ids.tolist() if work.cutting.template.per_object else [work.task.field]


def _paths(work: Work, unit: str) -> list[Path]:
    """The files of one field or object; none for a name that no file can have, whose rows are rejected."""
    templates = [work.cutting.template, *(companion.template for companion in work.cutting.companions)]
    try:
        return list({template.path(unit, band): None for template in templates for band in template.bands})
    except ValueError:
        return []


def _inputs(work: Work, files: list[Path]) -> list[dict]:
    """Size and checksum of the image files; of an object survey, one line for all of a task's files."""
    template = work.cutting.template
    if not (template.per_object or work.task.hash_inputs):
        return []
    sums = [entry for path in files if (entry := _describe(path))]
    if not (template.per_object and sums):
        return sums
    together = hashlib.sha256("".join(entry["crc32c"] for entry in sums).encode()).hexdigest()
    total = sum(entry["bytes"] for entry in sums)
    return [{"path": template.text, "files": len(sums), "bytes": total, "sha256": together}]


def _describe(path: Path) -> dict | None:
    """Path, size and checksum of an image; None where it cannot be read, which rejects the rows that need it."""
    try:
        return {"path": str(path), "bytes": path.stat().st_size, "crc32c": checksum(path)}
    except OSError:
        return None
