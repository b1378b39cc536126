from pathlib import Path

import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.training.damage import damaged_shard, named_if_damaged
from tests.synthetic import write_records


def test_damage_is_found_and_other_errors_are_left_alone(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 6, "val": 4})
    assert damaged_shard(records) is None
    with pytest.raises(KeyError), named_if_damaged(records, (KeyError,)):
        raise KeyError("something else")
    shard = Path(records.shards("val")[1])
    whole = shard.read_bytes()
    for content, what in (
        (whole[:-20], f"has {len(whole) - 20:,} bytes, expected {len(whole):,}"),
        (bytes([whole[0] ^ 1]) + whole[1:], "is damaged"),
        (None, "is missing"),
    ):
        shard.unlink()
        if content is not None:
            shard.write_bytes(content)
        expected = rf"^{shard} {what}.*'astrokeras inspect --verify {records.path}'.*--resume goes on$"
        with pytest.raises(AstrokerasError, match=expected), named_if_damaged(records, (KeyError,)):
            raise KeyError("what reading it gave")
