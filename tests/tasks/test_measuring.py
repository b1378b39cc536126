import numpy as np
import pytest

from astrokeras.pipeline.arrays import Arrays
from astrokeras.records.directory import RecordsDirectory
from astrokeras.survey.units import AB_ZERO_POINT_NJY
from astrokeras.tasks import measuring
from astrokeras.tasks.measuring import measure_batch, measure_split
from tests.synthetic import write_records

SIZE = 24


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    path = tmp_path_factory.mktemp("blobs") / "records"
    return write_records(path, counts={"train": 70, "val": 0}, size=SIZE, missing=0.0)


@pytest.fixture
def source(records: RecordsDirectory) -> Arrays:
    return Arrays.load(records, ["train"], ["magnitudes"])


def test_blobs_have_their_true_magnitudes_and_shape(source: Arrays, monkeypatch: pytest.MonkeyPatch):
    lines = []
    monkeypatch.delitem(source.records.content, "fingerprint")
    measured = measure_split(source, "train", lines.append)
    truth = source.columns("train", ["magnitudes"])["magnitudes"]
    assert measured.shape == (70, 6)
    assert lines == ["measuring the photometry of 70 stamps of 'train'"]
    np.testing.assert_allclose(measured[:, :3], truth, atol=0.1)
    # Half of the light of a round Gaussian lies within 1.1774 of its deviation of 2 pixels.
    assert np.median(measured[:, 3]) == pytest.approx(np.log10(1.1774 * 2), abs=0.02)
    assert np.median(measured[:, 4]) < 0.05


def test_the_records_order_is_kept_in_processes(source: Arrays, monkeypatch: pytest.MonkeyPatch):
    here = measure_split(source, "train", lambda _: None)
    monkeypatch.delitem(source.records.content, "fingerprint")
    monkeypatch.setattr(measuring, "_WORTH_PROCESSES", 1)
    monkeypatch.setattr(measuring, "_BATCH", 8)
    monkeypatch.setattr(measuring.os, "cpu_count", lambda: 2)
    lines = []
    np.testing.assert_array_equal(measure_split(source, "train", lines.append), here)
    assert lines[1:] == ["measured 24 of 70", "measured 40 of 70", "measured 56 of 70"]


def test_what_was_measured_is_measured_once(source: Arrays, records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch):
    lines = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(records.path / "cache"))
    first = measure_split(source, "train", lines.append)
    np.testing.assert_array_equal(measure_split(source, "train", lines.append), first)
    assert len(lines) == 1
    # Other stamps, or other code, are measured.
    smaller = Arrays.load(records, ["train"], [], SIZE - 2)
    others = Arrays(RecordsDirectory(records.path, {**records.content, "fingerprint": "another"}), source.splits)
    for other in (smaller, others):
        measure_split(other, "train", lines.append)
    monkeypatch.setattr(measuring.sep, "__version__", "0")
    measure_split(source, "train", lines.append)
    assert len(lines) == 4
    assert len(list((records.path / "cache" / "astrokeras").iterdir())) == 4


def test_levels_are_measured_from_zero_point_zero(records: RecordsDirectory, source: Arrays):
    content = {**records.content, "unit": "display"}
    levels = Arrays(RecordsDirectory(records.path, content), {"train": source.splits["train"]})
    in_nanojansky = measure_split(source, "train", lambda _: None)
    as_levels = measure_split(levels, "train", lambda _: None)
    np.testing.assert_allclose(as_levels[:, :3], in_nanojansky[:, :3] - AB_ZERO_POINT_NJY, atol=1e-5)


def test_what_cannot_be_measured_is_nan(source: Arrays):
    stamps = source.splits["train"]["image"][:4].copy()
    stamps[0] = np.nan
    stamps[1] = np.random.default_rng(0).normal(50, 10, stamps[1].shape)
    stamps[2, ..., 1] = np.nan
    measured = measure_batch(stamps, 0.0, AB_ZERO_POINT_NJY)
    np.testing.assert_array_equal(np.isnan(measured[:2]), True)
    assert np.isnan(measured[2, 1])
    assert np.isfinite(measured[2, [0, 2, 3, 4, 5]]).all()
    assert np.isfinite(measured[3]).all()
