"""Lines of simple methods, by hand and against what their labels are made of."""

import math

import numpy as np
import pytest
from astropy.table import Table

from astrokeras.evaluation.prepare import prepare
from astrokeras.evaluation.simple_methods import baseline_rows
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.engines.base import open_engine
from tests.evaluation.comparing import options, silent
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Blobs whose magnitude in g is a label, and for half of them a class."""
    path = tmp_path_factory.mktemp("baselines")
    records = write_records(path / "records", counts={"train": 80, "val": 20, "test": 30})
    parts = [records.objects(split) for split in ("train", "val", "test")]
    ids = [str(name) for part in parts for name in part["id"]]
    bright = np.concatenate([np.asarray(part["magnitude_g"], float) for part in parts])
    kind = np.where(bright < np.nanmedian(bright), "a", "b").astype(object)
    kind[1::2] = ""
    Table({"id": ids, "m": bright, "kind": kind.astype(str)}).write(path / "labels.csv", format="ascii.csv")
    config = options(
        path, labels=str(path / "labels.csv"), target=("regression(m)", "class(kind)"), budget=("20", "all"), repeats=2
    )
    return prepare(config, RecordsDirectory.load(config.records), open_engine(config), None, silent)


def test_the_mean_by_hand_and_a_linear_fit_that_finds_magnitudes(compared):
    constant, few, every = baseline_rows(compared)
    truth = compared.exams[0].fields["regression"]["regression:m"][:, 0]
    mean = np.nanmean(compared.source.columns("train", ["regression:m"])["regression:m"])
    assert constant["arm"] == "always the mean"
    assert constant["test_regression_mae_mean"] == pytest.approx(np.nanmean(np.abs(truth - mean)), rel=1e-4)
    # Classes of equal frequency: half of them are right, whatever is said.
    assert constant["test_class_balanced_accuracy_mean"] == 0.5
    assert [(r["budget"], r["labels"], r["repeats"]) for r in (few, every)] == [("20", 20, 2), ("all", 75, 1)]
    for row in (few, every):
        assert (row["arm"], row["mode"]) == ("linear fit on aperture fluxes", "baseline")
        assert row["test_regression_mae_mean"] < 0.3 * constant["test_regression_mae_mean"]
        assert row["val_regression_r2_mean"] > 0.8
        assert math.isnan(row["test_class_accuracy_mean"]) and math.isnan(row["gain_mean"])
        assert set(row) == set(constant)
    assert few["test_regression_mae_spread"] > 0


def test_of_many_objects_a_part_is_fitted(compared, monkeypatch):
    monkeypatch.setattr("astrokeras.tasks.baselines._MOST_OBJECTS", 10)
    *_, every = baseline_rows(compared)
    assert every["labels"] == 75
    assert math.isfinite(every["test_regression_mae_mean"])
