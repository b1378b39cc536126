"""The unit of conversion: one task's rows to one shard a split. A pure function, the same in any process."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from astrokeras.records.example import encode
from astrokeras.records.plan import Task
from astrokeras.records.tfrecord import Shard, sha256, write
from astrokeras.survey.cutting import Cutting, Stamps, cut_field, cut_objects
from astrokeras.survey.stamps import sky_level_and_noise


@dataclasses.dataclass(frozen=True)
class Work:
    """One task with the part of the catalogue that it needs (arrays of N rows, in the task's order)."""

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
    directory: str


@dataclasses.dataclass(frozen=True)
class Done:
    """What came of one task: shards by split, rows kept and rejected, the sky of the training stamps."""

    shards: dict[str, tuple[str, Shard]]
    kept: np.ndarray
    rejects: list[tuple[int, str, str]]
    sky: np.ndarray
    noise: np.ndarray
    inputs: list[dict]


def run(work: Work) -> Done:
    """Cut, check and write the stamps of one task under temporary names.

    An image that cannot be used rejects the rows that need it; everything else that goes wrong is raised.
    """
    stamps = _cut(work)
    reasons = [reason or too_bad for reason, too_bad in zip(stamps.reasons, _bad_pixels(work, stamps), strict=True)]
    kept = np.array([reason is None for reason in reasons], dtype=bool)
    train = kept & (work.split == work.split_names.index("train"))
    sky, noise = _sky(stamps.pixels[train])
    return Done(
        shards=_write_shards(work, stamps.pixels, kept),
        kept=work.task.rows[kept],
        rejects=[(int(row), *why) for row, why in zip(work.task.rows, reasons, strict=True) if why],
        sky=sky,
        noise=noise,
        inputs=list(_inputs(work)),
    )


def _cut(work: Work) -> Stamps:
    if work.cutting.template.per_object:
        return cut_objects(work.cutting, work.ids)
    return cut_field(work.cutting, work.task.field, work.task.x, work.task.y)


def _bad_pixels(work: Work, stamps: Stamps) -> Iterator[tuple[str, str] | None]:
    """Of each stamp, the reason to reject it for its bad pixels."""
    for bad in stamps.bad:
        band = int(np.argmax(bad))
        if bad[band] > work.max_bad_fraction:
            name = work.cutting.template.bands[band]
            yield "bad_pixels", f"{bad[band]:.0%} of the pixels in band {name} are NaN or infinite"
        else:
            yield None


def _sky(stamps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(stamps):
        nothing = np.empty((0, stamps.shape[-1]))
        return nothing, nothing
    pairs = [sky_level_and_noise(stamps[..., band]) for band in range(stamps.shape[-1])]
    return np.stack([level for level, _ in pairs], axis=1), np.stack([noise for _, noise in pairs], axis=1)


def _write_shards(work: Work, stamps: np.ndarray, kept: np.ndarray) -> dict[str, tuple[str, Shard]]:
    shards = {}
    for index, split in enumerate(work.split_names):
        chosen = np.flatnonzero(kept & (work.split == index))
        if len(chosen):
            name = f"{split}-{work.task.index:06d}.part"
            shards[split] = (name, write(Path(work.directory) / name, _records(work, stamps, chosen)))
    return shards


def _records(work: Work, stamps: np.ndarray, chosen: np.ndarray) -> Iterator[bytes]:
    for i in chosen:
        carried = {name: values[i].astype("<f8").tobytes() for name, values in work.columns.items()}
        yield encode(
            {
                "id": str(work.ids[i]).encode(),
                "image": stamps[i].astype("<f4", copy=False).tobytes(),
                "magnitudes": work.magnitudes[i],
                "magnitude_errors": work.magnitude_errors[i],
                "label": work.labels[i : i + 1],
                **carried,
            }
        )


def _inputs(work: Work) -> Iterator[dict]:
    """Size and checksum of the image files; of an object survey, one line for all of a task's files."""
    if not work.task.hash_inputs and not work.cutting.template.per_object:
        return
    units = [str(name) for name in work.ids] if work.cutting.template.per_object else [work.task.field]
    files = []
    for unit in units:
        try:
            paths = {work.cutting.template.path(unit, band): None for band in work.cutting.template.bands}
            files += [path for path in paths if path.is_file()]
        except (ValueError, OSError):  # names that no file can have; their rows are rejected
            continue
    sums = [describe_file(path) for path in files]
    if not work.cutting.template.per_object:
        yield from sums
    elif sums:
        together = hashlib.sha256("".join(entry["sha256"] for entry in sums).encode()).hexdigest()
        total = sum(entry["bytes"] for entry in sums)
        yield {"path": work.cutting.template.text, "files": len(sums), "bytes": total, "sha256": together}


def describe_file(path: Path) -> dict:
    """Path, size and checksum of an input."""
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256(path)}
