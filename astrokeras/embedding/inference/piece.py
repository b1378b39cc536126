"""The pieces that a network's work is cut into: some thousand objects each, in records or on images."""

import abc
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from astrokeras import __version__
from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.decoding import decode_record
from astrokeras.records.conversion.rejects import Rejects
from astrokeras.records.conversion.run_task import as_measured, finished_stamps, look_at_inputs
from astrokeras.records.conversion.task import TaskInput
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.fingerprint import fingerprint
from astrokeras.records.tfrecord import read

OBJECTS_A_PIECE = 4096  # at least, where there are as many: few of its places in batches stay empty


@dataclasses.dataclass
class ObjectsRead:
    """What is found out of the objects of a piece while their stamps are read, in their order.

    Attributes:
        arrays: ``ids`` [N] of records; ``rows`` [N] of the catalogue and ``measured`` of objects on images, and the
            ``rejected`` rows with their ``codes``, as in `records.conversion.result.TaskResult`.
        why: reason and detail of each code.
        seen: the files that were read, as in `TaskResult`.
    """

    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    why: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    seen: dict[str, list[int] | None] = dataclasses.field(default_factory=dict)


class Piece(abc.ABC):
    """Objects whose stamps are read, or cut, one after the other. A frozen dataclass, which goes to workers.

    Attributes:
        index: number of the piece.
    """

    index: int

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str:
        """The same for the same objects."""

    @abc.abstractmethod
    def stamps(self, side: int, found: ObjectsRead) -> Iterator[np.ndarray]:
        """Give the stamps, cropped to their middle; what else is known when they are all read goes into `found`.

        Shapes:
            [any number, side, side, B] float32, valid until the next ones

        Raises:
            AstrokerasError: records are damaged.
        """


@dataclasses.dataclass(frozen=True)
class RecordsPiece(Piece):
    """Whole shards of one split.

    Attributes:
        records: without what their content says of all shards.
        shards: path, number of records and checksum of each.
    """

    index: int
    records: RecordsDirectory
    shards: tuple[tuple[str, int, str], ...]
    version: str = __version__

    @property
    def fingerprint(self) -> str:
        """See `Piece`."""
        return fingerprint([(Path(path).name, *rest) for path, *rest in self.shards])

    def stamps(self, side: int, found: ObjectsRead) -> Iterator[np.ndarray]:
        """See `Piece.stamps`."""
        ids, start = [], (self.records.size - side) // 2
        middle = slice(start, start + side)
        for path, count, _ in self.shards:
            before = len(ids)
            try:
                for serialized in read(Path(path)):
                    record = decode_record(self.records, serialized, ("id", "image"))
                    ids.append(record["id"].decode())
                    yield record["image"][None, middle, middle]
            except ValueError as error:
                raise AstrokerasError(f"{_at(path, error)}; convert the survey again") from None
            except OSError as error:
                raise AstrokerasError(f"cannot read {path}: {error.strerror}") from None
            if len(ids) - before != count:
                raise AstrokerasError(
                    f"{path} has {len(ids) - before:,} records, expected {count:,}; convert the survey again"
                )
        found.arrays["ids"] = np.array(ids, dtype=str)


def records_pieces(records: RecordsDirectory, splits: tuple[str, ...]) -> list[RecordsPiece]:
    """Cut splits into pieces of whole shards, in the order of the records."""
    known = ("records_format", "name", "bands", "size", "unit", "columns", "integer_columns", "options")
    light = RecordsDirectory(records.path, {name: records.content[name] for name in known if name in records.content})
    pieces: list[RecordsPiece] = []
    waiting: list[tuple[str, int, str]] = []
    for split in splits:
        records.count(split)  # raises where there is no such split
        content = records.content["splits"][split]["shards"]
        for path, shard in zip(records.shards(split), content, strict=True):
            waiting.append((str(Path(path).absolute()), shard["records"], str(shard.get("crc32c"))))
            if sum(count for _, count, _ in waiting) >= OBJECTS_A_PIECE:
                pieces.append(RecordsPiece(len(pieces), light, tuple(waiting)))
                waiting = []
    if waiting:
        pieces.append(RecordsPiece(len(pieces), light, tuple(waiting)))
    return pieces


@dataclasses.dataclass(frozen=True)
class ImagesPiece(Piece):
    """Tasks of a conversion, whose stamps are cut as it would cut them, and not written."""

    index: int
    tasks: tuple[TaskInput, ...]

    @property
    def fingerprint(self) -> str:
        """See `Piece`."""
        return fingerprint([task.fingerprint for task in self.tasks])

    def stamps(self, side: int, found: ObjectsRead) -> Iterator[np.ndarray]:
        """See `Piece.stamps`."""
        rows, measured, rejected, codes = [], [], [], []
        for task in self.tasks:
            found.seen |= look_at_inputs(task)
            why = Rejects(len(task.ids))
            for piece, pixels, kept in finished_stamps(task, why):
                measured.append(as_measured(piece)[kept])
                rows.append(piece.task.rows[kept])
                start = (pixels.shape[1] - side) // 2
                yield pixels[kept, start : start + side, start : start + side]
            left_out, number, texts = why.coded()
            rejected.append(task.task.rows[left_out])
            codes.append(number + len(found.why))
            found.why += texts
        found.arrays |= {
            "rows": np.concatenate(rows),
            "measured": np.concatenate(measured),
            "rejected": np.concatenate(rejected),
            "codes": np.concatenate(codes),
        }


def images_pieces(tasks: Iterator[TaskInput]) -> list[ImagesPiece]:
    """Gather the tasks of a conversion into pieces."""
    pieces: list[ImagesPiece] = []
    waiting: list[TaskInput] = []
    for task in tasks:
        waiting.append(task)
        if sum(len(one.ids) for one in waiting) >= OBJECTS_A_PIECE:
            pieces.append(ImagesPiece(len(pieces), tuple(waiting)))
            waiting = []
    if waiting:
        pieces.append(ImagesPiece(len(pieces), tuple(waiting)))
    return pieces


def _at(path: str, error: ValueError) -> str:
    """Return the message of an error with the path of the shard, which some messages have already."""
    return str(error) if path in str(error) else f"{path}: {error}"
