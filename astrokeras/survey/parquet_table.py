"""Parquet: one file, or a directory of files, with units where they are written down."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy import units
from astropy.io import votable
from astropy.table import Column, MaskedColumn, Table, meta

from astrokeras.survey.unpack import ROOM, too_large

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
_ASTROPY, _VOTABLE = b"table_meta_yaml", b"IVOA.VOTable-Parquet.content"


def read_parquet(path: Path, limit: int) -> Table:
    """Return the table in a file, or in all the files of a directory.

    What its folders are called (``field=A``) is a column.

    Raises:
        ValueError: it takes more than `limit` bytes.
    """
    # astropy's reader wants pandas as well, fails on absent text, and makes floats of integers with gaps.
    from pyarrow import parquet  # noqa: PLC0415 - takes its time, and few need it

    files = sorted(parquet_files(path)) if path.is_dir() else [path]
    for file in files:
        _check(parquet.read_metadata(file), file, limit)
    # A dictionary can stand for any length of text; it is looked at before it is written out.
    texts = [field.name for field in parquet.read_schema(files[0]) if str(field.type) in _TEXTS]
    table = parquet.read_table(path, read_dictionary=texts)
    limit += ROOM * sum(file.stat().st_size for file in files)
    about = table.schema.metadata or {}
    named, absent = _described(about), _separate_masks(about, table.column_names)
    columns: dict[str, Column] = {}
    for name in table.column_names:
        if name in absent.values():
            continue
        column = _column(table[name], limit)
        if name in absent:
            mask = np.ma.getmaskarray(column) | np.asarray(table[absent[name]].fill_null(False), dtype=bool)
            column = MaskedColumn(column, mask=mask)
        text = named.get(name) or (table.schema.field(name).metadata or {}).get(b"unit", b"").decode(errors="replace")
        if text:
            column.unit = units.Unit(text, parse_strict="silent")
        columns[name] = column
    return Table(columns)


def parquet_files(directory: Path) -> list[Path]:
    """Return the files of a data set in a directory and the directories in it.

    Names that begin with . or _ are no data.
    """
    inside = (file for file in directory.rglob("*.parquet") if file.is_file())
    return [file for file in inside if not any(part[0] in "._" for part in file.relative_to(directory).parts)]


def _check(found: "pa.parquet.FileMetaData", file: Path, limit: int) -> None:
    """Count rows as well as what the columns claim to unpack to: a page of a few bytes can stand for any number."""
    unpacked = sum(found.row_group(i).total_byte_size for i in range(found.num_row_groups))
    size = max(unpacked, found.num_rows * found.num_columns)
    if size > limit + ROOM * file.stat().st_size:
        raise too_large(file.name, size, limit)


def _described(about: dict[bytes, bytes]) -> dict[str, str]:
    """Return the units that astropy, or a VOTable in the file's head, gives to the columns."""
    if _ASTROPY in about:
        found = meta.get_header_from_yaml(about[_ASTROPY].decode().split("\n"))
        return {str(one["name"]): str(one["unit"]) for one in found["datatype"] if one.get("unit")}
    if _VOTABLE in about:
        table = next(iter(votable.parse(io.BytesIO(about[_VOTABLE]), verify="ignore").iter_tables()))
        return {field.name: field.unit.to_string() for field in table.fields if field.unit is not None}
    return {}


def _separate_masks(about: dict[bytes, bytes], names: list[str]) -> dict[str, str]:
    """Return the columns of astropy's that say which values of another column are masked, by the name of that one."""
    if _ASTROPY not in about:
        return {}
    return {name: f"{name}.mask" for name in names if f"{name}.mask" in names}


def _column(column: "pa.ChunkedArray", limit: int) -> Column:
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_dictionary(column.type):
        if str(column.type.value_type) in _TEXTS:
            return _from_dictionary(column, limit)
        column = column.cast(column.type.value_type)
    kind, is_ = column.type, pa.types
    if is_.is_float16(kind):  # little is written for these
        column = column.cast(pa.float32())
    elif is_.is_decimal(kind):
        column = _from_decimal(column)
    elif is_.is_temporal(kind) and not is_.is_duration(kind):
        column = column.cast(pa.string())
    elif is_.is_null(kind):
        column = column.cast(pa.float64())
    kind = column.type
    absent = column.is_null().to_numpy()
    if is_.is_integer(kind) or is_.is_floating(kind) or is_.is_boolean(kind):
        values = column.fill_null(False if is_.is_boolean(kind) else 0).to_numpy()
    elif is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return _from_lists(column)
    else:
        values = _objects(column.to_pylist())
    return MaskedColumn(values, mask=absent) if absent.any() else Column(values)


def _from_decimal(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Return integers where they fit 64 bits, so that every digit of an id stays; otherwise the nearest floats."""
    import pyarrow as pa  # noqa: PLC0415

    for kind in (pa.int64(), pa.uint64()) if column.type.scale <= 0 else ():
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column.cast(pa.float64())


def _from_dictionary(column: "pa.ChunkedArray", limit: int) -> Column:
    """Return text as text, bytes as the text in UTF-8 that they are."""
    chunks = [chunk for chunk in column.chunks if len(chunk)]
    words = [_objects(chunk.dictionary.to_pylist() or [""]) for chunk in chunks]
    size = max((words_here.dtype.itemsize for words_here in words), default=0) * len(column)
    if size > limit:
        raise too_large("a column of text", size, limit)
    parts = [here[np.asarray(chunk.indices.fill_null(0))] for here, chunk in zip(words, chunks, strict=True)]
    values = np.concatenate(parts) if parts else np.empty(0, dtype=str)
    absent = column.is_null().to_numpy()
    return MaskedColumn(np.where(absent, "", values), mask=absent) if absent.any() else Column(values)


def _from_lists(column: "pa.ChunkedArray") -> Column:
    """Return arrays ``[N, M]`` where all rows are as long, masked where a value is absent; otherwise one list a row."""
    cells = column.to_pylist()
    arrays = [None if cell is None else np.ma.masked_array(*_values(cell)) for cell in cells]
    lengths = {array.shape for array in arrays if array is not None}
    if len(lengths) == 1 and all(array is None or array.dtype.kind in "iufb" for array in arrays):
        gap = np.ma.masked_all(lengths.pop())
        values = np.ma.stack([gap if array is None else array for array in arrays])
        return MaskedColumn(values) if np.ma.is_masked(values) else Column(values.data)
    absent = column.is_null().to_numpy()
    values = np.empty(len(cells), dtype=object)
    values[:] = [[] if cell is None else cell for cell in cells]
    return MaskedColumn(values, mask=absent) if absent.any() else Column(values)


def _values(cell: list) -> tuple[np.ndarray, np.ndarray | bool]:
    """Return the values of a list and which of them are absent."""
    absent = np.array([value is None for value in cell], dtype=bool)
    try:
        values = np.array([0 if value is None else value for value in cell])
    except ValueError:  # lists of lists of all lengths
        return np.array(None), False
    return values, absent if values.ndim == 1 else False


def _objects(values: list) -> np.ndarray:
    """Return text, and bytes as the text in UTF-8 that they are; whatever else Parquet holds as it is, one a row."""
    values = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
    if all(isinstance(value, str | None) for value in values):
        return np.array(["" if value is None else value for value in values], dtype=str)
    found = np.empty(len(values), dtype=object)
    found[:] = ["" if value is None else value for value in values]
    return found
