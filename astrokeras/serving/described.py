"""What is known of the objects in records, for the tables of results."""

import numpy as np
from astropy.table import MaskedColumn, Table

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.dataset import read_columns
from astrokeras.records.directory import Records
from astrokeras.records.objects import OBJECTS, OWN, magnitude_names

_POSITIONS = (("ra", "dec"), ("x", "y", "field"))


def describe_objects(records: Records, split: str) -> Table:
    """Return a row for each record of a split, in record order.

    Columns:
        ``id`` in its own type; ``ra`` and ``dec`` (deg), or else ``x``, ``y`` (0-based pixels) and ``field``, where the
        records know them; ``label``, the name of the class, masked where unlabelled, if there are classes; the carried
        columns. Records without a table of objects have text for ids and no positions.

    Raises:
        AstrokerasError: the table of objects is that of other records.
    """
    if not (records.path / OBJECTS).is_file():
        return _from_shards(records, split)
    objects = records.objects(split)
    if objects["id"].astype(str).tolist() != read_columns(records, split, ("id",))["id"].tolist():
        raise AstrokerasError(f"{records.path / OBJECTS} is not that of the shards beside it; convert the survey again")
    position = next((names for names in _POSITIONS if np.any(np.isfinite(objects[names[0]]))), ())
    if "field" in position and not np.any(np.ma.filled(objects["field"], "") != ""):
        position = position[:-1]  # there is one field, without a name
    left_out = {*OWN, *magnitude_names(records.bands)} - {"label" if records.classes else ""}
    others = [name for name in objects.colnames if name not in left_out]
    return objects[["id", *position, *others]]


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
