from pathlib import Path

import numpy as np
import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.lookup import Lookup
from astrokeras.records.example import decode
from astrokeras.records.tfrecord import read
from tests.synthetic import write_records


def test_records_are_found_by_position_in_any_order(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 23, "val": 0}, shards=4)
    lookup = Lookup(records, "train")
    in_order = [record for shard in records.shards("train") for record in read(Path(shard))]
    positions = np.random.default_rng(0).integers(23, size=50)
    found = lookup(positions)
    assert found.tolist() == [in_order[position] for position in positions]
    assert decode(found[0])["id"] == f"train-{positions[0]}".encode()


def test_damage_is_said(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 5}, shards=1)
    lookup = Lookup(records, "train")
    path = Path(records.shards("train")[0])
    content = bytearray(path.read_bytes())
    content[lookup.offsets[0][3] + 500] ^= 1
    path.write_bytes(content)
    lookup(np.array([0, 4]))
    with pytest.raises(ValueError, match=f"{path.name}: the record at byte .* is damaged"):
        lookup(np.array([3]))
    content[lookup.offsets[0][3] + 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(AstrokerasError, match="record 3 is damaged; convert the survey again"):
        Lookup(records, "train")
