"""Write tables of predictions in any format; Parquet a piece at a time."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Column as TableColumn
from astropy.table import MaskedColumn, Table
from pyarrow import ArrowException, parquet

from astrokeras.embedding.inference.known_objects import Columns
from astrokeras.embedding.inference.table_workspace import TableWorkspace, describe_differences, same
from astrokeras.errors import AstrokerasError
from astrokeras.files import write_atomically
from astrokeras.records.objects import Column, arrow_schema, as_arrow
from astrokeras.survey.tables import write_table

_KEY = "astrokeras"
_GROUP = 1 << 16  # rows of a row group
_NUMPY = {"int64": np.int64, "float64": np.float64, "float32": np.float32, "str": "U1"}


def write_columns(out: Path, kinds: Mapping[str, Column], chunks: Iterable[Columns], about: Mapping[str, Any]) -> None:
    """Write a table, whole or not at all; other formats than Parquet are put together in memory.

    Args:
        out: the file; its suffix is the format.
        kinds: of the columns, in their order.
        chunks: the columns of some objects after the other; "" in ``label`` is missing.
        about: what Parquet's metadata say of the table.

    Raises:
        AstrokerasError: it cannot be written.
    """
    if out.suffix.lower() != ".parquet":
        write_table(_together(kinds, list(chunks)), out)
        return
    schema = arrow_schema(kinds, {_KEY: json.dumps(about)})

    def write(path: Path) -> None:
        with path.open("wb") as stream, parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
            for columns in chunks:
                writer.write_table(as_arrow(columns, schema), row_group_size=_GROUP)

    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, write)


def _together(kinds: Mapping[str, Column], chunks: list[Columns]) -> Table:
    table = Table()
    for name, kind in kinds.items():
        values = np.concatenate([columns[name] for columns in chunks] or [np.empty(0, _NUMPY[kind.kind])])
        absent = values == "" if name == "label" and values.dtype.kind == "U" else np.zeros(len(values), bool)
        made = MaskedColumn(values, mask=absent) if absent.any() else TableColumn(values)
        table[name] = made
        table[name].unit = kind.unit
    return table


def check_complete(out: Path, about: Mapping[str, Any], workspace: TableWorkspace, *, resume: bool) -> dict[str, Any]:
    """Make sure that a table is what is asked for: with ``--resume``, or where a run was killed after its last step.

    Returns:
        ``predicted`` and ``classes``, the number of objects of each.

    Raises:
        AstrokerasError: it is not, or its format does not tell.
    """
    if out.suffix.lower() != ".parquet" or not (resume or same(workspace.plan or {}, about)):
        raise AstrokerasError(f"{out} already exists; use --overwrite or another --out")
    try:
        schema = parquet.read_schema(out)
        made = json.loads((schema.metadata or {}).get(_KEY.encode(), b"null"))
        column = parquet.read_table(out, columns=["class"])["class"].to_numpy() if "class" in schema.names else []
        rows = parquet.read_metadata(out).num_rows
    except (ArrowException, OSError, ValueError, RecursionError) as error:
        raise AstrokerasError(f"{out} cannot be read ({' '.join(str(error).split())[:200]}); use --overwrite") from None
    if not isinstance(made, dict) or not same(made, about):
        said = describe_differences(made, about) if isinstance(made, dict) else "it does not say what made it"
        raise AstrokerasError(f"{out} is complete, but {said}; use --overwrite to predict again, or another --out")
    names, counts = np.unique(np.asarray(column, dtype=str), return_counts=True)
    return {"predicted": rows, "classes": dict(zip(names.tolist(), counts.tolist(), strict=True))}
