"""TFRecord files without TensorFlow: write them with their checksums, read them back, verify them.

Format: for each record a little-endian uint64 length, the masked CRC-32C of those 8 bytes, the data, and the masked
CRC-32C of the data (https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details).

The checksum of a whole file is its CRC-32C too (RFC 3720, Castagnoli): it finds every damage of up to 32 bits in a
row, and costs a few percent of a conversion where SHA-256 would cost a third.
"""

import contextlib
import dataclasses
import functools
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np

CHUNK = 1 << 20
# Bytes before the data of a record, and after.
_HEAD, _CHECK = 12, 4


@dataclasses.dataclass(frozen=True)
class Shard:
    """What was written to one file; `crc32c` in hexadecimal."""

    records: int
    bytes: int
    crc32c: str


def _masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@functools.lru_cache(maxsize=1024)
def _head(length: int) -> bytes:
    """Return what stands before a record of so many bytes."""
    packed = struct.pack("<Q", length)
    return packed + _masked(packed)


class Writer:
    """Writes one file; once closed it is on the disk."""

    def __init__(self, path: Path) -> None:
        self._path, self._stream = path, path.open("wb", buffering=CHUNK)
        self._records = self._bytes = self._crc = 0

    def add(self, record: bytes) -> None:
        """Write one serialized record."""
        for piece in (_head(len(record)), record, _masked(record)):
            self._stream.write(piece)
            self._crc = google_crc32c.extend(self._crc, piece)
            self._bytes += len(piece)
        self._records += 1

    def close(self) -> Shard:
        """Force the file to the disk."""
        with self._stream:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        return Shard(self._records, self._bytes, f"{self._crc:08x}")

    def drop(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # of a full disk most of all, which is known by then
            self._stream.close()


def write(path: Path, records: Iterable[bytes]) -> Shard:
    """Write serialized records to `path` and force them to the disk."""
    writer = Writer(path)
    for record in records:
        writer.add(record)
    return writer.close()


def read(path: Path) -> Iterator[bytes]:
    """Yield the records of a file.

    Raises:
        ValueError: a checksum does not match, or the file ends within a record.
    """
    with path.open("rb") as stream:
        size, index = os.fstat(stream.fileno()).st_size, 0
        while (length := _length(stream, size, path, f"record {index}")) is not None:
            yield _data(stream, length, path, f"record {index}")
            index += 1


def offsets(path: str | Path) -> np.ndarray:
    """Return where each record of a file begins, in bytes, int64 ``[N]``; the data are not read.

    Raises:
        ValueError: the checksum of a length does not match, or the file ends within a record.
    """
    found = []
    stream = os.open(path, os.O_RDONLY)
    try:
        size, start = os.fstat(stream).st_size, 0
        while start < size:
            head = os.pread(stream, _HEAD, start)
            length = int.from_bytes(head[:8], "little")
            # A comparison alone where the checksum of the length was worked out before.
            if head != _head(length):
                raise ValueError(f"{path}: record {len(found)} is damaged")
            if length > size - start - _HEAD - _CHECK:
                raise ValueError(f"{path}: record {len(found)} is cut short")
            found.append(start)
            start += _HEAD + length + _CHECK
    finally:
        os.close(stream)
    return np.array(found, np.int64)


def read_at(path: Path, starts: Iterable[int]) -> Iterator[bytes]:
    """Yield the records of a file that begin at these bytes, see `offsets`.

    Raises:
        ValueError: a checksum does not match, or the file ends within a record.
    """
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        for start in starts:
            stream.seek(start)
            which = f"the record at byte {start}"
            length = _length(stream, size, path, which)
            if length is None:
                raise ValueError(f"{path}: {which} is cut short")
            yield _data(stream, length, path, which)


def _length(stream: BinaryIO, size: int, path: Path, which: str) -> int | None:
    """Return the length of the record that begins here, None at the end of the file of `size` bytes."""
    head = stream.read(_HEAD)
    if not head:
        return None
    if len(head) < _HEAD or _masked(head[:8]) != head[8:]:
        raise ValueError(f"{path}: {which} is damaged")
    (length,) = struct.unpack("<Q", head[:8])
    if length + _CHECK > size - stream.tell():
        raise ValueError(f"{path}: {which} is cut short")
    return length


def _data(stream: BinaryIO, length: int, path: Path, which: str) -> bytes:
    record, check = stream.read(length), stream.read(_CHECK)
    if _masked(record) != check:
        raise ValueError(f"{path}: {which} is damaged")
    return record


def checksum(path: Path) -> str:
    """Return the CRC-32C of a file's bytes, as eight hexadecimal digits."""
    crc = 0
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            crc = google_crc32c.extend(crc, chunk)
    return f"{crc:08x}"
