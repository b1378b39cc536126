"""Against a blend made by hand of the two parts."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.models.encoder import build_encoder
from astrokeras.models.recast import recast
from astrokeras.models.saving import ENCODER, load_model
from astrokeras.models.side import ALPHA, BASE, SIDE, Blend, side_tuned
from astrokeras.pipeline.dataset import load_arrays
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    records = write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 12})
    flux = np.array(load_arrays(records, "train")[0])
    flux[0, :3] = np.nan
    return records, flux


def learned(tuned: keras.Model) -> keras.Model:
    """With other weights in everything that is trained."""
    generator = np.random.default_rng(4)
    for layer in (tuned.get_layer(SIDE), tuned.get_layer("embedding")):
        layer.set_weights([w + generator.uniform(0.1, 0.3, w.shape).astype(np.float32) for w in layer.get_weights()])
    return tuned


def test_a_blend_and_its_gradient_are_those_by_hand():
    """With alpha the sigmoid of w, the output moves by alpha (1 - alpha) (first - second) for each unit of w."""
    first, second = np.float32([[1.0, 2.0]]), np.float32([[3.0, -2.0]])
    blend = Blend()
    blend([first, second])
    blend.logit.assign(np.log(3.0))  # alpha is 3/4
    with tf.GradientTape() as tape:
        told = blend([first, second])
        total = tf.reduce_sum(told)
    np.testing.assert_allclose(told, [[1.5, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(total, blend.logit.value), 0.75 * 0.25 * (-2.0 + 4.0), rtol=1e-5)


def test_it_is_the_frozen_encoder_and_the_side_network_blended(flux: tuple, tmp_path: Path):
    records, stamps = flux
    encoder = build_encoder(records, backbone="compact")
    alone = encoder.predict(stamps, verbose=0)
    tuned = side_tuned(encoder)
    np.testing.assert_allclose(tuned.predict(stamps, verbose=0), ALPHA * alone, rtol=1e-5, atol=1e-6)
    learned(tuned)
    told = tuned.predict(stamps, verbose=0)
    assert np.isfinite(told).all()
    alpha = 1 / (1 + np.exp(-float(tuned.get_layer("embedding").logit)))
    beside = tuned.get_layer(SIDE).predict(tuned.get_layer("stretch")(stamps), verbose=0)
    assert 0.5 < alpha < 0.6 and np.abs(beside).max() > 0.01
    scale = np.array(tuned.get_layer("embedding").scale)
    assert (scale > 1).all()
    np.testing.assert_allclose(told, alpha * alone + (1 - alpha) * scale * beside, rtol=1e-4, atol=1e-5)
    tuned.save(tmp_path / "encoder.keras")
    again = load_model(tmp_path / "encoder.keras", ENCODER)
    np.testing.assert_allclose(again.predict(stamps, verbose=0), told, rtol=1e-5, atol=1e-6)


def test_nothing_of_the_encoder_is_trained(flux: tuple):
    records, stamps = flux
    tuned = side_tuned(build_encoder(records, backbone="compact"))
    before = tuned.get_layer(BASE).get_weights()
    tuned.compile(optimizer="sgd", loss="mse")
    tuned.fit(stamps, np.ones((len(stamps), tuned.output_shape[-1])), verbose=0)
    for old, new in zip(before, tuned.get_layer(BASE).get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.abs(tuned.get_layer(SIDE).layers[-1].get_weights()[0]).max() > 0


def test_in_half_precision_the_networks_alone_compute_so(flux: tuple):
    records, stamps = flux
    tuned = learned(side_tuned(build_encoder(records, backbone="compact")))
    half = recast(tuned, "mixed_bfloat16")
    computed = {layer.name: layer.compute_dtype for layer in half._flatten_layers()}
    assert computed["stretch"] == computed["embedding"] == "float32" and "bfloat16" in computed.values()
    assert half.get_layer(BASE).get_layer("stretch").compute_dtype == "float32"
    told, exact = half.predict(stamps, verbose=0), tuned.predict(stamps, verbose=0)
    np.testing.assert_allclose(told, exact, rtol=0.1, atol=0.05 * np.abs(exact).max())
