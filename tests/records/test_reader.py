from pathlib import Path

import numpy as np
import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.records.example import decode
from astrokeras.records.reader import DamagedRecord, Reader, RecordPlace
from astrokeras.records.tfrecord import offsets, read
from tests.synthetic import write_records


def test_records_are_found_by_position_in_any_order(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 23, "val": 0}, shards=4)
    reader = Reader(records)
    in_order = [record for shard in records.shards("train") for record in read(Path(shard))]
    positions = np.random.default_rng(0).integers(23, size=50)
    found = reader.at("train", positions)
    assert found.tolist() == [in_order[position] for position in positions]
    assert decode(found[0])["id"] == f"train-{positions[0]}".encode()
    assert reader.example_at("train", positions[0])["id"] == decode(found[0])["id"]
    assert len(reader.at("train", [])) == 0


def test_places_lead_back_to_their_records(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 23, "val": 5}, shards=4)
    reader = Reader(records)
    for split in ("train", "val"):
        found = list(reader.serialized(split))
        assert [place.split for place, _ in found] == [split] * records.count(split)
        for place, record in found:
            assert reader.in_shard(place.shard, [place.row]).tolist() == [record]
        assert [example["id"] for _, example in reader.examples(split)] == [decode(record)["id"] for _, record in found]
    assert next(reader.serialized("val"))[0] == RecordPlace("val", Path(records.shards("val")[0]).name, 0)


@pytest.mark.parametrize("positions", [[-1], [23], [0, 10**12]])
def test_there_is_no_record_beyond_the_split(tmp_path: Path, positions: list[int]):
    reader = Reader(write_records(tmp_path / "records", counts={"train": 23, "val": 0}, shards=4))
    with pytest.raises(AstrokerasError, match=f"no record {positions[-1]} in the train split"):
        reader.at("train", positions)


@pytest.mark.parametrize(("shard", "row"), [("../secret", 0), ("", 0), (None, -1), (None, 23)])
def test_there_is_no_record_beyond_the_shards(tmp_path: Path, shard: str | None, row: int):
    records = write_records(tmp_path / "records", counts={"train": 23}, shards=1)
    shard = Path(records.shards("train")[0]).name if shard is None else shard
    with pytest.raises(AstrokerasError, match=f"no record {row if row else 'any|0'}"):
        Reader(records).in_shard(shard, [row])


def test_damage_is_said(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 5}, shards=1)
    reader = Reader(records)
    reader.look_up("train")
    path = Path(records.shards("train")[0])
    content, start = bytearray(path.read_bytes()), offsets(path)[3]
    content[start + 500] ^= 1
    path.write_bytes(content)
    reader.at("train", [0, 4])
    with pytest.raises(DamagedRecord, match=f"{path.name}: the record at byte .* is damaged; convert the survey again"):
        reader.at("train", [3])
    with pytest.raises(DamagedRecord, match="record 3 is damaged; convert the survey again"):
        list(reader.serialized("train"))
    content[start + 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(AstrokerasError, match="record 3 is damaged; convert the survey again"):
        Reader(records).look_up("train")
    path.unlink()
    with pytest.raises(AstrokerasError, match=f"cannot read {path}: No such file"):
        Reader(records).at("train", [0])
