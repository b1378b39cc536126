"""What both sources of batches must do alike."""

import numpy as np
import pytest

from astrokeras.pipeline import dataset, held
from astrokeras.pipeline.arrays import Arrays
from astrokeras.pipeline.source import Source
from astrokeras.pipeline.stream import Stream
from astrokeras.records.directory import RecordsDirectory
from tests.synthetic import write_records

COUNTS = {"train": 30, "val": 7}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts=COUNTS)


@pytest.fixture(params=["stream", "arrays"])
def source(request: pytest.FixtureRequest, records: RecordsDirectory) -> Source:
    if request.param == "stream":
        return Stream(records)
    return Arrays.load(records, list(COUNTS), ["label", "redshift"])


def numbers(split: str) -> np.ndarray:
    """Two numbers a record that tell which it is."""
    return np.arange(2 * COUNTS[split], dtype=np.float32).reshape(-1, 2) + (0 if split == "train" else 1000)


def batches_of(batches) -> list[dict[str, np.ndarray]]:
    if isinstance(batches, dataset.tf.data.Dataset):
        return [batch for (batch,) in batches.as_numpy_iterator()]
    return [batches[step][0] for step in range(len(batches))]


@pytest.mark.parametrize("buffer", [2**28, 1])
def test_what_was_added_goes_with_its_record(source: Source, buffer: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(held, "_BUFFER_BYTES", buffer)  # held in memory, and streamed
    redshift = source.columns("train", ["redshift"])["redshift"]
    source.add("numbers", {split: numbers(split) for split in COUNTS})
    for fields in (["numbers"], ["redshift", "numbers"]):
        for epoch in (0, 1):
            batches = batches_of(source.training(epoch, 8, fields, 0, seed=1))
            assert all(set(batch) >= {"flux", *fields} and "position" not in batch for batch in batches)
            rows = np.concatenate([batch["numbers"][:, 0] for batch in batches]) / 2
            assert len(set(rows)) == 24
            assert rows.tolist() != sorted(rows)
            if "redshift" in fields:
                seen = np.concatenate([batch["redshift"] for batch in batches])
                np.testing.assert_array_equal(seen, redshift[rows.astype(int)])
    padded = batches_of(source.evaluation("val", 4, ["numbers"], 0, seed=1))
    real = np.concatenate([batch["weight"] for batch in padded]) > 0
    np.testing.assert_array_equal(np.concatenate([batch["numbers"] for batch in padded])[real], numbers("val"))


def test_what_was_added_comes_with_stamps_and_columns(source: Source):
    source.add("numbers", {split: numbers(split) for split in COUNTS})
    np.testing.assert_array_equal(source.columns("val", ["numbers"])["numbers"], numbers("val"))
    both = source.columns("train", ["label", "numbers"])
    assert list(both) == ["label", "numbers"]
    select = np.arange(30) % 3 == 0
    stamps = list(source.stamps("train", 4, ["numbers"], select))
    np.testing.assert_array_equal(np.concatenate([fields["numbers"] for _, fields in stamps]), numbers("train")[::3])
    every = np.concatenate([flux for flux, _ in source.stamps("train", 8, [])])
    np.testing.assert_array_equal(np.concatenate([flux for flux, _ in stamps]), every[::3])


def test_adding_again_replaces_a_split(source: Source):
    source.add("numbers", {split: numbers(split) for split in COUNTS})
    source.add("numbers", {"train": -numbers("train")})
    np.testing.assert_array_equal(source.columns("train", ["numbers"])["numbers"], -numbers("train"))
    np.testing.assert_array_equal(source.columns("val", ["numbers"])["numbers"], numbers("val"))
    rows = np.concatenate([b["numbers"] for b in batches_of(source.training(0, 30, ["numbers"], 0, seed=0))])
    assert rows.max() == 0
