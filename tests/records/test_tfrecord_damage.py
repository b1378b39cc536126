"""Damaged records give a `ValueError` or what was written, never another exception and never other records."""

import struct
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrokeras.records.example import decode, encode
from astrokeras.records.tfrecord import read, write

RECORDS = [
    encode({"id": b"a", "image": bytes(range(64)), "magnitudes": np.array([1.5, np.nan], np.float32)}),
    encode({"id": "b ü".encode(), "label": np.array([-1, 2**40], np.int64)}),
    b"",
]
FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6)


def damaged(content: bytes, flips: list[tuple[float, int]], keep: float) -> bytes:
    changed = bytearray(content)
    for where, value in flips:
        changed[int(where * len(content))] = value
    return bytes(changed[: int(keep * len(content))])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records") / "shard"


@settings(max_examples=300)
@given(FLIPS, st.floats(0, 1) | st.just(1.0))
def test_a_damaged_shard_gives_its_first_records_and_then_says_so(path: Path, flips: list, keep: float):
    write(path, RECORDS)
    path.write_bytes(damaged(path.read_bytes(), flips, keep))
    found = []
    try:
        for record in read(path):
            found.append(record)
    except ValueError as error:
        assert str(path) in str(error)
    assert found == RECORDS[: len(found)]


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_shard(path: Path, noise: bytes):
    path.write_bytes(noise)
    if noise:
        with pytest.raises(ValueError, match="record 0"):
            list(read(path))
    else:
        assert list(read(path)) == []


@pytest.mark.parametrize("length", [1, 2**40, 2**63, 2**64 - 1])
def test_a_length_that_the_file_does_not_have_takes_no_memory(path: Path, length: int):
    head = struct.pack("<Q", length)
    crc = google_crc32c.value(head)
    path.write_bytes(head + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF))
    with pytest.raises(ValueError, match="cut short"):
        list(read(path))


@settings(max_examples=500)
@given(st.sampled_from(RECORDS), FLIPS, st.floats(0, 1) | st.just(1.0))
def test_a_damaged_record_is_refused_or_read(record: bytes, flips: list, keep: float):
    """Its checksum would have told; here the decoder is on its own."""
    try:
        features = decode(damaged(record, flips, keep) if record else b"")
    except ValueError:
        return
    for name, value in features.items():
        assert isinstance(name, str)
        assert isinstance(value, bytes) or value.dtype in (np.dtype("<f4"), np.dtype(np.int64))


@settings(max_examples=300)
@given(st.binary(max_size=80))
def test_bytes_that_are_no_record(noise: bytes):
    try:
        decode(noise)
    except ValueError as error:
        assert str(error)
