from pathlib import Path

import numpy as np
import pytest
from keras import ops
from scipy.ndimage import minimum_filter, sobel

from astrokeras.errors import UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.lab import gray, lab
from astrokeras.tasks.pretext.colorize import Colorize
from astrokeras.tasks.reconstruction import gradients


def fit(bands: tuple[str, ...], unit: str = "nJy", **options: float) -> Colorize:
    content = {"bands": bands, "unit": unit, "sky": [5.0] * len(bands), "noise": [2.0] * len(bands)}
    return Colorize.fit(RecordsDirectory(Path("blobs"), content), {}, 16, **options)


@pytest.mark.parametrize(
    ("levels", "expected"),
    # The published values of the primaries of sRGB, to two digits.
    [((1, 0, 0), (53.24, 80.09, 67.20)), ((0, 1, 0), (87.73, -86.18, 83.18)), ((0, 0, 1), (32.30, 79.19, -107.86)),
     ((1, 1, 1), (100, 0, 0)), ((0, 0, 0), (0, 0, 0))],
)  # fmt: skip
def test_lab_of_the_primaries(levels: tuple, expected: tuple):
    lightness, chroma = lab(ops.reshape(ops.convert_to_tensor(np.float32(levels)), (1, 1, 1, 3)))
    found = np.concatenate([np.ravel(lightness), np.ravel(chroma)])
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_grays_have_the_lightness_and_no_colour():
    levels = np.linspace(0, 1, 101, dtype=np.float32).reshape(1, 101, 1, 1).repeat(3, axis=-1)
    lightness, chroma = lab(ops.convert_to_tensor(levels))
    np.testing.assert_allclose(ops.convert_to_numpy(chroma), 0, atol=0.02)
    np.testing.assert_allclose(ops.convert_to_numpy(gray(lightness)), levels[..., :1], atol=1e-4)


def test_pictures_lose_their_colour_and_keep_their_lightness():
    task = fit(("i", "r", "g"), "display")
    stamps = np.random.default_rng(0).uniform(0, 255, (4, 16, 16, 3)).astype(np.float32)
    stamps[0, 3, 4, 1] = np.nan
    (view,), target = task.views(ops.convert_to_tensor(stamps), {}, None)
    view = ops.convert_to_numpy(view)
    assert np.isnan(view[0, 3, 4]).all()
    assert np.isnan(view).sum() == 3
    np.testing.assert_array_equal(view[..., 0], view[..., 2])
    whole = np.isfinite(view)
    before, chroma = lab(ops.convert_to_tensor(np.nan_to_num(stamps) / 255))
    after, _ = lab(ops.convert_to_tensor(np.nan_to_num(view) / 255))
    np.testing.assert_allclose(
        ops.convert_to_numpy(after)[whole[..., :1]], ops.convert_to_numpy(before)[whole[..., :1]], atol=0.05
    )
    expected = ops.convert_to_numpy(chroma) / 100 * whole[..., :2]
    np.testing.assert_allclose(ops.convert_to_numpy(target["pixels"]), expected, atol=1e-4)
    assert task.score_names == ("explained", "explained_a", "explained_b")


def test_held_out_bands_are_not_in_the_view():
    task = fit(("u", "g", "r", "i"))
    assert task.notes == ["colorize: g, i are predicted from u, r"]
    stamps = np.random.default_rng(0).normal(5, 2, (4, 16, 16, 4)).astype(np.float32)
    stamps[1, 2, 3, 1] = np.nan
    (view,), target = task.views(ops.convert_to_tensor(stamps), {}, None)
    view = ops.convert_to_numpy(view)
    assert np.isnan(view[..., [1, 3]]).all()
    np.testing.assert_array_equal(view[..., [0, 2]], stamps[..., [0, 2]])
    expected = np.nan_to_num(np.arcsinh((stamps[..., [1, 3]] - 5) / 2) / np.arcsinh(1000))
    np.testing.assert_allclose(ops.convert_to_numpy(target["pixels"]), expected, rtol=1e-4, atol=1e-5)
    assert ops.convert_to_numpy(target["weight"])[1, 2, 3, 0] == 0


def test_loss_is_the_mean_absolute_error():
    task = fit(("u", "g", "r", "i"))
    rng = np.random.default_rng(2)
    pixels, prediction = rng.normal(size=(2, 3, 4, 4, 2)).astype(np.float32)
    weight = (rng.random((3, 4, 4, 2)) < 0.7).astype(np.float32)
    loss = ops.convert_to_numpy(task.loss({"pixels": pixels, "weight": weight}, ops.convert_to_tensor(prediction)))
    expected = [np.mean(np.abs(pixels[i] - prediction[i])[weight[i] > 0]) for i in range(3)]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_gradients_are_compared_against_scipy():
    rng = np.random.default_rng(3)
    pixels, prediction = rng.normal(size=(2, 3, 9, 9, 2)).astype(np.float32)
    weight = np.ones((3, 9, 9, 2), np.float32)
    weight[1, 4, 5, 0] = weight[2] = 0.0
    target = {"pixels": pixels, "weight": weight}
    plain, steep = (
        ops.convert_to_numpy(fit(("u", "g", "r", "i"), sobel=w).loss(target, ops.convert_to_tensor(prediction)))
        for w in (0.0, 0.5)
    )
    planes = np.moveaxis(pixels - prediction, -1, 1).reshape(6, 9, 9)
    slopes = [np.stack([sobel(plane, axis) for plane in planes])[:, 1:-1, 1:-1] / 8 for axis in (0, 1)]
    changes = [np.moveaxis(np.abs(slope).reshape(3, 2, 7, 7), 1, -1) for slope in slopes]
    counts = minimum_filter(weight, (1, 3, 3, 1))[:, 1:-1, 1:-1] > 0
    assert counts[1].sum() == 2 * 49 - 9
    expected = [np.mean((changes[0] + changes[1])[i][counts[i]]) for i in range(2)] + [0.0]
    np.testing.assert_allclose(steep - plain, 0.5 * np.array(expected), rtol=1e-4, atol=1e-6)


def test_a_slope_has_its_gradient():
    y, x = np.mgrid[:6, :6].astype(np.float32)
    rows, columns = gradients(ops.convert_to_tensor((3 * y - 2 * x)[None, ..., None]))
    np.testing.assert_allclose(ops.convert_to_numpy(rows), np.full((1, 4, 4, 1), 3.0), atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(columns), np.full((1, 4, 4, 1), -2.0), atol=1e-5)


def test_one_band_has_no_colour():
    with pytest.raises(UsageError, match="needs two bands or more"):
        fit(("r",))
