"""Read an embeddings file, which may be somebody else's: look at what it claims before memory is taken for it."""

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from astrokeras.errors import AstrokerasError, unknown_name
from astrokeras.records.objects import Column, arrow_schema

OWN = ("id", "ra", "dec", "split", "label", "embedding")
FORMAT = 1
MAX_BYTES = 8 << 30  # of vectors, or of other columns, in memory
BLOCK = 1 << 14  # rows that are read together
_KEY = b"astrokeras"
_TEXT = 64  # bytes of an object of Python's that holds a short text
_MOST_COLUMNS, _MOST_FOOTER, _WIDEST = 2000, 64 << 20, 1 << 16


def schema(
    width: int,
    further: Mapping[str, Column] | None = None,
    about: Mapping[str, Any] | None = None,
    text_length: int = 64,
) -> pa.Schema:
    """Return the types of an embeddings file.

    Args:
        width: D, numbers of an embedding.
        further: carried columns, by name; none of the names may be one of `OWN`, in whatever case.
        about: what is known of the embeddings (``encoder``, ``records``, ``options``, ``version``).
        text_length: most characters of an id, a split or a label; astropy cuts what is longer.

    Raises:
        ValueError: a carried column has the name of one of the file's own.

    Example:
        >>> schema(128, {"z": Column("float64")}).names
        ['id', 'ra', 'dec', 'split', 'label', 'embedding', 'z']
    """
    further, text = further or {}, Column("str", length=text_length)
    if taken := [name for name in further if name.lower() in OWN]:
        raise ValueError(f"the column {taken[0]!r} would stand twice")
    columns = {
        "id": text,
        "ra": Column("float64", "deg"),
        "dec": Column("float64", "deg"),
        "split": text,
        "label": text,
        "embedding": Column("vector", length=width),
        **further,
    }
    described = {"format": FORMAT, "kind": "embeddings", **(about or {})}
    return arrow_schema(columns, {_KEY.decode(): json.dumps(described)})


@dataclasses.dataclass(frozen=True)
class EmbeddingsFile:
    """An embeddings file whose head has been checked; nothing of its content is in memory.

    Attributes:
        path: of the file.
        rows: N.
        width: D, numbers of an embedding.
        metadata: what stands in its head about encoder, records and options.

    Example:
        >>> file = EmbeddingsFile.open("embeddings.parquet")  # doctest: +SKIP
        >>> for start, vectors in file.blocks():  # doctest: +SKIP
        ...     print(start, vectors.shape)
    """

    path: Path
    rows: int
    width: int
    metadata: dict[str, Any]
    _claimed: dict[str, int] = dataclasses.field(repr=False)

    @classmethod
    def open(cls, path: str | Path) -> "EmbeddingsFile":
        """Check the head of a file.

        Raises:
            AstrokerasError: there is none, or it is no embeddings file.
        """
        path = Path(path)
        if not path.is_file():
            raise AstrokerasError(f"there is no file {path}; make one with astrokeras embed")
        with _told(path), path.open("rb") as stream:
            _check_footer(path, stream)
            found = parquet.ParquetFile(stream)
            head, types = found.metadata, found.schema_arrow
        if len(types) > _MOST_COLUMNS:
            raise AstrokerasError(f"{path} has {len(types):,} columns, expected at most {_MOST_COLUMNS:,}")
        if twice := [name for name in types.names if types.names.count(name) > 1]:
            raise AstrokerasError(f"{path}: the column {twice[0]!r} stands there twice")
        width = _width(path, types)
        claimed = dict.fromkeys(types.names, 0)
        for i in range(head.num_row_groups):
            group = head.row_group(i)
            for j in range(group.num_columns):
                column = group.column(j)
                claimed[column.path_in_schema.split(".")[0]] += column.total_uncompressed_size
        return cls(path, head.num_rows, width, _described(path, types.metadata or {}), claimed)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(self._claimed)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the carried columns."""
        return tuple(name for name in self._claimed if name not in OWN)

    @property
    def encoder_sha256(self) -> str | None:
        """Checksum of the encoder that made the embeddings; None where the file does not say."""
        return _word(self.metadata.get("encoder"), "sha256")

    @property
    def encoder_name(self) -> str | None:
        """Name of the encoder of the package that made the embeddings; None of any other."""
        return _word(self.metadata.get("encoder"), "name")

    @property
    def records_path(self) -> str | None:
        """The records that were embedded; None where the file does not say."""
        return _word(self.metadata.get("records"), "path")

    def check_memory(self, names: Iterable[str], max_bytes: int) -> None:
        """Refuse columns that claim more memory than that.

        Raises:
            AstrokerasError: they do.
        """
        # A page of a few bytes can stand for any number of rows.
        total = sum(max(self._claimed[name], self.rows * self._bytes_a_row(name)) for name in names)
        if total > max_bytes:
            raise AstrokerasError(
                f"{self.path} claims {self.rows:,} embeddings of {self.width} numbers, {total:,} bytes in memory, "
                f"where at most {max_bytes:,} are allowed"
            )

    def _bytes_a_row(self, name: str) -> int:
        """Return what a value takes in memory; text is an object of its own there."""
        return 4 * self.width if name == "embedding" else _TEXT if name in ("id", "split", "label") else 8

    def read(self, names: Iterable[str], max_bytes: int = MAX_BYTES) -> dict[str, pa.ChunkedArray]:
        """Return whole columns.

        Raises:
            AstrokerasError: there is none of that name, they are too large, or the file is damaged.
        """
        names = list(names)
        for name in names:
            if name not in self._claimed:
                raise AstrokerasError(f"{self.path}: {unknown_name('column', name, self._claimed)}")
        self.check_memory(names, max_bytes)
        with _told(self.path):
            table = parquet.ParquetFile(self.path).read(columns=names, use_threads=True)
        return {name: table[name] for name in names}

    def blocks(self, rows: int = BLOCK) -> Iterator[tuple[int, np.ndarray]]:
        """Give the vectors of so many objects after the other, each with the number of its first.

        Shapes:
            ``[M, D]`` float32, M at most `rows`

        Raises:
            AstrokerasError: a vector is missing, NaN or infinite, or the file is damaged.

        Example:
            >>> for start, vectors in EmbeddingsFile.open("embeddings.parquet").blocks(1000):  # doctest: +SKIP
            ...     print(start, vectors.mean())
        """
        start = 0
        with _told(self.path):
            file = parquet.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 20)
            for batch in file.iter_batches(rows, columns=["embedding"]):
                vectors = self._vectors(batch.column(0), start)
                yield start, vectors
                start += len(vectors)

    def _vectors(self, column: pa.FixedSizeListArray, start: int) -> np.ndarray:
        if column.null_count:
            row = start + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
            raise AstrokerasError(f"{self.path}: row {row} has no embedding")
        flat = column.flatten().to_numpy(zero_copy_only=False)
        vectors = flat.astype(np.float32, copy=False).reshape(len(column), self.width)
        if not np.isfinite(vectors.sum(dtype=np.float64)):  # quicker than to ask every number
            bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
            if len(bad):
                raise AstrokerasError(
                    f"{self.path}: the embedding in row {start + int(bad[0])} is not finite; embed the objects again"
                )
        return vectors


def check_same_space(one: EmbeddingsFile, other: EmbeddingsFile) -> None:
    """Refuse two files whose embeddings cannot be compared.

    Raises:
        AstrokerasError: they have another width, or come from another encoder.
    """
    if one.width != other.width:
        raise AstrokerasError(
            f"{one.path} has embeddings of {one.width} numbers, {other.path} of {other.width}; "
            "embed both with the same encoder"
        )
    encoders = (one.encoder_sha256, other.encoder_sha256)
    if all(encoders) and encoders[0] != encoders[1]:
        raise AstrokerasError(
            f"{one.path} and {other.path} come from different encoders ({encoders[0][:12]}… and {encoders[1][:12]}…); "
            "embed both with the same one"
        )


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise AstrokerasError(f"{path} cannot be read as a Parquet file: {said}") from None


def _check_footer(path: Path, stream: Any) -> None:
    """Look at the length of the head, which is at the end of the file, before it is parsed."""
    stream.seek(0, 2)
    if stream.tell() < 12:
        raise AstrokerasError(f"{path} is no Parquet file")
    stream.seek(-8, 2)
    length, magic = int.from_bytes(stream.read(4), "little"), stream.read(4)
    if magic != b"PAR1":
        raise AstrokerasError(f"{path} is no Parquet file")
    if length > _MOST_FOOTER:
        raise AstrokerasError(f"{path} has a head of {length:,} bytes, expected at most {_MOST_FOOTER:,}")
    stream.seek(0)


def _width(path: Path, types: pa.Schema) -> int:
    for name in ("id", "embedding"):
        if name not in types.names:
            raise AstrokerasError(
                f"{path} has no column {name!r}, expected an embeddings file as astrokeras embed writes it"
            )
    kind = types.field("embedding").type
    if not pa.types.is_fixed_size_list(kind) or not pa.types.is_floating(kind.value_type):
        raise AstrokerasError(f"{path}: the column 'embedding' holds {kind}, expected a fixed-size list of float32")
    if not 1 <= kind.list_size <= _WIDEST:
        raise AstrokerasError(f"{path}: its embeddings have {kind.list_size:,} numbers, expected 1 to {_WIDEST:,}")
    return kind.list_size


def _described(path: Path, metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """Return our part of the metadata; empty where another program wrote the file."""
    if _KEY not in metadata:
        return {}
    try:
        found = json.loads(metadata[_KEY])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AstrokerasError(f"{path}: what its head says of the embeddings is damaged; embed the objects again")
    if found.get("format") != FORMAT or found.get("kind") != "embeddings":
        raise AstrokerasError(
            f"{path} holds {found.get('kind')!r} of format {found.get('format')!r}, "
            f"this astrokeras reads 'embeddings' of format {FORMAT}"
        )
    return found


def _word(group: Any, name: str) -> str | None:
    """Return a text of the metadata, where it is one."""
    value = group.get(name) if isinstance(group, dict) else None
    return value if isinstance(value, str) and value else None
