"""The unit of conversion: one task's rows to one shard a split. A pure function, the same in any process."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from astrokeras.records.example import encode
from astrokeras.records.plan import Task
from astrokeras.records.tfrecord import Shard, sha256, write
from astrokeras.survey.images import ImageError, read_planes
from astrokeras.survey.stamps import cut, sky_level_and_noise
from astrokeras.survey.template import ImageTemplate
from astrokeras.survey.units import ZeroPoints


@dataclasses.dataclass(frozen=True)
class Work:
    """One task with the part of the catalogue that it needs (arrays of N rows, in the task's order)."""

    task: Task
    template: ImageTemplate
    extensions: dict[str, str | int]
    zero_points: ZeroPoints
    size: int
    pad: bool
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
    n, bands = len(work.ids), len(work.template.bands)
    stamps = np.empty((n, work.size, work.size, bands), dtype=np.float32)
    bad = np.zeros((n, bands))
    reasons: list[tuple[str, str] | None] = [None] * n
    if work.template.per_object:
        _cut_objects(work, stamps, bad, reasons)
    else:
        _cut_field(work, stamps, bad, reasons)
    for i in np.flatnonzero(bad.max(axis=1) > work.max_bad_fraction):
        band = int(np.argmax(bad[i]))
        reasons[i] = reasons[i] or (
            "bad_pixels",
            f"{bad[i, band]:.0%} of the pixels in band {work.template.bands[band]} are NaN or infinite",
        )
    kept = np.array([reason is None for reason in reasons], dtype=bool)
    train = kept & (work.split == work.split_names.index("train"))
    sky, noise = _sky(stamps[train])
    return Done(
        shards=_write_shards(work, stamps, kept),
        kept=work.task.rows[kept],
        rejects=[(int(row), *why) for row, why in zip(work.task.rows, reasons, strict=True) if why],
        sky=sky,
        noise=noise,
        inputs=list(_inputs(work)),
    )


def _cut_field(work: Work, stamps: np.ndarray, bad: np.ndarray, reasons: list) -> None:
    plane_of_stamps = np.empty(stamps.shape[:3], dtype=np.float32)
    try:
        for plane in read_planes(work.template, work.task.field, work.extensions):
            scale = np.float32(work.zero_points.scale(plane))
            bad[:, plane.band] = cut(plane.pixels, work.task.x, work.task.y, work.size, plane_of_stamps)
            np.multiply(plane_of_stamps, scale, out=stamps[..., plane.band])
    except ImageError as error:
        reasons[:] = [(error.reason, str(error))] * len(reasons)


def _cut_objects(work: Work, stamps: np.ndarray, bad: np.ndarray, reasons: list) -> None:
    """Cut the middle of each object's own image."""
    for i, name in enumerate(work.ids):
        try:
            for plane in read_planes(work.template, str(name), work.extensions):
                height, width = plane.pixels.shape
                if min(height, width) < work.size and not work.pad:
                    raise ImageError(
                        "too_small", f"the stamp is {width}×{height} pixels, expected {work.size} (--size)"
                    )
                scale = np.float32(work.zero_points.scale(plane))
                middle_x, middle_y = np.array([(width - 1) / 2]), np.array([(height - 1) / 2])
                one = np.empty((1, work.size, work.size), dtype=np.float32)
                bad[i, plane.band] = cut(plane.pixels, middle_x, middle_y, work.size, one)[0]
                np.multiply(one[0], scale, out=stamps[i, ..., plane.band])
        except ImageError as error:
            reasons[i] = (error.reason, str(error))


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
    if not work.task.hash_inputs and not work.template.per_object:
        return
    units = [str(name) for name in work.ids] if work.template.per_object else [work.task.field]
    files = []
    for unit in units:
        try:
            paths = {work.template.path(unit, band): None for band in work.template.bands}
            files += [path for path in paths if path.is_file()]
        except (ValueError, OSError):  # names that no file can have; their rows are rejected
            continue
    sums = [describe_file(path) for path in files]
    if not work.template.per_object:
        yield from sums
    elif sums:
        together = hashlib.sha256("".join(entry["sha256"] for entry in sums).encode()).hexdigest()
        total = sum(entry["bytes"] for entry in sums)
        yield {"path": work.template.text, "files": len(sums), "bytes": total, "sha256": together}


def describe_file(path: Path) -> dict:
    """Path, size and checksum of an input."""
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256(path)}
