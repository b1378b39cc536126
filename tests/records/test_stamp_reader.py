import shutil

import numpy as np
import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.plain import load_fields
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.stamp_reader import StampReader


def test_stamps_are_those_of_the_records(sample_records):
    records = RecordsDirectory.load(sample_records)
    objects, every = records.objects("test"), load_fields(records, "test", ("flux",))["flux"]
    rows = [7, 0, 7, len(objects) - 1]
    found = StampReader(records).flux((objects["shard"][row], objects["row"][row]) for row in rows)
    np.testing.assert_array_equal(found, every[rows])


def test_places_that_are_none_and_damage_are_one_line(sample_records, tmp_path):
    shutil.copytree(sample_records, tmp_path / "records")
    records = RecordsDirectory.load(tmp_path / "records")
    shard = records.objects("test")["shard"][0]
    for place in ((shard, 10**6), ("../convert.json", 0), ("", 0)):
        with pytest.raises(AstrokerasError, match="there is no record "):
            StampReader(records).flux([place])
    content = bytearray((tmp_path / "records" / shard).read_bytes())
    content[500] ^= 1
    (tmp_path / "records" / shard).write_bytes(content)
    with pytest.raises(AstrokerasError, match="is damaged; convert the survey again"):
        StampReader(records).flux([(shard, 0)])
