from pathlib import Path

from astrokeras.records.ids import ids_at
from tests.synthetic import write_records


def test_ids_are_found_by_their_places(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 25, "val": 4}, shards=4)
    assert ids_at(records, "train", [24, 0, 8, 9, 8]) == ["train-24", "train-0", "train-8", "train-9", "train-8"]
    assert ids_at(records, "val", []) == []
