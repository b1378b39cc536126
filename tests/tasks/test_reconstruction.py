import keras
import numpy as np
import pytest
from keras import ops
from sklearn.metrics import r2_score

from astrokeras.tasks.decoder import coarse, decoded_picture, decoded_side
from astrokeras.tasks.reconstruction import Explained, known_pixels


@pytest.mark.parametrize(("size", "side", "factor"), [(16, 16, 1), (32, 32, 1), (63, 63, 1), (64, 32, 2), (99, 33, 3)])
def test_decoded_pixels_are_means_of_the_stamps(size: int, side: int, factor: int):
    assert decoded_side(size) == (side, factor)
    stamps = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    start = (size - side * factor) // 2
    middle = stamps[:, start : start + side * factor, start : start + side * factor]
    means = [[middle[:, y::factor, x::factor] for x in range(factor)] for y in range(factor)]
    np.testing.assert_allclose(coarse(ops.convert_to_tensor(stamps)), np.mean(means, axis=(0, 1)), rtol=1e-4, atol=1e-6)
    embedding = keras.Input((5,))
    model = keras.Model(embedding, decoded_picture(embedding, size, 2))
    assert model.output_shape == (None, side, side, 2)


def test_a_coarse_pixel_is_asked_for_if_all_of_it_is_asked_for_and_known():
    pixels = np.ones((1, 64, 64, 1), np.float32)
    asked = np.ones(pixels.shape, bool)
    pixels[0, 5, 6], asked[0, 10, 11] = np.nan, False
    target = known_pixels(ops.convert_to_tensor(pixels), ops.convert_to_tensor(asked))
    expected = np.ones((1, 32, 32, 1))
    expected[0, 2, 3] = expected[0, 5, 5] = 0
    for values in target.values():
        np.testing.assert_array_equal(ops.convert_to_numpy(values), expected)


def test_explained_is_the_coefficient_of_determination_over_all_batches():
    rng = np.random.default_rng(0)
    pixels = rng.normal([1.0, -2.0], [1.0, 3.0], (7, 4, 4, 2)).astype(np.float32)
    prediction = (pixels + rng.normal(0, 0.5, pixels.shape)).astype(np.float32)
    weight = (rng.random(pixels.shape) < 0.6).astype(np.float32)
    metric = Explained(("g", "r"))
    for rows in (slice(0, 3), slice(3, 7)):
        target = {"pixels": pixels[rows] * weight[rows], "weight": weight[rows]}
        metric.update_state(target, prediction[rows], sample_weight=np.float32([1, 1, 1, 0])[: rows.stop - rows.start])
    used = weight[:6] > 0
    result = {name: float(value) for name, value in metric.result().items()}
    for i, band in enumerate("gr"):
        known = used[..., i]
        expected = r2_score(pixels[:6, ..., i][known], prediction[:6, ..., i][known])
        assert result[f"explained_{band}"] == pytest.approx(expected, rel=1e-3)
