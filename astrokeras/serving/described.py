"""What is known of the objects in records, for the tables of results."""

import numpy as np
from astropy.table import MaskedColumn, Table

from astrokeras.pipeline.dataset import read_columns
from astrokeras.records.directory import Records

_POSITIONS = (("ra", "dec"), ("x", "y", "field"))
_WHERE = ("split", "shard", "row")


def describe_objects(records: Records, split: str) -> Table:
    """A row for each record of a split, in record order.

    Columns:
        ``id`` in its own type; ``ra`` and ``dec`` (deg), or else ``x``, ``y`` (0-based pixels) and ``field``, where the
        records know them; ``label``, the name of the class, masked where unlabelled, if there are classes; the carried
        columns.
    """
    if not hasattr(records, "objects"):
        return _from_shards(records, split)
    objects = records.objects(split)
    known = [names for names in _POSITIONS if set(names) <= set(objects.colnames)]
    position = next((names for names in known if _any(objects[names[0]])), ())
    left_out = {*_WHERE, *("ra", "dec", "x", "y", "field"), *(f"magnitude_{band}" for band in records.bands)}
    left_out |= set() if records.classes else {"label"}
    others = [name for name in objects.colnames if name not in (left_out | {"id"})]
    return objects[["id", *position, *others]]


def _any(values: np.ndarray) -> bool:
    filled = values.filled(np.nan) if isinstance(values, MaskedColumn) else values
    return bool(np.any(np.isfinite(np.asarray(filled, dtype=float))))


def _from_shards(records: Records, split: str) -> Table:
    fields = ("id", *(("label",) if records.classes else ()), *records.columns)
    columns = read_columns(records, split, fields)
    table = Table({"id": columns["id"].astype(str)})
    if records.classes:
        label = columns["label"]
        table["label"] = MaskedColumn(np.array([*records.classes, ""])[label], mask=label < 0)
    for name in records.columns:
        table[name] = columns[name]
    return table
