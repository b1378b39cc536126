from pathlib import Path

import numpy as np
import pytest

from astrokeras.pipeline.stream import Stream
from astrokeras.pretext.baselines import aperture_features, linear_baseline, mean_baseline, mean_errors
from tests.synthetic import write_records


def test_errors_skip_what_is_missing():
    magnitudes = np.array([[20.0, np.nan, 18.0], [22.0, 19.0, 18.0]])
    prediction = np.array([[21.0, 19.0, 0.0], [22.0, 19.5, 0.0]])
    usable = np.array([True, True, False])
    errors = mean_errors(magnitudes, prediction, ("g", "r", "i"), usable)
    assert errors == pytest.approx({"mae": 0.5, "mae_g": 0.5, "mae_r": 0.5})


def test_aperture_flux_of_a_known_source():
    # Sky 7 everywhere, 100 on the four central pixels: they lie within every radius from 2 px.
    flux = np.full((2, 16, 16, 1), 7.0, np.float32)
    flux[:, 7:9, 7:9] += 25.0
    flux[1, 0, 3] = np.nan
    flux[1, 4, 4] = np.inf
    features = aperture_features(flux, np.array([1e-6]))
    np.testing.assert_allclose(features, 2.0, rtol=1e-6)


def test_faint_and_bad_stamps_have_the_flux_of_the_noise():
    flux = np.full((2, 16, 16, 1), -5.0, np.float32)
    flux[1] = np.nan
    features = aperture_features(flux, np.array([10.0]))
    # The noise of a sum over a circle of radius 2 px: 10 sqrt(area), a little less for pixels cut by the circle.
    assert features[0, 0, 0] == pytest.approx(np.log10(10 * np.sqrt(np.pi * 4)), abs=0.06)
    np.testing.assert_array_equal(features[:, 0], features[:, 1])


def test_photometry_beats_the_mean(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 200, "val": 60})
    usable = np.ones(3, bool)
    source = Stream(records)
    mean = mean_baseline(source, "val", np.full(3, 20.5), usable)
    linear = linear_baseline(source, "val", usable)
    assert list(linear) == list(mean) == ["mae", "mae_g", "mae_r", "mae_i"]
    # Magnitudes spread over 3 mag, and the blobs are measured to a few hundredths.
    assert 0.6 < mean["mae"] < 1.0
    assert linear["mae"] < 0.15
