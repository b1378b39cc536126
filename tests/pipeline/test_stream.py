"""Few stamps are looked up, many are streamed: both are the same."""

from pathlib import Path

import numpy as np
import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline import stream as module
from astrokeras.pipeline.source import POSITION
from astrokeras.pipeline.stream import Stream
from astrokeras.records.directory import RecordsDirectory
from tests.synthetic import write_records

FIELDS = ("redshift", "number", "magnitudes", "label", POSITION)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 30, "val": 7})


@pytest.mark.parametrize("select", [None, np.arange(30) % 4 == 1, np.zeros(30, bool)])
def test_few_stamps_are_those_of_the_stream(
    records: RecordsDirectory, select: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
):
    source = Stream(records, size=12)
    source.add("number", {"train": np.arange(30.0) ** 2})
    found = []
    for most in (1000, -1):
        monkeypatch.setattr(module, "_FEW", most)
        found.append(list(source.stamps("train", 8, FIELDS, select)))
    assert len(found[0]) == len(found[1]) == -(-(30 if select is None else select.sum()) // 8)
    for (flux, fields), (streamed, others) in zip(*found, strict=True):
        np.testing.assert_array_equal(flux, streamed)
        assert flux.dtype == streamed.dtype and tuple(fields) == tuple(others) == FIELDS
        for name in FIELDS:
            np.testing.assert_array_equal(fields[name], others[name])
            assert fields[name].dtype == others[name].dtype


def test_a_damaged_shard_is_named(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 30})
    shard = Path(records.shards("train")[0])
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(AstrokerasError, match=rf"^{shard} is damaged: its checksum has changed; .*inspect --verify"):
        list(Stream(records).stamps("train", 8, ()))
