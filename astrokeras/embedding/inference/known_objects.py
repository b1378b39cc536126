"""What is known of the objects of each piece: columns for the tables of results, a piece at a time."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from astrokeras.embedding.inference.piece_result import Result
from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.objects import OBJECTS, UNITS, Column

Columns = dict[str, np.ndarray]
_BATCH = 1 << 14
_KINDS = {pa.int64(): "int64", pa.float64(): "float64", pa.float32(): "float32", pa.string(): "str"}
_PLACE = ("x", "y", "field")
_LEFT_OUT = ("shard", "row")


class KnownObjects(Protocol):
    """Columns of the objects, by name: ``id``, ``split``, ``ra``, ``dec``, ``label``, magnitudes, carried columns.

    ``x``, ``y`` and ``field`` are among them where no object has a place on the sky.

    Attributes:
        kinds: of the columns.
    """

    kinds: dict[str, Column]

    def of(self, result: Result) -> Columns:
        """Return the columns for the objects of the next piece, in its order; missing is NaN, or "" in text.

        Raises:
            AstrokerasError: what is known is not of these objects.
        """

    def texts(self) -> set[str]:
        """Return all that stands in columns of text; all objects have to be looked at for it."""

    def check(self) -> None:
        """Make sure, at the end, that nothing was lost.

        Raises:
            AstrokerasError: something was, or there is nothing.
        """

    def rejects(self, out: Path, report: Callable[[str], None]) -> int:
        """Write what was left out beside the table `out`; return how many objects."""


class RecordsObjects:
    """Of splits of records, from their table of objects, of which a few thousand rows are in memory."""

    def __init__(self, records: RecordsDirectory, splits: tuple[str, ...]) -> None:
        self._records, self._splits = records, splits
        self._path = records.path / OBJECTS
        if self._path.is_file():
            with _told(self._path):
                file = parquet.ParquetFile(self._path)
            kinds = _kinds(file.schema_arrow)
            self._rows = self._from_table(file)
            missing = {name for name in _PLACE if _all_missing(file, name)}
            nowhere = _all_missing(file, "ra")
        else:
            table = self._from_shards()
            kinds = {name: _kind_of(values) for name, values in table.items()}
            self._rows = iter([table])
            missing, nowhere = set(), "ra" not in kinds
        left_out = {*_LEFT_OUT, *(missing | {"ra", "dec"} if nowhere else _PLACE)}
        left_out |= set() if records.classes else {"label"}
        self.kinds = {name: kind for name, kind in kinds.items() if name not in left_out}
        self._held: Columns | None = None

    def of(self, result: Result) -> Columns:
        """See `KnownObjects.of`."""
        ids = result.found.arrays["ids"]
        parts, needed = [], len(ids)
        while needed:
            if self._held is None or not len(self._held["id"]):
                self._held = next(self._rows, None)
                if self._held is None:
                    raise self._other()
            parts.append({name: values[:needed] for name, values in self._held.items()})
            self._held = {name: values[needed:] for name, values in self._held.items()}
            needed -= len(parts[-1]["id"])
        if not parts:
            return {name: np.empty(0, _NUMPY[kind.kind]) for name, kind in self.kinds.items()}
        columns = {name: np.concatenate([part[name] for part in parts]) for name in self.kinds}
        if not np.array_equal(columns["id"].astype(str), ids):
            raise self._other()
        return columns

    def texts(self) -> set[str]:
        """See `KnownObjects.texts`."""
        found: set[str] = set()
        for columns in type(self)(self._records, self._splits)._rows:
            for name in self.kinds:
                if columns[name].dtype.kind == "U":
                    found |= set(np.unique(columns[name]).tolist())
        return found

    def check(self) -> None:
        """See `KnownObjects.check`."""
        left = itertools.chain([self._held] if self._held else [], self._rows)
        if any(len(columns["id"]) for columns in left):
            raise self._other()

    def rejects(self, out: Path, report: Callable[[str], None]) -> int:
        """Return 0: records have no rejects."""
        return 0

    def _other(self) -> AstrokerasError:
        return AstrokerasError(f"{self._path} is not that of the shards beside it; convert the survey again")

    def _from_table(self, file: parquet.ParquetFile) -> Iterator[Columns]:
        with _told(self._path):
            for batch in file.iter_batches(_BATCH):
                chosen = batch.filter(compute.is_in(batch["split"], pa.array(self._splits)))
                if len(chosen):
                    yield {name: _as_numpy(chosen[name]) for name in chosen.schema.names}

    def _from_shards(self) -> Columns:
        """Return what records say that were made before there was a table of objects."""
        tables = [self._records.objects(split) for split in self._splits]
        names = [name for name in tables[0].colnames if name not in _LEFT_OUT]
        return {name: np.concatenate([np.ma.filled(table[name], "") for table in tables]) for name in names}


_NUMPY = {"int64": np.int64, "float64": np.float64, "float32": np.float32, "str": "U1"}


def _kinds(types: pa.Schema) -> dict[str, Column]:
    lengths = {k.decode(): v.decode() for k, v in (types.metadata or {}).items()}
    kinds = {}
    for field in types:
        if field.type not in _KINDS:
            raise AstrokerasError(f"the table of objects has a column {field.name!r} of {field.type}; convert again")
        unit = (field.metadata or {}).get(b"unit", b"").decode() or None
        length = lengths.get(f"table::len::{field.name}", "")
        kinds[field.name] = Column(_KINDS[field.type], unit, int(length) if length.isdecimal() else 64)
    if not {"id", "split"} <= kinds.keys():
        raise AstrokerasError("the table of objects has no ids or no splits; convert the survey again")
    return kinds


def _kind_of(values: np.ndarray) -> Column:
    if values.dtype.kind == "U":
        return Column("str", length=max(values.dtype.itemsize // 4, 1))
    return Column(values.dtype.name, "mag" if values.dtype == np.float32 else UNITS.get(""))


def _all_missing(file: parquet.ParquetFile, name: str) -> bool:
    """Whether a column has no value in the whole file, as its statistics say."""
    if name not in file.schema_arrow.names:
        return True
    place = file.schema_arrow.names.index(name)
    groups = [file.metadata.row_group(i).column(place) for i in range(file.metadata.num_row_groups)]
    known = [group.statistics for group in groups if group.num_values]
    return all(one is not None and not one.has_min_max for one in known)  # NaN is no value there


def _as_numpy(column: pa.Array) -> np.ndarray:
    if pa.types.is_string(column.type):
        return np.array(column.fill_null("").to_pylist(), dtype=str)
    return column.to_numpy(zero_copy_only=False)


class _told:
    """What Arrow says of a damaged file, in a line."""

    def __init__(self, path: object) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, pa.ArrowException | OSError):
            said = " ".join(str(error).split())[:300]
            raise AstrokerasError(f"{self._path} is damaged ({said}); convert the survey again") from None
