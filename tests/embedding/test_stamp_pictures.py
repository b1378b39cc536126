"""Pictures of objects by id."""

from pathlib import Path

import numpy as np
import pytest

from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.stamp_pictures import StampPictures, pictures_of
from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.picture import rgb
from tests.embedding.samples import grouped, write
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("stamps") / "records", counts={"train": 20, "test": 9}, size=17)


def test_pictures_come_in_the_order_of_the_ids(records):
    from astrokeras.pipeline.plain import load_fields  # noqa: PLC0415 - TensorFlow

    flux = load_fields(records, "test", ("flux",))["flux"]
    stamps = StampPictures(records)
    shown = stamps.pictures(["test-4", "test-0", "test-8"])
    np.testing.assert_array_equal(shown, rgb(flux[[4, 0, 8]], records)[:, ::-1])
    both = stamps.pictures(["train-3", "test-4", "train-19"])
    assert both.shape == (3, 17, 17, 3)
    assert not np.array_equal(both[0], both[2])
    assert stamps.known(["test-4", "else"]).tolist() == [True, False]
    assert stamps.pictures([]).shape == (0, 17, 17, 3)


@pytest.mark.parametrize("side", [5, 8, 17, 30])
def test_any_side(records, side):
    shown = StampPictures(records).pictures(["train-0", "test-1"], side)
    assert shown.shape == (2, side, side, 3)
    middle, corner = shown[:, side // 2, side // 2].max(), shown[:, 0, 0].max()
    assert middle > corner


def test_a_damaged_shard_is_told_in_a_line(tmp_path):
    records = write_records(tmp_path / "records", counts={"train": 5}, shards=1)
    shard = Path(records.shards("train")[0])
    stamps, content = StampPictures(records), bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(AstrokerasError, match="convert the survey again"):
        stamps.pictures([f"train-{i}" for i in range(5)])


def test_the_records_that_were_embedded_are_found(records, tmp_path):
    vectors, _ = grouped(3)
    said = []

    def found(name, about, given=None):
        return pictures_of(
            EmbeddingsFile.open(write(tmp_path / f"{name}.parquet", vectors, about=about)), given, said.append
        )

    where = {"path": str(records.path), "fingerprint": records.fingerprint}
    assert found("right", {"records": where}).records.path == records.path
    assert not said
    assert found("other", {"records": where | {"fingerprint": "0"}}) is None
    assert "are others than those that were embedded" in said.pop()
    assert found("gone", {"records": {"path": str(tmp_path / "gone")}}) is None
    assert "is no records directory" in said.pop()
    assert found("nul", {"records": {"path": "\0"}}) is None
    assert said.pop()
    assert found("none", {}) is None
    assert "names no records" in said.pop()
    assert found("given", {}, str(records.path)).records.path == records.path
    with pytest.raises(AstrokerasError, match="is no records directory"):
        found("wrong", {}, str(tmp_path))
    assert isinstance(RecordsDirectory.load(records.path), RecordsDirectory)
