"""ImageNet's networks for any number of bands, compared with the networks of three channels."""

from pathlib import Path

import keras
import numpy as np
import pytest

from astrokeras.errors import UsageError
from astrokeras.models.backbone import build_backbone
from astrokeras.models.encoder import build_encoder
from astrokeras.models.inflate import inflated
from astrokeras.models.recast import recast
from astrokeras.models.rgb_bands import colours_of, three_bands
from astrokeras.models.saving import load_model
from astrokeras.records.directory import RecordsDirectory

RED, GREEN, BLUE = 0, 1, 2


def records(bands: str, unit: str = "nJy") -> RecordsDirectory:
    levels = [float(n) for n in range(len(bands))]
    content = {"name": "x", "bands": list(bands), "unit": unit, "size": 32, "sky": levels, "noise": [1.0] * len(bands)}
    return RecordsDirectory(Path("none"), content)


def computed(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """What a model gives, without compiling it."""
    return keras.ops.convert_to_numpy(model(x, training=False))


def randomized(name: str) -> keras.Model:
    """A backbone whose weights are no symmetric ones."""
    keras.utils.set_random_seed(1)
    return build_backbone(name, (32, 32, 3), None)


# An offset that is padded around, channels in the order blue to red, and a scaling within the network.
@pytest.mark.parametrize("name", ["mobilenet", "vgg16", "mobilenet_v3_small"])
def test_bands_of_one_colour_that_are_alike_give_what_the_colour_gave(name: str):
    original = randomized(name)
    colours, shares = (BLUE, BLUE, GREEN, RED, RED, RED), (0.5, 0.5, 1.0, 0.25, 0.25, 0.5)
    wider = inflated(original, colours, shares)
    picture = np.random.default_rng(0).uniform(0, 1, (2, 32, 32, 3)).astype(np.float32)
    expected = computed(original, picture)
    found = computed(wider, picture[..., list(colours)])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    grey = np.repeat(picture[..., :1], 3, axis=-1)
    again = computed(wider, np.repeat(picture[..., :1], 6, axis=-1))
    np.testing.assert_allclose(again, computed(original, grey), rtol=1e-4, atol=1e-4 * np.abs(again).max())
    assert np.abs(again - found).max() > 1e-3 * np.abs(found).max()


def test_the_sum_of_the_kernels_is_kept_and_all_is_trained():
    original = randomized("mobilenet")
    wider = inflated(original, (BLUE, GREEN, RED, RED), (1, 1, 0.5, 0.5))
    before, after = (model.layers[-1].get_layer("conv1").get_weights()[0] for model in (original, wider))
    assert after.shape == (3, 3, 4, before.shape[-1])
    np.testing.assert_allclose(after.sum(axis=2), before.sum(axis=2), rtol=1e-4, atol=1e-6)
    assert len(wider.trainable_variables) == len(original.trainable_variables)


def test_a_network_that_begins_otherwise_is_refused_in_a_line():
    with pytest.raises(UsageError, match="'convnext_tiny' does not begin with a plain convolution") as error:
        inflated(build_backbone("convnext_tiny", (32, 32, 3), None), (0, 1, 2), (1, 1, 1))
    assert "\n" not in str(error.value)


def test_which_bands_are_red_green_and_blue():
    assert colours_of(records("ugrizy")) == [[4, 5], [2, 3], [0, 1]]
    assert colours_of(records("irg", "display")) == [[0], [1], [2]]
    assert three_bands(records("ugriz")) == (4, 2, 0)
    assert three_bands(records("gri")) == (2, 1, 0)
    assert three_bands(records("J")) == (0, 0, 0)
    assert three_bands(records("ugriz"), ("z", "r", "u")) == (4, 2, 0)
    for names in (("z", "r"), ("z", "r", "Y"), ("u", "g", "r", "i")):
        with pytest.raises(UsageError, match=r"--imagenet-bands .*: expected three of u, g, r, i, z"):
            three_bands(records("ugriz"), names)


@pytest.mark.parametrize(
    ("bands", "channels"),
    [
        ("ugriz", "rgb"),
        ("JH", "inflate"),
        ("gri", "inflate"),
        ("ugriz", "inflate"),
        ("gri", "adapter"),
    ],
)
def test_an_encoder_begins_as_the_network_on_the_colours(bands: str, channels: str, tmp_path: Path):
    """The reference is put together by hand: stretch, colours, backbone, mean."""
    survey = records(bands)
    keras.utils.set_random_seed(3)
    encoder = build_encoder(survey, backbone="mobilenet", channels=channels)
    keras.utils.set_random_seed(3)
    plain = build_backbone("mobilenet", (32, 32, 3), None)
    flux = np.random.default_rng(1).normal(0, 300, (2, 32, 32, len(bands))).astype(np.float32)
    stretched = keras.ops.convert_to_numpy(encoder.get_layer("stretch")(flux))
    chosen = [[band] for band in three_bands(survey)] if channels == "rgb" else colours_of(survey)
    colours = np.stack([stretched[..., part].mean(axis=-1) for part in chosen], axis=-1)
    if channels == "rgb":
        colours = np.clip(colours, 0, 1)
    expected = computed(plain, colours).mean(axis=(1, 2))
    found = computed(encoder, flux)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    learned = len(encoder.trainable_variables) - len(plain.trainable_variables)
    assert learned == (1 if channels == "adapter" else 0)
    if bands == "ugriz":  # all layers of ours are there
        encoder.save(tmp_path / "encoder.keras")
        again = load_model(tmp_path / "encoder.keras")
        np.testing.assert_array_equal(computed(again, flux), found)
        assert recast(again, "mixed_bfloat16").output_shape == again.output_shape
