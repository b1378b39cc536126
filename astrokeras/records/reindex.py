"""Write `objects.parquet` for records that have none: those made before there was one, or whose table is damaged."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from astrokeras.config import ConvertConfig, from_dict, option_fields
from astrokeras.errors import AstrokerasError
from astrokeras.files import digest, write_atomically, write_json
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.metadata import CONVERT_JSON, describe_small_file, signed
from astrokeras.records.objects import (
    OBJECTS,
    UNITS,
    Column,
    carried_names,
    columns_of_shard,
    magnitude_names,
    write_objects,
)
from astrokeras.survey.catalog import Catalog, read_catalog

_POSITIONS = ("ra", "dec")


def reindex(records: RecordsDirectory, report: Callable[[str], None]) -> None:
    """Write the table from the shards, and what the catalogue says of positions if it is still what it was.

    Ids, splits, labels, magnitudes and carried columns stand in the shards. Right ascension, declination and field are
    the catalogue's, by id; pixel positions are not known any more.

    Args:
        records: whose table is missing or not what was written.
        report: is told what was done.

    Raises:
        AstrokerasError: a shard is damaged, or a file cannot be written.
    """
    path = records.path / OBJECTS
    listed = [file for file in records.content["files"] if file["file"] == OBJECTS]
    if listed and path.is_file() and describe_small_file(path) == listed[0]:
        report(f"{path} is there and as it was written; nothing to do")
        return
    catalog, why = _catalog_of(records)
    write_atomically(
        path, lambda temporary: write_objects(temporary, _columns(records, catalog), _shards(records, catalog))
    )
    others = [file for file in records.content["files"] if file["file"] != OBJECTS]
    files = sorted([*others, describe_small_file(path)], key=lambda file: file["file"])
    write_json(records.path / CONVERT_JSON, signed({**records.content, "files": files}))
    said = "positions are those of the catalogue" if catalog is not None else f"without positions: {why}"
    report(f"{path} written: {sum(records.counts.values())} objects, {said}")


def _catalog_of(records: RecordsDirectory) -> tuple[Catalog | None, str]:
    """Return the catalogue that the records were made from, or why it cannot be had."""
    path = records.conversion.get("catalog")
    if not path:
        return None, "the records were made without a catalogue"
    was = [file.get("sha256") for file in records.content.get("inputs", ()) if file and file.get("path") == path]
    if not Path(path).is_file():
        return None, f"the catalogue {path} is gone"
    if digest(Path(path)) not in was:
        return None, f"the catalogue {path} has changed"
    names = option_fields(ConvertConfig)
    options = {name: value for name, value in records.conversion.items() if name in names}
    try:
        catalog = read_catalog(from_dict(ConvertConfig, {**options, "out": str(records.path)}))
    except (AstrokerasError, TypeError, ValueError) as error:  # the options may be anybody's
        return None, f"the catalogue {path} cannot be read as it was ({error})"
    return (catalog, "") if catalog.ra is not None else (None, f"the catalogue {path} has none")


def _columns(records: RecordsDirectory, catalog: Catalog | None) -> dict[str, Column]:
    integers = catalog is not None and catalog.integer_ids
    carried = {
        own: "int64" if name in records.integer_columns else "float64"
        for name, own in carried_names(records.bands, records.columns).items()
    }
    return {
        "id": Column("int64") if integers else Column("str"),
        **{name: Column("str") for name in ("split", "shard")},
        "row": Column("int64"),
        **{name: Column("float64", unit) for name, unit in UNITS.items()},
        **{name: Column("str") for name in ("field", "label")},
        **dict.fromkeys(magnitude_names(records.bands), Column("float32", "mag")),
        **{own: Column(kind) for own, kind in carried.items()},
    }


def _shards(records: RecordsDirectory, catalog: Catalog | None) -> Iterator[dict[str, np.ndarray]]:
    row_of = {name: row for row, name in enumerate(catalog.ids.tolist())} if catalog is not None else {}
    for split in records.splits:
        for path in map(Path, records.shards(split)):
            columns = columns_of_shard(records, split, path)
            rows = np.array([row_of.get(name, -1) for name in columns["id"].tolist()], dtype=np.int64)
            yield columns | _places(catalog, rows, columns["id"])


def _places(catalog: Catalog | None, rows: np.ndarray, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the catalogue says of these of its rows, -1 for none; ids in the type that they have there."""
    places = {axis: np.full(len(rows), np.nan) for axis in UNITS} | {"field": np.full(len(rows), "")}
    if catalog is None:
        return places
    known = rows >= 0
    for axis in _POSITIONS:
        places[axis] = np.where(known, getattr(catalog, axis)[rows], np.nan)
    if catalog.fields is not None:
        places["field"] = np.where(known, catalog.fields[rows], "")
    return places | ({"id": ids.astype(np.int64)} if catalog.integer_ids else {})
