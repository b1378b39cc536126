import os
import struct
from pathlib import Path

import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.arrays import Arrays
from astrokeras.pipeline.dataset import evaluation_batches, load_arrays, read_columns, training_batches
from astrokeras.records import framing
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.framing import check_framing
from astrokeras.records.reader import Reader
from astrokeras.records.tfrecord import _masked, offsets, write
from tests.synthetic import write_records
from tests.tampering import tamper


@pytest.fixture
def records(tmp_path: Path) -> RecordsDirectory:
    """Eight training records in two shards, and an empty one."""
    return write_records(tmp_path / "records", counts={"train": 8, "val": 4, "test": 4})


def shard_of(records: RecordsDirectory, number: int) -> Path:
    return Path(records.shards("train")[number])


def claim(content: bytes, start: int, length: int) -> bytes:
    """The content of a shard whose record at byte `start` is said to be that long; the checksum of that is right."""
    packed = struct.pack("<Q", length)
    return content[:start] + packed + _masked(packed) + content[start + 12 :]


READERS = {
    "training": lambda records: training_batches(records, 4, epochs=(0, 1), seed=0),
    "evaluation": lambda records: evaluation_batches(records, "train", 4),
    "columns": lambda records: read_columns(records, "train", ("label",)),
    "stamps": lambda records: load_arrays(records, "train"),
    "by place": lambda records: Reader(records).look_up("train"),
    "without TensorFlow": lambda records: Arrays.load(records, ["train"], ["label"]),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_length_beyond_the_file_never_reaches_tensorflow(records: RecordsDirectory, read):
    content, starts = shard_of(records, 1).read_bytes(), offsets(shard_of(records, 1))
    changed = tamper(records.path, "train", 1, claim(content, starts[2], 2**62))
    with pytest.raises(AstrokerasError, match=r"00001-of-00003: record 2 is cut short; convert the survey again$"):
        read(changed)


# The largest number; what overflows when a head and a checksum are added; the negative one; one byte too many.
@pytest.mark.parametrize("length", [2**64 - 1, 2**64 - 16, 2**64 - 4, 2**63, 2**32, None])
def test_lengths_at_the_limits(records: RecordsDirectory, length: int | None):
    content, starts = shard_of(records, 0).read_bytes(), offsets(shard_of(records, 0))
    length = len(content) - starts[-1] - 16 + 1 if length is None else length
    changed = tamper(records.path, "train", 0, claim(content, starts[-1], length))
    with pytest.raises(AstrokerasError, match=r"00000-of-00003: record 3 is cut short"):
        check_framing(changed, "train")


def test_bytes_behind_the_last_record_are_told(records: RecordsDirectory):
    for more in (b"x", b"\0" * 12, b"\0" * 4096):
        changed = tamper(records.path, "train", 0, shard_of(records, 0).read_bytes() + more)
        with pytest.raises(AstrokerasError, match=r"record 4 is (damaged|cut short)"):
            check_framing(changed, "train")
        changed = tamper(records.path, "train", 0, shard_of(records, 0).read_bytes()[: -len(more)])
        check_framing(changed, "train")


def test_a_record_too_many_or_too_few_is_told(records: RecordsDirectory):
    content, starts = shard_of(records, 0).read_bytes(), offsets(shard_of(records, 0))
    for other, count in ((content[: starts[-1]], 3), (content + content[: starts[1]], 5)):
        changed = tamper(records.path, "train", 0, other)
        with pytest.raises(AstrokerasError, match=rf"00000-of-00003 has {count} records, expected 4; convert"):
            check_framing(changed, "train")


def test_every_file_is_walked_once_until_it_changes(records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch):
    walked = []
    monkeypatch.setattr(framing, "offsets", lambda path: walked.append(Path(path).name) or offsets(path))
    check_framing(records, "train")
    check_framing(records, "train")
    names = [Path(path).name for path in records.shards("train")]
    assert sorted(walked) == names
    # Of the same size, with the old time of change put back.
    path = shard_of(records, 1)
    before, content = path.stat(), path.read_bytes()
    path.write_bytes(claim(content, offsets(path)[1], 2**40))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(AstrokerasError, match="record 1 is cut short"):
        check_framing(records, "train")
    path.unlink()
    with pytest.raises(AstrokerasError, match=rf"cannot read {path}: No such file"):
        check_framing(records, "train")


def test_counts_that_do_not_add_up_are_damage(records: RecordsDirectory):
    records.content["splits"]["train"]["count"] += 1
    with pytest.raises(AstrokerasError, match=r"convert\.json is damaged"):
        check_framing(records, "train")


def test_an_empty_record_is_framed_right(tmp_path: Path):
    write(tmp_path / "a", [b"", b"a", b""])
    assert offsets(tmp_path / "a").tolist() == [0, 16, 33]
