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
from collections.abc import Iterator
from pathlib import Path

import google_crc32c

CHUNK = 1 << 20


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
    """What stands before a record of so many bytes."""
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


def read(path: Path) -> Iterator[bytes]:
    """Yield the records of a file.

    Raises:
        ValueError: a checksum does not match, or the file ends within a record.
    """
    with path.open("rb") as stream:
        size, index = os.fstat(stream.fileno()).st_size, 0
        while head := stream.read(12):
            if len(head) < 12 or _masked(head[:8]) != head[8:]:
                raise ValueError(f"{path}: record {index} is damaged")
            (length,) = struct.unpack("<Q", head[:8])
            if length > size - stream.tell():
                raise ValueError(f"{path}: record {index} is cut short")
            record, check = stream.read(length), stream.read(4)
            if _masked(record) != check:
                raise ValueError(f"{path}: record {index} is damaged")
            yield record
            index += 1


def checksum(path: Path) -> str:
    """The CRC-32C of a file's bytes, as eight hexadecimal digits."""
    crc = 0
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            crc = google_crc32c.extend(crc, chunk)
    return f"{crc:08x}"
