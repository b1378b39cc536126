import json
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.errors import AstrokerasError
from astrokeras.files import write_json
from astrokeras.records import metadata
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.tfrecord import _masked
from astrokeras.records.verify import verify
from tests.tampering import tamper


@pytest.fixture
def copy(sample_records: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_records, tmp_path / "records"))


@pytest.fixture(scope="module")
def shared_copy(sample_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(sample_records, tmp_path_factory.mktemp("verify") / "records"))


@given(st.data())
def test_a_flipped_bit_in_any_file_is_found(shared_copy: Path, data: st.DataObject):
    path = data.draw(st.sampled_from(sorted(shared_copy.iterdir())))
    content = path.read_bytes()
    place = data.draw(st.integers(0, 8 * len(content) - 1))
    damaged = bytearray(content)
    damaged[place // 8] ^= 1 << place % 8
    path.write_bytes(damaged)
    try:
        with pytest.raises(AstrokerasError) as caught:
            verify(RecordsDirectory.load(shared_copy))
    finally:
        path.write_bytes(content)
    assert str(shared_copy) in str(caught.value)
    assert "\n" not in str(caught.value)
    verify(RecordsDirectory.load(shared_copy))


def test_the_damaged_file_is_named(copy: Path):
    assert len(list(copy.iterdir())) > 6
    for path in copy.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(AstrokerasError, match=f"{path.name} is damaged"):
            verify(RecordsDirectory.load(copy))
        path.unlink()
        with pytest.raises(AstrokerasError, match=f"{path.name} is missing|has no convert.json"):
            verify(RecordsDirectory.load(copy))
        path.write_bytes(content)


def test_a_shard_too_many_is_found(copy: Path):
    shard = next(copy.glob("*-test.tfrecord-*"))
    shutil.copy(shard, copy / "survey-test.tfrecord-00007-of-00008")
    with pytest.raises(AstrokerasError, match="not its own: survey-test"):
        verify(RecordsDirectory.load(copy))


@pytest.mark.parametrize("what", ["rows", "rejects", "count", "records"])
def test_rows_that_do_not_add_up_are_found(copy: Path, what: str):
    """Even where every checksum holds, as it would in a directory that was written wrongly."""
    content = json.loads((copy / metadata.CONVERT_JSON).read_text(encoding="utf-8"))
    if what == "rows":
        content["rows"] += 1
    elif what == "rejects":
        content["rejects"] = {**content["rejects"], "mystery": 1}
        content["rows"] += 1
    elif what == "count":
        content["splits"]["val"]["count"] += 1
        content["rows"] += 1
    else:
        content["splits"]["val"]["shards"][0]["records"] += 1
    write_json(copy / metadata.CONVERT_JSON, metadata.signed(content))
    with pytest.raises(AstrokerasError, match="rows went in"):
        verify(RecordsDirectory.load(copy))


def test_a_length_beyond_the_file_is_found_where_every_checksum_holds(copy: Path):
    shard = next(copy.glob("*-val.tfrecord-*"))
    packed = struct.pack("<Q", 2**62)
    tamper(copy, "val", 0, packed + _masked(packed) + shard.read_bytes()[12:])
    with pytest.raises(AstrokerasError, match=f"{shard.name}: record 0 is cut short; convert the survey again"):
        verify(RecordsDirectory.load(copy))
