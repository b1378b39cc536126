"""Encoders that come with the package, as networks."""

import dataclasses

import numpy as np
import pytest

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.saving import load_model
from astrokeras.records.directory import RecordsDirectory
from astrokeras.shipped_encoders import load
from astrokeras.shipped_encoders.card import read_card
from astrokeras.shipped_encoders.load import encoder_for, encoder_like, load_encoder

SMALL = "sdss-gri-compact"


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(SMALL)


@pytest.fixture(scope="module")
def stamps():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:88, :88] - 43.5
    light = 200 * np.exp(-(x**2 + y**2) / 200)
    return (light[..., None] * [1.0, 0.8, 0.5] + rng.normal(10, 3, (4, 88, 88, 3))).clip(0, 255).astype(np.float32)


def records(unit="display", bands=("i", "r", "g"), size=88):
    content = {"name": "x", "bands": bands, "size": size, "unit": unit, "sky": [1.0] * 3, "noise": [1.0] * 3}
    return RecordsDirectory("records", content)


def test_the_order_of_the_bands_is_the_callers(encoder, stamps):
    other = load_encoder(SMALL, bands=("g", "i", "r"))
    stamps = stamps.copy()
    stamps[0, :5, :5, 1] = np.nan
    expected = encoder.predict(stamps, verbose=0)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(other.predict(stamps[..., [2, 0, 1]], verbose=0), expected)


def test_an_encoder_in_another_order_is_saved_and_loaded(stamps, tmp_path):
    other = encoder_for(SMALL, records(bands=("g", "r", "i")))
    other.save(tmp_path / "encoder.keras")
    read = load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(read.predict(stamps, verbose=0), other.predict(stamps, verbose=0))


def test_weights_are_those_of_the_file(encoder):
    with np.load(read_card(SMALL).weights) as file:
        for key, weight in zip(file.files, encoder.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, file[key].astype(np.float32))
    assert not np.array_equal(encoder_like(SMALL, None).get_weights()[0], encoder.get_weights()[0])


def test_smaller_stamps_are_enlarged(encoder):
    assert encoder_for(SMALL, records(size=64)).input_shape == (None, 64, 64, 3)
    assert encoder_for(SMALL, records(size=128)).input_shape == (None, 88, 88, 3)
    assert load_encoder(SMALL, 40).output_shape == encoder.output_shape


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unit": "nJy"}, "takes stamps in the unit display .*, and those of records are in nJy"),
        ({"bands": ("u", "g", "r")}, "was trained on the bands i, r, g, and not on u, g, r"),
    ],
)
def test_other_stamps_are_refused(given, message):
    with pytest.raises(UsageError, match=message):
        encoder_for(SMALL, records(**given))


def test_damaged_weights_are_refused(monkeypatch):
    card = dataclasses.replace(read_card(SMALL), sha256="0" * 64)
    monkeypatch.setattr(load, "read_card", lambda name: card)
    with pytest.raises(AstrokerasError, match="are damaged"):
        load_encoder(SMALL)
