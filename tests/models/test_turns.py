"""The mean over flips and turns, compared with a loop over NumPy's."""

from pathlib import Path

import numpy as np

from astrokeras.models.encoder import build_encoder
from astrokeras.models.joined import encoders_of
from astrokeras.models.saving import ENCODER, load_model
from astrokeras.models.turns import turned, without_turns
from tests.models.test_inflate import computed, records


def test_it_is_the_mean_over_the_eight(tmp_path: Path):
    encoder = build_encoder(records("gri"), backbone="compact")
    flux = np.random.default_rng(0).normal(0, 50, (3, 32, 32, 3)).astype(np.float32)
    flux[0, :5, :9] = np.nan
    views = [np.rot90(x, k, axes=(1, 2)) for x in (flux, flux[:, ::-1]) for k in range(4)]
    expected = np.mean([computed(encoder, np.ascontiguousarray(view)) for view in views], axis=0)
    mean = turned(encoder)
    np.testing.assert_allclose(computed(mean, flux), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(computed(mean, flux[:, :, ::-1].copy()), expected, rtol=1e-4, atol=1e-6)
    assert np.abs(computed(encoder, flux) - expected).max() > 1e-3
    assert computed(mean, flux[:0]).shape == (0, 128)
    mean.save(tmp_path / "encoder.keras")
    again = load_model(tmp_path / "encoder.keras", ENCODER)
    np.testing.assert_array_equal(computed(again, flux), computed(mean, flux))
    inner = without_turns(again)
    np.testing.assert_allclose(computed(inner, flux), computed(encoder, flux), rtol=1e-6)
    assert encoders_of(again) == [inner]
    assert without_turns(inner) is inner
