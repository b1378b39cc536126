"""Make a records directory of what the tasks have left: names, counts, statistics, checksums."""

import dataclasses
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Column

from astrokeras.errors import AstrokerasError
from astrokeras.files import write_json
from astrokeras.records.conversion.detected_catalog import DETECTED
from astrokeras.records.conversion.plan import Plan
from astrokeras.records.conversion.result import ShardInfo, TaskResult
from astrokeras.records.conversion.tabulate import write_table_of_objects
from astrokeras.records.conversion.workspace import Workspace
from astrokeras.records.metadata import (
    CONVERT_JSON,
    RECORDS_FORMAT,
    REJECTS,
    describe_small_file,
    fingerprint_of_shards,
    signed,
    write_tfds_files,
)
from astrokeras.records.objects import OBJECTS
from astrokeras.survey.measure import SHAPES
from astrokeras.survey.tables import read_table, write_table
from astrokeras.survey.units import zero_point_of


class Tally:
    """What has come of the tasks, added in any order."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._written = np.zeros(len(plan.catalog), dtype=np.int8)
        self._done: dict[int, TaskResult] = {}

    def add(self, done: TaskResult) -> None:
        """Take what came of one task."""
        self._written[done.kept] += 1
        for code, why in enumerate(done.why):
            self._plan.reject(done.rejected[done.codes == code], *why)
        nothing = np.empty(0, dtype=np.int64)
        self._done[done.index] = dataclasses.replace(done, rejected=nothing, codes=nothing, seen={})

    @property
    def _in_order(self) -> list[TaskResult]:
        return [self._done[index] for index in sorted(self._done)]

    @property
    def parts(self) -> dict[str, list[ShardInfo]]:
        """The records of each split, in the order of the tasks."""
        return {
            split: [done.parts[split] for done in self._in_order if split in done.parts]
            for split in self._plan.split_names
        }

    def rows(self, split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the rows of the catalogue in each of a split's parts, and what was measured of them."""
        index = self._plan.split_names.index(split)
        for done in self._in_order:
            if split in done.parts:
                here = self._plan.split[done.kept] == index
                yield done.kept[here], done.measured[here]

    @property
    def measured(self) -> np.ndarray:
        """What was measured of each row, as in `TaskResult`; NaN for those that are in no shard."""
        whole = np.full((len(self._plan.catalog), self._in_order[0].measured.shape[1]), np.nan)
        for done in self._in_order:
            whole[done.kept] = done.measured
        return whole

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The images, with sizes and checksums."""
        return [entry for done in self._in_order for entry in done.inputs]

    def check(self) -> None:
        """Make sure that every row is written once, or rejected once."""
        rejected = self._plan.rejects.mask
        counted = sum(part.shard.records for parts in self.parts.values() for part in parts)
        if np.any(self._written + rejected != 1) or counted != np.count_nonzero(self._written):
            raise AstrokerasError(
                f"{len(self._plan.catalog)} rows went in, {counted} came out and {np.count_nonzero(rejected)} were "
                "rejected: this is a defect of astrokeras"
            )

    @property
    def kept(self) -> int:
        """Number of rows that are in the shards."""
        return int(np.count_nonzero(self._written))

    def sky_and_noise(self) -> tuple[list[float], list[float]]:
        """Return median sky level and noise of each band over the training stamps.

        1 for a noise that cannot be measured.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
            level = np.nanmedian(np.concatenate([done.sky for done in self._in_order]), axis=0)
            noise = np.nanmedian(np.concatenate([done.noise for done in self._in_order]), axis=0)
        usable = np.isfinite(noise) & (noise > 0)
        return np.nan_to_num(level).tolist(), np.where(usable, noise, 1.0).tolist()


def assemble(plan: Plan, tally: Tally, workspace: Workspace, asked: dict[str, Any]) -> dict[str, Any]:
    """Fill the directory to be.

    Args:
        plan: the plan, with the rejects of all its tasks.
        tally: what came of the tasks.
        workspace: where their parts are.
        asked: version, options and catalogue, from `resume.what_is_asked`.

    Returns:
        What stands in its ``convert.json``.
    """
    config, directory = plan.config, workspace.records
    named = {split: _named(config.running.name, split, parts) for split, parts in tally.parts.items()}
    workspace.move({part.file: name for shards in named.values() for name, part in shards.items()})
    splits = {split: _split_content(plan, shards) for split, shards in named.items()}
    columns = {name: "int64" if name in plan.integer_columns else "float64" for name in plan.columns}
    write_tfds_files(
        directory,
        config.running.name,
        config.stamps.size,
        len(config.images.bands),
        plan.catalog.classes,
        columns,
        splits,
        config.images.valid,
    )
    write_rejects(plan, directory / REJECTS)
    shard_rows = (
        (split, name, *rows)
        for split, shards in named.items()
        for name, rows in zip(shards, tally.rows(split), strict=True)
    )
    names = [name for shards in named.values() for name in shards]
    write_table_of_objects(plan, shard_rows, names, directory / OBJECTS)
    plan.splitting.save(directory)
    if config.catalogue.detect:
        _write_detected(plan, tally, directory / DETECTED)
    sky, noise = tally.sky_and_noise()
    content = signed(
        {
            "records_format": RECORDS_FORMAT,
            "astrokeras": asked["astrokeras"],
            "name": config.running.name,
            "bands": list(config.images.bands),
            "size": config.stamps.size,
            "unit": plan.cutting.unit,
            "pixel_scale": plan.places.pixel_scale or config.images.pixel_scale,
            "classes": list(plan.catalog.classes),
            "columns": list(plan.columns),
            "integer_columns": list(plan.integer_columns),
            "sky": sky,
            "noise": noise,
            "rows": len(plan.catalog),
            "rejects": plan.rejects.counts(),
            "split_by": plan.split_description,
            "overlaps": plan.overlaps,
            "splits": splits,
            "fingerprint": fingerprint_of_shards(
                shard["crc32c"] for split in splits.values() for shard in split["shards"]
            ),
            "catalog_columns": plan.catalog.used,
            "magnitudes_from": _magnitudes_from(plan),
            "options": asked["options"],
            "inputs": [*asked["tables"], *tally.inputs],
            "files": [
                describe_small_file(path) for path in sorted(directory.iterdir()) if ".tfrecord-" not in path.name
            ],
        }
    )
    write_json(directory / CONVERT_JSON, content)
    return content


def _write_detected(plan: Plan, tally: Tally, path: Path) -> None:
    """Write the table of the objects that were found, with what was measured of those that are in the shards."""
    if not plan.config.photometry.measure:
        shutil.copyfile(plan.config.catalogue.catalog, path)
        return
    table, measured = read_table(plan.config.catalogue.catalog), tally.measured
    units = {f"MAG_AUTO_{band}": "mag" for band in plan.config.images.bands} | dict.fromkeys(map(str.upper, SHAPES))
    units |= {"HALF_LIGHT_RADIUS": "pix", "POSITION_ANGLE": "deg"}
    for (name, unit), values in zip(units.items(), measured.T, strict=True):
        table[name] = Column(values.astype(np.float32), unit=unit)
    write_table(table, path)


def _magnitudes_from(plan: Plan) -> dict[str, Any]:
    """Return where the records' magnitudes come from."""
    if plan.config.photometry.measure:
        zero_point = zero_point_of(plan.cutting.flux_unit)
        return {
            "source": "stamps",
            "aperture": "Kron ellipse of the sum of bands",
            "zero_point": zero_point,
            "system": "AB" if plan.cutting.flux_unit == "nJy" else "instrumental",
        }
    columns = {
        name: plan.catalog.used[name] for name in ("magnitudes", "magnitude_errors") if name in plan.catalog.used
    }
    return {"source": "catalogue", **columns} if columns else {"source": "none"}


def write_rejects(plan: Plan, path: Path) -> None:
    """Write the table of rows that are left out."""
    write_table(plan.rejects.table(plan.catalog.ids), path)


def _named(name: str, split: str, parts: list[ShardInfo]) -> dict[str, ShardInfo]:
    return {f"{name}-{split}.tfrecord-{n:05d}-of-{len(parts):05d}": part for n, part in enumerate(parts)}


def _split_content(plan: Plan, shards: dict[str, ShardInfo]) -> dict[str, Any]:
    """Return what is in a split, counted by what has been written."""
    count = sum(part.shard.records for part in shards.values())
    labels = _total([part.labels for part in shards.values()], len(plan.catalog.classes))
    magnitudes = _total([part.magnitudes for part in shards.values()], len(plan.config.images.bands))
    return {
        "count": count,
        "labels": dict(zip(plan.catalog.classes, labels, strict=True)),
        "unlabelled": count - sum(labels),
        "magnitudes": dict(zip(plan.config.images.bands, magnitudes, strict=True)),
        "shards": [{"file": name, **dataclasses.asdict(part.shard)} for name, part in shards.items()],
    }


def _total(counts: list[list[int]], length: int) -> list[int]:
    return [sum(column) for column in zip(*counts, strict=True)] or [0] * length
