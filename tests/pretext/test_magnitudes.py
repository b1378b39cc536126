from pathlib import Path

import keras
import numpy as np
import pytest

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.pretext.magnitudes import MagnitudeErrors, MagnitudeLoss, Magnitudes
from astrokeras.pretext.registry import get_task
from astrokeras.records.directory import Records
from tests.pretext.harness import run_task_test
from tests.synthetic import BANDS, write_records

NAN = np.nan


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    path = tmp_path_factory.mktemp("blobs") / "records"
    return write_records(path, counts={"train": 40, "val": 5}, without_magnitudes=("r",))


def test_passes_the_harness_with_a_band_missing(records: Records):
    run_task_test(Magnitudes, records)


def test_a_band_without_magnitudes_is_said_and_left_out(records: Records):
    task = Magnitudes.fit(records)
    assert task.notes == ["no magnitudes in the training split for r: left out of the task"]
    assert task.score_names == ("mae", "mae_g", "mae_i")
    assert np.isfinite(task.mean).all()
    assert (task.deviation > 0).all()


def test_no_magnitudes_at_all_is_an_error(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 4}, without_magnitudes=BANDS)
    with pytest.raises(AstrokerasError, match="has no magnitudes, which task 'magnitudes' predicts"):
        Magnitudes.fit(records)


def test_loss_against_a_loop():
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(20, 1, (6, 3)), rng.normal(20, 1, (6, 3))
    truth[[0, 1, 4], [0, 2, 1]] = NAN
    truth[5] = NAN
    deviation, usable = np.array([0.5, 2.0, 1.0]), np.array([True, True, False])
    expected = []
    for t, p in zip(truth, prediction, strict=True):
        known = [abs(p[b] - t[b]) / deviation[b] for b in (0, 1) if not np.isnan(t[b])]
        expected.append(sum(known) / 3)
    loss = MagnitudeLoss(deviation, usable)
    np.testing.assert_allclose(loss.call(truth.astype("f4"), prediction.astype("f4")), expected, rtol=1e-5)


def test_metrics_count_known_magnitudes_of_weighted_examples_only():
    metric = MagnitudeErrors(("g", "r"), np.array([True, True]))
    metric.update_state(np.float32([[20, NAN], [21, 19]]), np.float32([[20.5, 5], [21, 20]]))
    metric.update_state(np.float32([[20, 20]] * 2), np.float32([[21, 20], [99, 99]]), sample_weight=[1.0, 0.0])
    result = {name: float(value) for name, value in metric.result().items()}
    assert result == pytest.approx({"mae": (0.5 + 0 + 1 + 1 + 0) / 5, "mae_g": 0.5, "mae_r": 0.5})


def test_the_head_gives_magnitudes(records: Records):
    task = Magnitudes.fit(records)
    embedding = keras.Input((8,))
    model = keras.Model(embedding, task.head(embedding))
    magnitudes = model.predict(np.random.default_rng(0).normal(size=(50, 8)), verbose=0)
    assert magnitudes.shape == (50, 3)
    # Untrained predictions scatter around the mean of the training split.
    np.testing.assert_allclose(magnitudes.mean(axis=0), task.mean, atol=3)
    assert model.layers[-1].name == "magnitudes"


def test_unknown_task():
    assert get_task("magnitudes") is Magnitudes
    with pytest.raises(UsageError, match="task 'magnitude' is unknown; did you mean magnitudes"):
        get_task("magnitude")
