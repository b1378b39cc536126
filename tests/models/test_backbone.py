import importlib
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from astrokeras.errors import UsageError
from astrokeras.models.applications import NETWORKS, ImageNetPreprocessing, WeightsUnavailable
from astrokeras.models.backbone import BACKBONES, build_backbone

pytestmark = pytest.mark.long

BUILT = ("compact", "mobilenet_v2", "vgg16", "efficientnet_b0", "efficientnet_v2_b0", "mobilenet_v3_small")


def layers_of(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)]


@pytest.mark.parametrize("name", BUILT)
def test_every_backbone_gives_feature_maps(name: str):
    model = build_backbone(name, (32, 32, 3), None)
    image = np.random.default_rng(0).uniform(0, 1, (2, 32, 32, 3)).astype(np.float32)
    maps = keras.ops.convert_to_numpy(model(image, training=False))
    assert maps.ndim == 4
    assert maps.shape[0] == 2
    assert np.isfinite(maps).all()
    norms = [layer for layer in layers_of(model) if isinstance(layer, keras.layers.BatchNormalization)]
    assert all(norm.synchronized and norm.momentum == 0.9 for norm in norms)
    # The two settings must outlive saving.
    again = keras.Model.from_config(model.get_config())
    norms = [layer for layer in layers_of(again) if isinstance(layer, keras.layers.BatchNormalization)]
    assert all(norm.synchronized and norm.momentum == 0.9 for norm in norms)


def test_compact_is_small_and_takes_any_bands():
    model = BACKBONES.get("compact")((16, 16, 12))
    assert 1e5 < model.count_params() < 3e5
    assert model.output_shape == (None, 1, 1, 128)


@pytest.mark.parametrize("name", ["mobilenet_v2", "vgg16", "densenet121", "mobilenet_v3_small"])
def test_preprocessing_is_that_of_the_module(name: str):
    family = NETWORKS[name].__module__.rsplit(".", 1)[-1]
    image = np.random.default_rng(0).uniform(0, 1, (1, 4, 4, 3)).astype(np.float32)
    expected = importlib.import_module(f"keras.applications.{family}").preprocess_input(255.0 * image)
    got = keras.ops.convert_to_numpy(ImageNetPreprocessing(family)(image))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)


def _fake_download(monkeypatch: pytest.MonkeyPatch, family: str, result: object) -> None:
    def get_file(*_args: object, **_kwargs: object) -> object:
        if isinstance(result, Exception):
            raise result
        return str(result)

    module = importlib.import_module(f"keras.src.applications.{family}")
    monkeypatch.setattr(module.file_utils, "get_file", get_file)


def _stem(network: keras.Model, image: np.ndarray) -> np.ndarray:
    """The first convolution's output: what comes before it is what differs."""
    return keras.ops.convert_to_numpy(keras.Model(network.input, network.get_layer("stem_conv").output)(image))


def test_efficientnet_equals_keras_own_imagenet_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Keras adds a rescaling when it loads ImageNet weights by itself, which a file of them does not bring.
    file = tmp_path / "b0.weights.h5"
    _fake_download(monkeypatch, "efficientnet", file)
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "load_weights", lambda *_: None)
        reference = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(32, 32, 3))
    normalization = next(x for x in reference.layers if isinstance(x, keras.layers.Normalization))
    normalization.set_weights([np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225]) ** 2, np.int32(0)])
    normalization.finalize_state()
    reference.save_weights(file)
    image = np.random.default_rng(0).uniform(0, 1, (2, 32, 32, 3)).astype(np.float32)
    expected = _stem(reference, 255 * image)
    for weights in ("imagenet", str(file)):
        preprocessing, network = build_backbone("efficientnet_b0", (32, 32, 3), weights).layers[1:]
        np.testing.assert_allclose(_stem(network, preprocessing(image)), expected, rtol=1e-3, atol=1e-4)
        for ours, theirs in zip(network.get_weights(), reference.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("name", ["mobilenet.weights.h5", "mobilenet.h5"])
def test_weights_from_a_file(tmp_path: Path, older: bool, name: str):
    original = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    file = tmp_path / name
    if older:  # as keras.applications offers them for download
        module = importlib.import_module("keras.src.legacy.saving.legacy_h5_format")
        with h5py.File(file, "w") as stream:
            module.save_weights_to_hdf5_group(stream, original)
    else:
        original.save_weights(tmp_path / "saved.weights.h5")
        (tmp_path / "saved.weights.h5").rename(file)
    loaded = build_backbone("mobilenet_v2", (64, 64, 3), str(file))
    for ours, theirs in zip(loaded.get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(WeightsUnavailable, match="do not fit 'mobilenet'"):
        build_backbone("mobilenet", (32, 32, 3), str(file))
    file.write_text("no weights")
    with pytest.raises(WeightsUnavailable, match="do not fit 'mobilenet_v2'"):
        build_backbone("mobilenet_v2", (32, 32, 3), str(file))


def test_weights_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(WeightsUnavailable, match="there is no weights file"):
        build_backbone("mobilenet_v2", (32, 32, 3), str(tmp_path / "missing.weights.h5"))
    _fake_download(monkeypatch, "mobilenet_v2", Exception("URL fetch failure on https://x: None"))
    with pytest.raises(WeightsUnavailable, match=r"cannot download .*URL fetch failure.*--imagenet-weights") as error:
        build_backbone("mobilenet_v2", (32, 32, 3), "imagenet")
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="'compact' has no ImageNet weights"):
        build_backbone("compact", (32, 32, 3), "imagenet")


def test_too_small_and_unknown():
    with pytest.raises(UsageError, match=r"'xception' needs stamps of at least 71 px, got 64; .*--resize 71"):
        build_backbone("xception", (64, 64, 3), None)
    with pytest.raises(UsageError, match="'compact' needs stamps of at least 16 px, got 12"):
        build_backbone("compact", (12, 12, 5), None)
    with pytest.raises(UsageError, match=r"backbone 'mobilenetv2' is unknown; did you mean .*mobilenet_v2"):
        build_backbone("mobilenetv2", (64, 64, 3), None)
