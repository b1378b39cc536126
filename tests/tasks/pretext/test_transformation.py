import math

import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from astrokeras.tasks.pretext.transformation import _MAGNIFIED, _SHIFT, _ZOOM, Transformation, TransformationErrors

SIZE = 40


def blobs(count: int) -> np.ndarray:
    """Smooth stamps, so that interpolation is exact enough to compare."""
    noise = np.random.default_rng(0).normal(size=(count, SIZE, SIZE, 1))
    return ndimage.gaussian_filter(noise, (0, 3, 3, 0)).astype(np.float32)


def test_views_against_scipy():
    task = Transformation(SIZE)
    stamps, draws = blobs(6), np.random.default_rng(1).random((6, 4)).astype(np.float32)
    views, target = task.views(ops.convert_to_tensor(stamps), {}, ops.convert_to_tensor(draws))
    reference, moved = (ops.convert_to_numpy(view)[..., 0] for view in views)
    axis = np.arange(SIZE) - (SIZE - 1) / 2
    inside = axis[:, None] ** 2 + axis**2 <= (SIZE / 2) ** 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    for i, (cosine, sine, *shift, zoom) in enumerate(ops.convert_to_numpy(target)):
        scale = _ZOOM**-zoom / _MAGNIFIED
        places = [
            (cosine * y + sine * x) * scale + shift[0] * _SHIFT * SIZE,
            (-sine * y + cosine * x) * scale + shift[1] * _SHIFT * SIZE,
        ]
        for view, (down, right) in ((moved[i], places), (reference[i], [y / _MAGNIFIED, x / _MAGNIFIED])):
            centre = (SIZE - 1) / 2
            expected = ndimage.map_coordinates(stamps[i, ..., 0], [down + centre, right + centre], order=3)
            np.testing.assert_allclose(view[inside], expected[inside], atol=0.003)
            assert np.isnan(view[~inside]).all()


def test_parameters_fill_their_ranges():
    draws = np.stack(np.meshgrid(*[[0.0, 0.5, 0.9999999]] * 4), -1).reshape(-1, 4).astype(np.float32)
    stamps = ops.zeros((len(draws), 8, 8, 1))
    _, target = Transformation(8).views(stamps, {}, ops.convert_to_tensor(draws))
    target = ops.convert_to_numpy(target)
    np.testing.assert_allclose(np.hypot(target[:, 0], target[:, 1]), 1, rtol=1e-5)
    np.testing.assert_allclose([target[:, 2:].min(), target[:, 2:].max()], [-1, 1], rtol=1e-5)


@pytest.mark.parametrize("size", [32, 64])
def test_nothing_beyond_the_stamp_is_ever_seen(size: int):
    """A stamp of equal pixels gives equal views whatever is done to it: no edge and no hole betrays anything."""
    corners = np.stack(np.meshgrid(np.linspace(0, 0.99999, 9), *[[0.0, 0.99999]] * 3), -1).reshape(-1, 4)
    stamps = ops.ones((len(corners), size, size, 1))
    (reference, moved), _ = Transformation(size).views(stamps, {}, ops.convert_to_tensor(corners.astype(np.float32)))
    np.testing.assert_allclose(ops.convert_to_numpy(moved), ops.convert_to_numpy(reference), rtol=1e-5)


def test_loss_and_scores():
    rng = np.random.default_rng(0)
    angles, others = rng.uniform(-math.pi, math.pi, (2, 5)), rng.uniform(-1, 1, (2, 5, 3))
    target = np.column_stack([np.cos(angles[0]), np.sin(angles[0]), others[0]]).astype(np.float32)
    # The length of the predicted direction does not count.
    prediction = np.column_stack([2 * np.cos(angles[1]), 2 * np.sin(angles[1]), others[1]]).astype(np.float32)
    loss = Transformation(SIZE).loss(ops.convert_to_tensor(target), ops.convert_to_tensor(prediction))
    np.testing.assert_allclose(loss, ((target - prediction) ** 2).sum(axis=1) / 2, rtol=1e-5)
    metric = TransformationErrors(SIZE)
    metric.update_state(ops.convert_to_tensor(target), ops.convert_to_tensor(prediction))
    turn = np.degrees(np.abs((angles[1] - angles[0] + np.pi) % (2 * np.pi) - np.pi))
    shift = np.linalg.norm(others[1, :, :2] - others[0, :, :2], axis=1) * _SHIFT * SIZE
    zoom = 100 * (_ZOOM ** np.abs(others[1, :, 2] - others[0, :, 2]) - 1)
    result = {name: float(value) for name, value in metric.result().items()}
    assert result == pytest.approx({"turn": turn.mean(), "shift": shift.mean(), "zoom": zoom.mean()}, rel=1e-4)


def test_the_baseline_is_what_the_middle_reaches():
    draws = np.random.default_rng(0).random((20_000, 4)).astype(np.float32)
    _, target = Transformation(8).views(ops.zeros((20_000, 8, 8, 1)), {}, ops.convert_to_tensor(draws))
    metric = TransformationErrors(8)
    metric.update_state(target, ops.convert_to_tensor(np.tile(np.float32([1, 0, 0, 0, 0]), (20_000, 1))))
    expected = Transformation(8).baselines(None, "val")["baseline_mean"]
    assert {name: float(value) for name, value in metric.result().items()} == pytest.approx(expected, rel=0.02)
