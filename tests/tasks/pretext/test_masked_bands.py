import numpy as np
import pytest
from keras import ops

from astrokeras.tasks.base import Task
from astrokeras.tasks.pretext.masked_bands import MaskedBands
from astrokeras.tasks.registry import fit_tasks, parse_tasks
from tests.tasks import harness

N = 400


def fit(spec: str) -> Task:
    (task,) = fit_tasks(parse_tasks([spec]), harness.make_source()).values()
    return task


def hidden(task: MaskedBands, count: int = N) -> np.ndarray:
    draws = np.random.default_rng(0).random((count, task.n_draws)).astype(np.float32)
    return ops.convert_to_numpy(task.hidden(ops.convert_to_tensor(draws)))


def test_as_much_is_taken_out_as_said():
    only_patches = hidden(fit("masked_bands(drop=0,patches=0.4)"))
    assert only_patches.mean() == pytest.approx(0.4, abs=0.01)
    # The same pixels in every band, in squares of an eighth of the side.
    assert (only_patches == only_patches[..., :1]).all()
    blocks = only_patches.reshape(N, 8, 3, 8, 3, 3)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    only_bands = hidden(fit("masked_bands(drop=0.3,patches=0)"))
    assert (only_bands == only_bands[:, :1, :1]).all()
    dropped = only_bands[:, 0, 0]
    assert not dropped.all(axis=1).any()
    # Of three bands, all three would go in 0.3³ of the cases, and then one stays.
    assert dropped.mean() == pytest.approx(0.3 - 0.3**3 / 3, abs=0.03)


def test_what_is_taken_out_is_not_in_the_view_and_all_of_it_is_asked_for():
    task = fit("masked_bands")
    stamps = harness.draw(20, 3)["image"]
    draws = np.random.default_rng(1).random((20, task.n_draws)).astype(np.float32)
    gone = ops.convert_to_numpy(task.hidden(ops.convert_to_tensor(draws)))
    changed = np.where(gone, stamps + 1000, stamps)
    results = [task.views(ops.convert_to_tensor(some), {}, ops.convert_to_tensor(draws)) for some in (stamps, changed)]
    (view,), target = results[0]
    np.testing.assert_array_equal(ops.convert_to_numpy(view), ops.convert_to_numpy(results[1][0][0]))
    np.testing.assert_array_equal(ops.convert_to_numpy(view), np.where(gone, np.nan, stamps))
    asked = gone & np.isfinite(stamps)
    np.testing.assert_array_equal(ops.convert_to_numpy(target["weight"]), asked)
    significance = (stamps - harness.SKY) / harness.NOISE
    expected = np.where(asked, np.arcsinh(significance) / np.arcsinh(1000), 0.0)
    np.testing.assert_allclose(ops.convert_to_numpy(target["pixels"]), expected, rtol=1e-4, atol=1e-5)


def test_loss_is_the_mean_over_the_missing_pixels():
    task = fit("masked_bands")
    rng = np.random.default_rng(2)
    pixels, prediction = rng.normal(size=(2, 3, 4, 4, 3)).astype(np.float32)
    weight = (rng.random((3, 4, 4, 3)) < 0.4).astype(np.float32)
    weight[2] = 0.0
    loss = ops.convert_to_numpy(task.loss({"pixels": pixels, "weight": weight}, ops.convert_to_tensor(prediction)))
    expected = [np.mean((pixels[i] - prediction[i])[weight[i] > 0] ** 2) for i in (0, 1)]
    np.testing.assert_allclose(loss, [*expected, 0.0], rtol=1e-5)
