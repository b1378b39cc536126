import numpy as np
import pytest
from keras import ops
from scipy.special import huber
from scipy.stats import median_abs_deviation

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.arrays import Arrays
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.pretext.photometry import Photometry, PhotometryErrors, photometric_targets
from astrokeras.tasks.registry import fit_tasks, get_task
from tests.synthetic import write_records

NAN = np.nan
NAMES = ("magnitude_g", "g-r", "r-i", "half_light_radius", "ellipticity", "concentration")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 120, "val": 30})


def measurements(rng: np.random.Generator, count: int = 9) -> np.ndarray:
    measured = rng.normal([20, 19, 18, 0.4, 0.2, 3], 0.5, (count, 6))
    measured[0, 0] = measured[1, 2] = measured[4] = NAN
    return measured.astype(np.float32)


def test_targets_against_a_loop():
    measured = measurements(np.random.default_rng(0))
    expected = [[m[1], m[0] - m[1], m[1] - m[2], *m[3:]] for m in measured]
    targets = ops.convert_to_numpy(photometric_targets(ops.convert_to_tensor(measured), reference=1))
    np.testing.assert_array_equal(targets, np.array(expected, np.float32))


def test_common_scale_against_scipy(records: RecordsDirectory):
    measured = measurements(np.random.default_rng(1), 40)
    measured[7, 3] = 1e4
    task = Photometry.fit(records, {"photometry": measured}, 16)
    # r is known most often.
    assert task.reference == 1
    assert task.names == ("magnitude_r", *NAMES[1:])
    targets = ops.convert_to_numpy(photometric_targets(measured, 1))
    np.testing.assert_allclose(task.centre, np.nanmedian(targets, axis=0), rtol=1e-5)
    expected = median_abs_deviation(targets, axis=0, scale="normal", nan_policy="omit")
    np.testing.assert_allclose(task.deviation, expected, rtol=1e-3)
    assert task.notes == ["photometry: an object was found on 97.5% of the training stamps"]


def test_loss_against_scipy_with_what_is_missing(records: RecordsDirectory):
    rng = np.random.default_rng(2)
    measured = measurements(rng)
    measured[:, 2] = NAN
    task = Photometry.fit(records, {"photometry": measured}, 16)
    assert task.score_names == ("magnitude_r", "g-r", *NAMES[3:])
    assert task.notes[1] == "photometry: r-i left out, known for no stamp"
    _, target = task.views(None, {"photometry": ops.convert_to_tensor(measured)}, None)
    target = ops.convert_to_numpy(target)
    prediction = (task.centre + rng.normal(0, 2, target.shape) * task.deviation).astype(np.float32)
    expected = np.nansum(huber(1.0, (prediction - target) / task.deviation), axis=1) / 6
    assert expected[4] == 0
    loss = task.loss(ops.convert_to_tensor(target), ops.convert_to_tensor(prediction))
    np.testing.assert_allclose(ops.convert_to_numpy(loss), expected, rtol=1e-4)


def test_scores_are_mean_errors_of_what_is_known():
    rng = np.random.default_rng(3)
    target = measurements(rng)
    prediction = rng.normal(10, 5, target.shape).astype(np.float32)
    usable = np.array([True, False, True, True, True, True])
    metric = PhotometryErrors(NAMES, usable)
    weight = np.array([1] * 7 + [0] * 2, np.float32)
    for part in (slice(0, 4), slice(4, 9)):
        metric.update_state(*(ops.convert_to_tensor(a[part]) for a in (target, prediction, weight)))
    expected = np.nanmean(np.abs(prediction - target)[:7], axis=0)
    result = {name: float(value) for name, value in metric.result().items()}
    assert result == pytest.approx({n: e for n, e, u in zip(NAMES, expected, usable, strict=True) if u}, rel=1e-5)


def test_measures_both_splits_and_knows_simple_baselines(records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(records.path / "cache"))
    source = Arrays.load(records, ["train", "val"], ["magnitudes"])
    lines = []
    task = fit_tasks({"photometry": {}}, source, lines.append)["photometry"]
    assert isinstance(task, get_task("photometry"))
    assert [line.rsplit(" ", 1)[-1] for line in lines] == ["'train'", "'val'"]
    simple = task.baselines(source, "val")
    truth = ops.convert_to_numpy(
        photometric_targets(source.columns("val", ["photometry"])["photometry"], task.reference)
    )
    errors = np.nanmean(np.abs(truth - task.centre), axis=0)
    assert simple["baseline_median"] == pytest.approx(dict(zip(task.names, errors, strict=True)), rel=1e-4)
    # Blobs of one shape and well-measured flux: apertures say all about magnitudes.
    for name in task.names[:3]:
        assert simple["baseline_linear"][name] < 0.2 * simple["baseline_median"][name]


def test_empty_stamps_are_an_error(records: RecordsDirectory):
    with pytest.raises(AstrokerasError, match="nothing could be measured on the 5 training stamps"):
        Photometry.fit(records, {"photometry": np.full((5, 6), NAN, np.float32)}, 16)
