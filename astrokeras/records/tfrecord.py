"""TFRecord files without TensorFlow: write them with their checksums, read them back, verify them.

Format: for each record a little-endian uint64 length, the masked CRC-32C of those 8 bytes, the data, and the masked
CRC-32C of the data (https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details).
"""

import dataclasses
import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from google_crc32c import value as crc32c


@dataclasses.dataclass(frozen=True)
class Shard:
    """What was written to one file."""

    records: int
    bytes: int
    sha256: str


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def write(path: Path, records: Iterable[bytes]) -> Shard:
    """Write serialized records to `path` and force them to the disk."""
    digest, count, size = hashlib.sha256(), 0, 0
    with path.open("wb") as stream:
        for record in records:
            length = struct.pack("<Q", len(record))
            framed = b"".join((length, _masked(length), record, _masked(record)))
            stream.write(framed)
            digest.update(framed)
            count += 1
            size += len(framed)
        stream.flush()
        os.fsync(stream.fileno())
    return Shard(count, size, digest.hexdigest())


def read(path: Path) -> Iterator[bytes]:
    """Yield the records of a file.

    Raises:
        ValueError: a checksum does not match, or the file ends within a record.
    """
    with path.open("rb") as stream:
        index = 0
        while head := stream.read(12):
            if len(head) < 12 or _masked(head[:8]) != head[8:]:
                raise ValueError(f"{path}: record {index} is damaged")
            (length,) = struct.unpack("<Q", head[:8])
            record, check = stream.read(length), stream.read(4)
            if _masked(record) != check:
                raise ValueError(f"{path}: record {index} is damaged")
            yield record
            index += 1


def sha256(path: Path) -> str:
    """The checksum of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
