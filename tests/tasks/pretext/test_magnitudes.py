from pathlib import Path

import keras
import numpy as np
import pytest

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.pretext.magnitudes import MagnitudeErrors, Magnitudes
from astrokeras.tasks.registry import get_task

NAN = np.nan


def fit(magnitudes: np.ndarray, errors: np.ndarray | None = None, **options: str) -> Magnitudes:
    records = RecordsDirectory(Path("blobs"), {"bands": ["g", "r", "i"]})
    errors = np.full_like(magnitudes, 0.1) if errors is None else errors
    return Magnitudes.fit(records, {"magnitudes": magnitudes, "magnitude_errors": errors}, 16, **options)


@pytest.fixture
def catalogue() -> np.ndarray:
    magnitudes = np.random.default_rng(0).normal([20, 19, 18], [0.5, 2.0, 1.0], (200, 3)).astype(np.float32)
    magnitudes[[3, 5], 0] = NAN
    return magnitudes


def test_a_band_without_magnitudes_is_said_and_left_out(catalogue: np.ndarray):
    catalogue[:, 1] = NAN
    task = fit(catalogue)
    assert task.notes == ["no magnitudes in the training split for r: left out of the task"]
    assert task.score_names == ("mae", "mae_g", "mae_i")
    assert np.isfinite(task.mean).all()
    assert (task.deviation > 0).all()


def test_no_magnitudes_at_all_is_an_error():
    with pytest.raises(AstrokerasError, match="has no magnitudes, which task 'magnitudes' predicts"):
        fit(np.full((4, 3), NAN, np.float32))


def test_no_errors_to_weigh_by_is_an_error(catalogue: np.ndarray):
    with pytest.raises(AstrokerasError, match="has no magnitude errors"):
        fit(catalogue, np.full_like(catalogue, NAN), weights="errors")
    assert fit(catalogue, np.full_like(catalogue, NAN)).typical_error is None


@pytest.mark.parametrize("loss", ["absolute", "huber"])
@pytest.mark.parametrize("weights", ["equal", "errors"])
def test_loss_against_a_loop(loss: str, weights: str):
    rng = np.random.default_rng(0)
    truth, errors = rng.normal(20, 1, (6, 3)), rng.uniform(0.02, 0.3, (6, 3))
    prediction = truth + rng.normal(0, 0.1, (6, 3))
    truth[[0, 1, 4], [0, 2, 1]] = NAN
    truth[5] = NAN
    errors[[2, 3], [0, 1]] = NAN
    deviation, usable, typical = np.array([0.5, 2.0, 1.0]), np.array([True, True, False]), np.array([0.1, 0.05, 0.2])
    expected = []
    for t, p, e in zip(truth, prediction, errors, strict=True):
        total = 0.0
        for band in (0, 1):
            if np.isnan(t[band]):
                continue
            size = abs(p[band] - t[band])
            if loss == "huber":
                size = size**2 / 0.2 if size < 0.1 else size - 0.05
            if weights == "errors":
                size *= 1.0 if np.isnan(e[band]) else 2 / (1 + (e[band] / typical[band]) ** 2)
            total += size / deviation[band]
        expected.append(total / 3)
    task = Magnitudes(
        ("g", "r", "i"),
        np.zeros(3),
        deviation,
        usable,
        huber=loss == "huber",
        typical_error=typical.astype(np.float32) if weights == "errors" else None,
    )
    target = {"magnitudes": truth.astype("f4"), "magnitude_errors": errors.astype("f4")}
    np.testing.assert_allclose(task.loss(target, prediction.astype("f4")), expected, rtol=1e-4, atol=1e-6)


def test_typical_errors_are_the_medians_of_the_usable_ones(catalogue: np.ndarray):
    errors = np.tile(np.float32([0.1, 0.2, NAN]), (200, 1))
    errors[:50, 0], errors[50:60, 0], errors[60:80, 0] = NAN, -1.0, 0.0
    np.testing.assert_allclose(fit(catalogue, errors, weights="errors").typical_error, [0.1, 0.2, 1.0], rtol=1e-6)


def test_metrics_count_known_magnitudes_of_weighted_examples_only():
    metric = MagnitudeErrors(("g", "r"), np.array([True, True]))
    metric.update_state({"magnitudes": np.float32([[20, NAN], [21, 19]])}, np.float32([[20.5, 5], [21, 20]]))
    twice = {"magnitudes": np.float32([[20, 20]] * 2)}
    metric.update_state(twice, np.float32([[21, 20], [99, 99]]), sample_weight=np.float32([1.0, 0.0]))
    result = {name: float(value) for name, value in metric.result().items()}
    assert result == pytest.approx({"mae": (0.5 + 0 + 1 + 1 + 0) / 5, "mae_g": 0.5, "mae_r": 0.5})


def test_the_head_gives_magnitudes(catalogue: np.ndarray):
    task = fit(catalogue)
    embedding = keras.Input((8,))
    model = keras.Model(embedding, task.head([embedding]))
    magnitudes = model.predict(np.random.default_rng(0).normal(size=(50, 8)), verbose=0)
    assert magnitudes.shape == (50, 3)
    # Untrained predictions scatter around the mean of the training split.
    np.testing.assert_allclose(magnitudes.mean(axis=0), task.mean, atol=3)
    assert model.layers[-1].name == "magnitudes"


def test_unknown_task():
    assert get_task("magnitudes") is Magnitudes
    with pytest.raises(UsageError, match="task 'magnitude' is unknown; did you mean magnitudes"):
        get_task("magnitude")
