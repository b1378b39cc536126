from pathlib import Path

import google_crc32c
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.records.tfrecord import Shard, Writer, checksum, offsets, read, read_at, write

MESSAGES = [b"", b"a", bytes(range(256)) * 9, b"last"]


def test_tensorflow_reads_what_is_written(tmp_path: Path):
    path = tmp_path / "a"
    shard = write(path, iter(MESSAGES))
    assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == MESSAGES
    content = path.read_bytes()
    assert shard == Shard(len(MESSAGES), len(content), f"{google_crc32c.value(content):08x}")
    assert checksum(path) == shard.crc32c


def test_what_tensorflow_writes_is_read(tmp_path: Path):
    path = tmp_path / "a"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for message in MESSAGES:
            writer.write(message)
    assert list(read(path)) == MESSAGES
    assert write(tmp_path / "b", MESSAGES).crc32c == checksum(path)


def test_a_file_that_is_dropped_is_gone(tmp_path: Path):
    writer = Writer(tmp_path / "a")
    writer.add(b"one record")
    writer.drop()
    assert list(tmp_path.iterdir()) == []


def test_records_are_read_where_they_begin(tmp_path: Path):
    path = tmp_path / "a"
    write(path, MESSAGES)
    begin = offsets(path)
    assert begin.tolist() == [16 * i + sum(map(len, MESSAGES[:i])) for i in range(len(MESSAGES))]
    assert list(read_at(path, begin[[2, 0, 3, 2]])) == [MESSAGES[i] for i in (2, 0, 3, 2)]
    with pytest.raises(ValueError, match="the record at byte 7 is damaged"):
        list(read_at(path, [7]))


def test_an_empty_file_has_no_records(tmp_path: Path):
    assert write(tmp_path / "a", []).records == 0
    assert list(read(tmp_path / "a")) == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("tfrecord") / "a"
    write(path, [b"one record", b"and another"])
    return path.with_name("damaged"), path.read_bytes()


@given(st.data())
def test_a_flipped_bit_is_found(whole: tuple[Path, bytes], data: st.DataObject):
    path, content = whole
    place = data.draw(st.integers(0, 8 * len(content) - 1))
    damaged = bytearray(content)
    damaged[place // 8] ^= 1 << place % 8
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="damaged"):
        list(read(path))


def test_a_file_cut_within_a_record_is_found(whole: tuple[Path, bytes]):
    path, content = whole
    boundaries = {0, 12 + len(b"one record") + 4}
    for length in set(range(len(content))) - boundaries:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="damaged"):
            list(read(path))
        with pytest.raises(ValueError, match="damaged"):
            offsets(path)
