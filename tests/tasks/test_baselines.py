from pathlib import Path

import numpy as np
import pytest

from astrokeras.pipeline.dataset import read_columns
from astrokeras.pipeline.stream import Stream
from astrokeras.tasks.baselines import aperture_features, linear_magnitudes
from tests.synthetic import write_records


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
    truth, fitted = linear_magnitudes(Stream(records), "val", np.array([True, True, False]))
    np.testing.assert_array_equal(truth, read_columns(records, "val")["magnitudes"])
    assert np.isnan(fitted[:, 2]).all()
    # Magnitudes spread over 3 mag, and the blobs are measured to a few hundredths.
    assert np.nanmean(np.abs(fitted - truth)) < 0.15
