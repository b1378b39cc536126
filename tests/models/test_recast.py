import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from astrokeras.models.applications import ImageNetPreprocessing
from astrokeras.models.encoder import build_encoder
from astrokeras.models.recast import copy_variables, recast
from astrokeras.models.saving import load_model
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.records.directory import RecordsDirectory
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    path = tmp_path_factory.mktemp("blobs") / "records"
    return write_records(path, counts={"train": 16}, bands=("u", "g", "r", "i"))


def layers(model: keras.Model, kind: type) -> list[keras.layers.Layer]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_network_alone_computes_in_half_precision(records: RecordsDirectory, policy: str, tmp_path: Path):
    encoder = build_encoder(records, backbone="compact", resize=32)
    mixed = recast(encoder, policy)
    for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization):
        assert {layer.dtype_policy.name for layer in layers(mixed, kind)} == {policy}
    outside = [layer for layer in mixed.layers if not isinstance(layer, keras.Model)]
    assert {layer.compute_dtype for layer in outside} == {"float32"}
    assert {variable.dtype for variable in mixed.trainable_variables} == {"float32"}
    flux = load_arrays(records, "train")[0]
    whole, half = (model.predict(flux, verbose=0) for model in (encoder, mixed))
    assert half.dtype == np.float32
    assert not np.array_equal(half, whole)
    np.testing.assert_allclose(half, whole, atol=0.1 * np.abs(whole).max())
    # And back: the same numbers to the bit, nothing of half precision in the file.
    again = recast(mixed, "float32")
    again.save(tmp_path / "encoder.keras")
    with zipfile.ZipFile(tmp_path / "encoder.keras") as file:
        assert "mixed" not in file.read("config.json").decode()
    np.testing.assert_array_equal(load_model(tmp_path / "encoder.keras").predict(flux, verbose=0), whole)
    assert json.dumps(again.get_config()) == json.dumps(encoder.get_config())


def test_what_prepares_pixels_within_a_network_stays_float32():
    network = keras.Sequential([keras.Input((2,)), ImageNetPreprocessing("mobilenet_v2"), keras.layers.Dense(1)])
    flux = keras.Input((2,))
    mixed = recast(keras.Model(flux, network(flux)), "mixed_bfloat16")
    assert [layer.compute_dtype for layer in mixed.layers[-1].layers] == ["float32", "bfloat16"]


def test_a_normalization_computes_with_the_values_it_is_given():
    """As EfficientNet has it, which `set_weights` would leave as it was."""
    models = []
    for mean in (3.0, 0.0):
        layer = keras.layers.Normalization()
        layer.build((None, 2))
        layer.load_own_variables({"0": np.full(2, mean), "1": np.full(2, 4.0), "2": np.int32(0)})
        models.append(keras.Sequential([keras.Input((2,)), layer]))
    copy_variables(*models)
    np.testing.assert_allclose(models[1](np.full((1, 2), 5.0)), np.full((1, 2), 1.0), rtol=1e-5)
