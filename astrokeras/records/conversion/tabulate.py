"""The table of objects of a conversion, from its plan and what came of the tasks."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from astrokeras.records.conversion.plan import Plan
from astrokeras.records.objects import UNITS, Column, carried_names, magnitude_names, write_objects
from astrokeras.survey.measure import SHAPES

# Split, file name, rows of the catalogue, and what was measured of them (`TaskResult.measured`), of one shard.
ShardRows = tuple[str, str, np.ndarray, np.ndarray]


def write_table_of_objects(plan: Plan, shards: Iterable[ShardRows], names: Iterable[str], path: Path) -> None:
    """Write ``objects.parquet``.

    Args:
        plan: the conversion's.
        shards: what is in each, in the order in which they are read.
        names: of all shards.
        path: of the table.
    """

    def tables() -> Iterator[dict[str, np.ndarray]]:
        for shard in shards:
            yield of_rows(plan, shard)

    write_objects(path, kinds_of(plan, names), tables())


def kinds_of(plan: Plan, names: Iterable[str]) -> dict[str, Column]:
    """Return the columns of the table; `names` are those of all shards."""
    integers = plan.catalog.integer_ids
    bands, carried = plan.config.images.bands, carried_names(plan.config.images.bands, plan.columns)

    def text(values: Iterable[str]) -> Column:
        return Column("str", length=max(map(len, values), default=1) or 1)

    columns = {
        "id": Column("int64") if integers else Column("str", length=plan.catalog.ids.dtype.itemsize // 4),
        "split": text(plan.split_names),
        "shard": text(names),
        "row": Column("int64"),
        **{name: Column("float64", unit) for name, unit in UNITS.items()},
        "field": text(plan.places.fields),
        "label": text(plan.catalog.classes),
        **dict.fromkeys(magnitude_names(bands), Column("float32", "mag")),
    }
    for name, own in carried.items():
        values = plan.catalog.columns.get(name)
        columns[own] = Column("int64" if values is not None and values.dtype.kind in "iu" else "float64")
    return columns


def of_rows(plan: Plan, shard: ShardRows) -> dict[str, np.ndarray]:
    """Return the rows of the table for those of the catalogue in a shard."""
    split, name, rows, measured = shard
    integers, carried = plan.catalog.integer_ids, carried_names(plan.config.images.bands, plan.columns)
    catalog, places, bands = plan.catalog, plan.places, plan.config.images.bands
    magnitudes, columns = catalog.magnitudes[rows], {n: values[rows] for n, values in catalog.columns.items()}
    if plan.config.photometry.measure:
        magnitudes = measured[:, : len(bands)].astype(np.float32)
        columns |= dict(zip(SHAPES, measured[:, len(bands) :].T, strict=True))
    # A number of -1, for none, finds the last of the names, which is "".
    return {
        "id": catalog.ids[rows].astype(np.int64) if integers else catalog.ids[rows],
        "split": np.full(len(rows), split),
        "shard": np.full(len(rows), name),
        "row": np.arange(len(rows)),
        **{axis: getattr(places, axis)[rows] for axis in UNITS},
        "field": np.array([*places.fields, ""])[places.field_of[rows]],
        "label": np.array([*catalog.classes, ""])[catalog.labels[rows]],
        **dict(zip(magnitude_names(bands), magnitudes.T, strict=True)),
        **{own: columns[their] for their, own in carried.items()},
    }
