"""`objects.parquet`: one row for each record, in the order in which the shards are read."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.files import write_atomically
from astrokeras.records.reader import Reader

if TYPE_CHECKING:
    import pyarrow as pa
    from astropy.table import Table

    from astrokeras.records.directory import RecordsDirectory

OBJECTS = "objects.parquet"
ROWS_A_GROUP = 1 << 16  # rows of the table that are held in memory
OWN = ("id", "split", "shard", "row", "ra", "dec", "x", "y", "field", "label")
UNITS = {"ra": "deg", "dec": "deg", "x": "pix", "y": "pix"}
_IN_VOTABLE = {"int64": "long", "float64": "double", "float32": "float", "str": "unicodeChar", "vector": "float"}


@dataclasses.dataclass(frozen=True)
class Column:
    """Kind of a column and its unit.

    A kind is ``int64``, ``float64``, ``float32``, ``str`` of at most `length` characters, or ``vector`` of `length`
    float32 numbers.
    """

    kind: str
    unit: str | None = None
    length: int = 1


def magnitude_names(bands: Sequence[str]) -> list[str]:
    """Return names of the columns with the magnitudes, in the order of the bands."""
    return [f"magnitude_{band}" for band in bands]


def carried_names(bands: Sequence[str], carried: Sequence[str]) -> dict[str, str]:
    """Return names in the table of the carried columns.

    One that would be called as a column of the table's own, in whatever case, has ``catalog_`` before its name.
    """
    taken = {name.lower() for name in (*OWN, *magnitude_names(bands))}
    return {name: f"catalog_{name}" if name.lower() in taken else name for name in carried}


def write_objects(path: Path, columns: Mapping[str, Column], shards: Iterable[Mapping[str, np.ndarray]]) -> None:
    """Write the table, about `ROWS_A_GROUP` rows at a time, and force it to the disk.

    Args:
        path: of the file.
        columns: their kinds, by name.
        shards: the columns of one shard after the other; missing is NaN, or "" in text.
    """
    from pyarrow import parquet  # noqa: PLC0415 - workers, which need none, start faster without it

    schema = arrow_schema(columns)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream, parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
            for group in _groups(shards):
                writer.write_table(as_arrow(group, schema), row_group_size=ROWS_A_GROUP)

    write_atomically(path, write)


def _groups(shards: Iterable[Mapping[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
    """Yield shards together that have enough rows."""
    waiting: list[Mapping[str, np.ndarray]] = []
    rows = 0
    for shard in shards:
        waiting.append(shard)
        rows += len(shard["id"])
        if rows >= ROWS_A_GROUP:
            yield {name: np.concatenate([part[name] for part in waiting]) for name in shard}
            waiting, rows = [], 0
    if waiting:
        yield {name: np.concatenate([part[name] for part in waiting]) for name in waiting[0]}


def as_arrow(columns: Mapping[str, np.ndarray], schema: "pa.Schema") -> "pa.Table":
    """Return columns as an Arrow table; NaN, and "" in text, are missing."""
    import pyarrow as pa  # noqa: PLC0415

    arrays = []
    for field in schema:
        values = columns[field.name]
        missing = values == "" if values.dtype.kind == "U" else np.isnan(values) if values.dtype.kind == "f" else None
        arrays.append(pa.array(values, type=field.type, mask=missing))
    return pa.table(arrays, schema=schema)


def arrow_schema(columns: Mapping[str, Column], about: Mapping[str, str] | None = None) -> "pa.Schema":
    """Return the types of columns, with the units in every way in which programs look for them.

    Args:
        columns: their kinds, by name.
        about: further metadata of the file.
    """
    import pyarrow as pa  # noqa: PLC0415

    fields = [
        pa.field(name, _arrow_type(column), metadata={"unit": column.unit} if column.unit else None)
        for name, column in columns.items()
    ]
    return pa.schema(
        fields,
        metadata={
            "table_meta_yaml": _for_astropy(columns),
            **{f"table::len::{name}": str(column.length) for name, column in columns.items() if column.kind == "str"},
            "IVOA.VOTable-Parquet.version": "1.0",
            "IVOA.VOTable-Parquet.content": _as_votable(columns),
            "PANDAS_ATTRS": json.dumps({"units": {n: column.unit for n, column in columns.items() if column.unit}}),
            **(about or {}),
        },
    )


def _arrow_type(column: Column) -> "pa.DataType":
    import pyarrow as pa  # noqa: PLC0415

    if column.kind == "vector":
        return pa.list_(pa.float32(), column.length)
    return {"int64": pa.int64(), "float64": pa.float64(), "float32": pa.float32(), "str": pa.string()}[column.kind]


def _for_astropy(columns: Mapping[str, Column]) -> str:
    """Return the header that `astropy.table.Table` keeps in a Parquet file; JSON is YAML too."""
    lines = [
        {
            "name": name,
            **({"unit": column.unit} if column.unit else {}),
            **_ecsv_type(column),
        }
        for name, column in columns.items()
    ]
    return "\n".join(["datatype:", *(f"- {json.dumps(line)}" for line in lines)])


def _ecsv_type(column: Column) -> dict[str, str]:
    if column.kind == "vector":
        return {"datatype": "string", "subtype": f"float32[{column.length}]"}
    return {"datatype": column.kind.replace("str", "string")}


def _as_votable(columns: Mapping[str, Column]) -> str:
    """Return the header that TOPCAT looks for.

    Source: VOParquet 1.0, a VOTable without data in the file's metadata.
    """
    fields = "".join(
        f"<FIELD name={quoteattr(name)} datatype={quoteattr(_IN_VOTABLE[column.kind])}"
        + (
            ' arraysize="*"'
            if column.kind == "str"
            else f' arraysize="{column.length}"'
            if column.kind == "vector"
            else ""
        )
        + (f" unit={quoteattr(column.unit)}" if column.unit else "")
        + "/>"
        for name, column in columns.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f"<RESOURCE><TABLE>{fields}</TABLE></RESOURCE></VOTABLE>"
    )


def read_objects(
    records: "RecordsDirectory", split: str | None = None, columns: Sequence[str] | None = None
) -> "Table":
    """Return the rows of one split, or of all, see `RecordsDirectory.objects`.

    Args:
        records: the directory.
        split: name of the split; None for all.
        columns: names of those that are wanted, of which older records may lack some; None for all.
    """
    if not (records.path / OBJECTS).is_file():
        table = _from_shards(records, [split] if split else list(records.splits))
        return table if columns is None else table[[name for name in columns if name in table.colnames]]
    from astropy.table import Column as TableColumn  # noqa: PLC0415 - slow to import
    from astropy.table import MaskedColumn, Table  # noqa: PLC0415
    from pyarrow import ArrowException, parquet, types  # noqa: PLC0415

    path = records.path / OBJECTS
    try:
        there = set(parquet.read_schema(path).names)
        wanted = None if columns is None else [name for name in columns if name in there]
        chosen = split and not records.regrouped  # where every split holds all objects
        found = parquet.read_table(path, columns=wanted, filters=[("split", "=", split)] if chosen else None)
    except (ArrowException, OSError) as error:
        raise AstrokerasError(f"{path} is damaged ({' '.join(str(error).split())}); convert the survey again") from None
    table = Table()
    for field in found.schema:
        column = found[field.name]
        unit = (field.metadata or {}).get(b"unit", b"").decode() or None
        if types.is_string(field.type):
            absent = column.is_null().to_numpy()
            text = np.array(column.fill_null("").to_pylist(), dtype=str)
            table[field.name] = MaskedColumn(text, mask=absent) if absent.any() else TableColumn(text)
        else:
            table[field.name] = TableColumn(column.to_numpy(), unit=unit)
    return table


def _from_shards(records: "RecordsDirectory", splits: Sequence[str]) -> "Table":
    """Return what the shards themselves say: all but positions and fields; ids are text."""
    from astropy.table import Column as TableColumn  # noqa: PLC0415 - slow to import
    from astropy.table import MaskedColumn, Table  # noqa: PLC0415

    parts = [columns_of_shard(records, split, Path(name)) for split in splits for name in records.shards(split)]
    magnitudes, table = magnitude_names(records.bands), Table()
    for name in (
        "id",
        "split",
        "shard",
        "row",
        "label",
        *magnitudes,
        *carried_names(records.bands, records.columns).values(),
    ):
        array = np.concatenate([part[name] for part in parts]) if parts else np.empty(0)
        absent = array == "" if name == "label" else np.zeros(len(array), dtype=bool)
        unit = "mag" if name in magnitudes else None
        table[name] = MaskedColumn(array, mask=absent) if absent.any() else TableColumn(array, unit=unit)
    return table


def columns_of_shard(records: "RecordsDirectory", split: str, path: Path) -> dict[str, np.ndarray]:
    """Return what the records of a shard say, by the names of the table's columns; "" for no label.

    Raises:
        AstrokerasError: it is damaged.
    """
    carried = carried_names(records.bands, records.columns)
    needed = ("id", "label", "magnitudes", *carried)
    examples = [{name: example[name] for name in needed} for example in Reader(records).examples_of(path.name)]
    count = len(examples)
    labels = np.array([int(example["label"][0]) for example in examples], dtype=np.int64)
    light = np.array([example["magnitudes"] for example in examples], np.float32).reshape(count, len(records.bands))
    return {
        "id": np.array([bytes(example["id"]).decode() for example in examples], dtype=str),
        "split": np.full(count, split),
        "shard": np.full(count, path.name),
        "row": np.arange(count),
        "label": np.array([*records.classes, ""])[labels],
        **dict(zip(magnitude_names(records.bands), light.T, strict=True)),
        **{own: _carried_values(examples, name, records) for name, own in carried.items()},
    }


def _carried_values(examples: Sequence[Mapping[str, Any]], name: str, records: "RecordsDirectory") -> np.ndarray:
    """Return a carried column, of which records hold integers as such and other numbers as their bytes."""
    if name in records.integer_columns:
        return np.array([example[name][0] for example in examples], dtype=np.int64)
    return np.array([np.frombuffer(example[name], "<f8")[0] for example in examples], dtype=np.float64)
