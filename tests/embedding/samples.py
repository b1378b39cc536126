"""Embeddings made by NumPy: three groups of objects that are well apart."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from astrokeras.embedding.file import schema
from astrokeras.records.objects import Column

CLASSES = ("spiral", "elliptical", "star")
WIDTH = 8


def grouped(rows: int, width: int = WIDTH, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [N, D] float32 about three centres, and the number of each one's centre."""
    rng = np.random.default_rng(seed)
    centres = np.eye(3, width) * 6
    group = np.arange(rows) % 3
    return (centres[group] + rng.normal(size=(rows, width))).astype(np.float32), group


def write(
    path: Path,
    vectors: np.ndarray,
    *,
    ids: list[str] | None = None,
    label: list[str | None] | None = None,
    positions: np.ndarray | None = None,
    further: Mapping[str, np.ndarray] | None = None,
    about: Mapping[str, Any] | None = None,
    group_rows: int = 50,
) -> Path:
    """Write an embeddings file as `astrokeras embed` does."""
    count, further = len(vectors), further or {}
    kinds = {name: Column("str" if values.dtype.kind == "U" else values.dtype.name) for name, values in further.items()}
    types = schema(vectors.shape[1], kinds, about)
    if positions is None:
        positions = np.stack([np.linspace(150, 151, count), np.linspace(2, 3, count)], axis=1)
    columns = {
        "id": ids or [f"object-{i:04d}" for i in range(count)],
        "ra": pa.array(positions[:, 0], from_pandas=True),
        "dec": pa.array(positions[:, 1], from_pandas=True),
        "split": ["train" if i % 2 else "test" for i in range(count)],
        "label": label or [None] * count,
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
        **{name: pa.array(values, from_pandas=True) for name, values in further.items()},
    }
    table = pa.table([pa.array(columns[field.name], type=field.type) for field in types], schema=types)
    parquet.write_table(table, path, row_group_size=group_rows)
    return path


def sample(path: Path, rows: int = 120, **given: Any) -> Path:
    """Three groups, of which every fourth object has no label."""
    vectors, group = grouped(rows)
    label = [None if i % 4 == 3 else CLASSES[g] for i, g in enumerate(group)]
    return write(path, vectors, **{"label": label, **given})


def rewrite(path: Path, change: Any, metadata: Mapping[bytes, bytes] | None = None) -> Path:
    """Write the file again with its Arrow table changed."""
    table = change(parquet.read_table(path))
    parquet.write_table(table.replace_schema_metadata(metadata) if metadata else table, path)
    return path


def described(**about: Any) -> dict[bytes, bytes]:
    """Metadata of a file."""
    return {b"astrokeras": json.dumps({"format": 1, "kind": "embeddings", **about}).encode()}
