"""Embeddings with what is known of their objects: one row an object."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from astrokeras.embedding.file import MAX_BYTES, OWN, EmbeddingsFile, schema
from astrokeras.errors import AstrokerasError

__all__ = ["OWN", "Embeddings", "Objects", "schema"]


@dataclasses.dataclass(frozen=True)
class Objects:
    """What an embeddings file says of its objects, beside the vectors.

    Attributes:
        file: where they stand.
        ids: text, each another one.
        ra: degrees (ICRS); NaN where unknown.
        dec: the same.
        split: names; None where there is none.
        label: names of classes; None where unlabelled.
        columns: the carried ones: float64 (NaN where missing), int64 or bool, or text as objects (None where missing).

    Shapes:
        every array [N]
    """

    file: EmbeddingsFile
    ids: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    split: np.ndarray
    label: np.ndarray
    columns: Mapping[str, np.ndarray]

    @classmethod
    def load(
        cls, file: EmbeddingsFile | str | Path, columns: Iterable[str] | None = None, max_bytes: int = MAX_BYTES
    ) -> "Objects":
        """Read all but the vectors.

        Args:
            file: the file, or its path.
            columns: names of the carried columns to read; all if None.
            max_bytes: refuse files that claim more.

        Raises:
            AstrokerasError: an id is missing or stands twice, a column is missing or of another kind, too much is
                claimed, or the file is damaged.

        Example:
            >>> objects = Objects.load("embeddings.parquet")  # doctest: +SKIP
            >>> objects.ids[:2], objects.ra[:2]  # doctest: +SKIP
        """
        if not isinstance(file, EmbeddingsFile):
            file = EmbeddingsFile.open(file)
        further = list(file.columns if columns is None else columns)
        own = [name for name in OWN[:-1] if name in file.names]
        read = file.read([*own, *(name for name in further if name not in own)], max_bytes)
        gap = np.full(file.rows, None, dtype=object)
        ids = _ids(file, read["id"])
        positions = [
            _degrees(file, name, read[name]) if name in read else np.full(file.rows, np.nan) for name in ("ra", "dec")
        ]
        texts = [_text(file, name, read[name]) if name in read else gap for name in ("split", "label")]
        return cls(file, ids, *positions, *texts, {name: _values(file, name, read[name]) for name in further})

    def __len__(self) -> int:
        return len(self.ids)

    def named(self, name: str) -> np.ndarray:
        """Return a column of this name: ``ra``, ``dec``, ``split``, ``label`` or a carried one that was read.

        Raises:
            KeyError: there is none.
        """
        return getattr(self, name) if name in ("ra", "dec", "split", "label") else self.columns[name]


@dataclasses.dataclass(frozen=True)
class Embeddings(Objects):
    """The objects of a file with their embeddings in memory.

    Attributes:
        vectors: [N, D] float32, finite.

    Example:
        >>> embeddings = Embeddings.load("embeddings.parquet")  # doctest: +SKIP
        >>> embeddings.vectors.shape, embeddings.label[:3]  # doctest: +SKIP
    """

    vectors: np.ndarray

    @classmethod
    def load(
        cls, file: EmbeddingsFile | str | Path, columns: Iterable[str] | None = None, max_bytes: int = MAX_BYTES
    ) -> "Embeddings":
        """Read a file, or the columns of it that are asked for; see `Objects.load`.

        Raises:
            AstrokerasError: as `Objects.load`; a vector is missing, NaN or infinite.

        Example:
            >>> Embeddings.load("embeddings.parquet", columns=("z",)).vectors.shape  # doctest: +SKIP
            (20000, 128)
        """
        if not isinstance(file, EmbeddingsFile):
            file = EmbeddingsFile.open(file)
        file.check_memory(["embedding"], max_bytes)
        objects = Objects.load(file, columns, max_bytes)
        vectors = np.empty((file.rows, file.width), np.float32)
        for start, block in file.blocks():
            vectors[start : start + len(block)] = block
        return cls(
            **{field.name: getattr(objects, field.name) for field in dataclasses.fields(objects)}, vectors=vectors
        )

    @property
    def path(self) -> Path:
        """Return the path of the file."""
        return self.file.path

    @property
    def metadata(self) -> dict[str, Any]:
        """What the head of the file says of encoder, records and options."""
        return self.file.metadata

    @property
    def encoder_sha256(self) -> str | None:
        """Checksum of the encoder that made the embeddings; None where the file does not say."""
        return self.file.encoder_sha256


def _ids(file: EmbeddingsFile, column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    values = _text(file, "id", column)
    missing = np.flatnonzero([not value for value in values])
    if len(missing):
        raise AstrokerasError(f"{file.path}: row {int(missing[0])} has no id")
    if len(set(values)) < len(values):
        seen: set[str] = set()
        twice = next(value for value in values if value in seen or seen.add(value))
        raise AstrokerasError(f"{file.path}: the id {twice!r} stands there more than once")
    return values


def _text(file: EmbeddingsFile, name: str, column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        return np.full(len(column), None, dtype=object)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise AstrokerasError(f"{file.path}: the column {name!r} holds {column.type}, expected text")
    values = np.empty(len(column), dtype=object)
    values[:] = [value or None for value in column.to_pylist()]
    return values


def _degrees(file: EmbeddingsFile, name: str, column: pa.ChunkedArray) -> np.ndarray:
    values = _values(file, name, column)
    if values.dtype == object and not all(value is None for value in values):
        raise AstrokerasError(f"{file.path}: the column {name!r} holds text, expected degrees")
    degrees = values.astype(np.float64)
    return np.where(np.isfinite(degrees), degrees, np.nan)


def _values(file: EmbeddingsFile, name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Return numbers as numbers, text as text."""
    kind = column.type
    if pa.types.is_boolean(kind) and not column.null_count:
        return column.to_numpy()
    if pa.types.is_integer(kind) and kind != pa.uint64() and not column.null_count:
        return column.to_numpy().astype(np.int64)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.float64(), safe=False).to_numpy()
    return _text(file, name, column)
