"""Embed objects: the table of their embeddings, from records or straight from images."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from astrokeras.config import EmbedConfig
from astrokeras.embedding.file import OWN, EmbeddingsFile, schema
from astrokeras.embedding.inference.find_encoder import find_encoder
from astrokeras.embedding.inference.known_objects import Columns, KnownObjects
from astrokeras.embedding.inference.piece_result import Result
from astrokeras.embedding.inference.run_pieces import check_place, describe_work, find_subject, run_pieces
from astrokeras.embedding.inference.subject import Report, check_data_options
from astrokeras.embedding.inference.table_workspace import TableWorkspace, describe_differences, same
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import write_atomically
from astrokeras.parallel.processes import Executor
from astrokeras.progress import Progress, not_shown
from astrokeras.records.objects import Column

_GROUP = 1 << 14  # rows of a row group
_LONGEST_INTEGER = 20


def embed(
    config: EmbedConfig,
    report: Report = print,
    progress: Progress = not_shown,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Write the embeddings of all objects, see `embedding.file`, or go on where an earlier run was cut short.

    The rows are in the order of the records. The same encoder, records and options give the same file, to the bit,
    whatever the number of workers and devices, on machines of one kind.

    Args:
        config: the options.
        report: receives a line at a time.
        progress: shows how many pieces are done.
        executor: where the pieces are embedded; it stays open. None: as `config` says.

    Returns:
        ``out``, ``embedded``, ``rejected`` (None where the table was complete already), ``width`` and ``encoder``.

    Raises:
        UsageError: options that do not go together.
        AstrokerasError: the encoder does not fit the stamps, a file is damaged, or the table exists.
    """
    out = Path(config.out)
    if out.suffix.lower() != ".parquet":
        raise UsageError(f"--out {out}: embeddings are written as .parquet")
    check_data_options(config, config.data)
    check_place(out, config, config.data)
    encoder = find_encoder(config.encoder, config.max_model_bytes)
    with TableWorkspace.opened(out) as workspace:
        subject = find_subject(encoder, config, config.data, report)
        about = describe_work("embeddings", config, encoder.about, subject)
        if out.exists() and not config.overwrite:
            file = EmbeddingsFile.open(out)
            _check_complete(file, about, workspace, resume=config.resume)
            report(f"{out} is complete already")
            rejected = None
        else:
            workspace.begin(about, overwrite=config.overwrite)
            pieces, objects = subject.open(workspace, report, progress, executor)
            results = run_pieces(pieces, encoder.network, config, workspace, report, progress, executor)
            _write(out, about, encoder.width, objects, results)
            rejected = objects.rejects(out, report)
            file = EmbeddingsFile.open(out)
        workspace.clear()
    return {
        "out": str(out),
        "embedded": file.rows,
        "rejected": rejected,
        "width": file.width,
        "encoder": encoder.about,
    }


def _check_complete(file: EmbeddingsFile, about: dict[str, Any], workspace: TableWorkspace, *, resume: bool) -> None:
    """Make sure that a file is what is asked for: with ``--resume``, or where a run was killed after its last step.

    Raises:
        AstrokerasError: it is not.
    """
    if not resume and not same(workspace.plan or {}, about):
        raise AstrokerasError(f"{file.path} already exists; use --overwrite or another --out")
    if not same(file.metadata, about):
        raise AstrokerasError(
            f"{file.path} is complete, but {describe_differences(file.metadata, about)}; use --overwrite to embed "
            "again, or another --out"
        )


def _write(out: Path, about: dict[str, Any], width: int, objects: KnownObjects, results: Iterable[Result]) -> None:
    """Write the table, a piece at a time."""
    named = _names(objects.kinds)
    further = {own: objects.kinds[name] for name, own in named.items() if own not in OWN}
    length = max(
        (_LONGEST_INTEGER if kind.kind != "str" else kind.length)
        for name, kind in objects.kinds.items()
        if name in ("id", "split", "label")
    )
    types = schema(width, further, about, length)

    def tables() -> Iterator[pa.Table]:
        for result in results:
            columns = {named[name]: values for name, values in objects.of(result).items()}
            yield _as_table(types, columns, result.outputs["embedding"])

    def write(path: Path) -> None:
        compression = {name: "zstd" for name in types.names if name != "embedding"}
        # Random numbers neither shrink nor repeat.
        settings = {
            "compression": {**compression, "embedding.list.element": "none"},
            "use_dictionary": ["label", "split"],
        }
        with path.open("wb") as stream, parquet.ParquetWriter(stream, types, **settings) as writer:
            for table in tables():
                writer.write_table(table, row_group_size=_GROUP)
            objects.check()

    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, write)


def _names(kinds: dict[str, Column]) -> dict[str, str]:
    """Return the names of the known columns in the file; one that would hide a column of the file gets a prefix."""
    return {name: name if name in OWN[:-1] or name.lower() not in OWN else f"catalog_{name}" for name in kinds}


def _as_table(types: pa.Schema, columns: Columns, vectors: np.ndarray) -> pa.Table:
    """Return rows of the file; text that is "" and numbers that are NaN are missing."""
    count, width = vectors.shape
    arrays = []
    for field in types:
        if field.name == "embedding":
            flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, width))
            continue
        values = columns.get(field.name)
        if values is None:
            arrays.append(pa.nulls(count, field.type))
            continue
        if field.name == "id":
            values = values.astype(str)
        missing = values == "" if values.dtype.kind == "U" else np.isnan(values) if values.dtype.kind == "f" else None
        arrays.append(pa.array(values, type=field.type, mask=missing))
    return pa.table(arrays, schema=types)
