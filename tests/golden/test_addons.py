"""tensorflow-addons' numbers (made by `make_addons.py`) and those of what took its place; docs/tensorflow-addons.md."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.pipeline.augmentations.resampling import resample
from astrokeras.training.optimizers.lamb import Lamb

BANDS = ("g", "r")


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("addons.npz"), allow_pickle=False) as arrays:
        return dict(arrays)


def ours(spec: str, flux: np.ndarray, draws: np.ndarray) -> np.ndarray:
    chain = augmentation(spec, SurveyInfo(BANDS, (0.0, 0.0), (1.0, 1.0)))
    assert chain is not None
    return ops.convert_to_numpy(chain(flux, draws.astype(np.float32)))


def turn(angle: np.ndarray) -> np.ndarray:
    """Matrices [N, 2, 2] from (y, x) of the result to that of the stamp, turned counter-clockwise."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([cosine, sine, -sine, cosine], axis=-1).reshape(-1, 2, 2).astype(np.float32)


def projective(matrix: np.ndarray, offset: np.ndarray, size: int) -> np.ndarray:
    """The same maps as eight numbers an image, in (x, y) from the corner, as Keras wants them."""
    middle = (size - 1) / 2
    (a, b), (c, d) = matrix[:, ::-1, ::-1].transpose(1, 2, 0)
    x, y = offset[:, 1], offset[:, 0]
    zero = np.zeros_like(a)
    first = middle - a * middle - b * middle + x
    second = middle - c * middle - d * middle + y
    return np.stack([a, b, first, c, d, second, zero, zero], axis=-1).astype(np.float32)


def test_rotate_is_keras_affine_transform(golden: dict[str, np.ndarray]):
    """The same centre, ((S - 1) / 2, (S - 1) / 2), the same sense, zeros outside."""
    matrix = turn(golden["angles"])
    transform = projective(matrix, np.zeros((3, 2)), 12)
    moved = keras.ops.image.affine_transform(
        golden["images"], transform, interpolation="bilinear", fill_mode="constant"
    )
    np.testing.assert_allclose(moved, golden["rotate"], atol=1e-3)


def test_our_rotation_has_the_same_centre_and_sense(golden: dict[str, np.ndarray]):
    matrix = turn(golden["angles"])
    moved = ops.convert_to_numpy(resample(golden["images"], matrix, np.zeros((3, 2), np.float32), 12))
    # The third is a quarter turn, which both do without interpolation.
    np.testing.assert_allclose(moved[2], golden["rotate"][2], atol=1e-2)
    np.testing.assert_allclose(moved[2], np.rot90(golden["images"][2]), atol=1e-2)
    # Elsewhere ours is cubic, theirs bilinear; the other sense would be as far off as the noise of the image, 10.
    inner = np.s_[:2, 3:9, 3:9]
    assert np.std(moved[inner] - golden["rotate"][inner]) < 4
    wrong = ops.convert_to_numpy(resample(golden["images"], turn(-golden["angles"]), np.zeros((3, 2), np.float32), 12))
    assert np.std(wrong[inner] - golden["rotate"][inner]) > 8
    # What lies off the image is missing here and 0 there.
    assert np.isnan(moved[0, 0, 0]).all()
    assert (golden["rotate"][0, 0, 0] == 0).all()


def test_translate_is_keras_affine_transform(golden: dict[str, np.ndarray]):
    """Their translation is (x, y) and moves the image; a map from the result to the image has the other sign."""
    offset = -golden["translations"][:, ::-1]
    transform = projective(turn(np.zeros(3)), offset, 12)
    moved = keras.ops.image.affine_transform(
        golden["images"], transform, interpolation="bilinear", fill_mode="constant"
    )
    np.testing.assert_allclose(moved, golden["translate"], atol=1e-3)


def test_our_whole_shift_is_their_translation_but_for_what_is_outside(golden: dict[str, np.ndarray]):
    offset = -golden["translations"][1:, ::-1]
    moved = ours("shift(4,whole=yes)", golden["images"][1:], (offset + 4.5) / 9)
    known = np.isfinite(moved)
    assert known.mean() == pytest.approx((10 * 9 / 144 + 11 / 12) / 2)
    np.testing.assert_allclose(moved[known], golden["translate"][1:][known], rtol=1e-6)
    assert (golden["translate"][1:][~known] == 0).all()


def test_gaussian_filter2d_is_keras_gaussian_blur_away_from_the_edge(golden: dict[str, np.ndarray]):
    """Keras pads with zeros, tensorflow-addons reflects about the last pixel."""
    size, sigma, reach = int(golden["filter"]), float(golden["sigma"]), int(golden["filter"]) // 2
    blurred = ops.convert_to_numpy(keras.ops.image.gaussian_blur(golden["images"], (size, size), (sigma, sigma)))
    inner = np.s_[:, reach:-reach, reach:-reach]
    np.testing.assert_allclose(blurred[inner], golden["gaussian_filter2d"][inner], rtol=1e-5)
    framed = np.pad(golden["images"], ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
    blurred = ops.convert_to_numpy(keras.ops.image.gaussian_blur(framed, (size, size), (sigma, sigma)))
    np.testing.assert_allclose(blurred[inner], golden["gaussian_filter2d"], rtol=1e-5)


def test_our_blur_is_theirs_but_for_the_end_of_their_kernel_and_the_edge(golden: dict[str, np.ndarray]):
    """Theirs ends at three standard deviations; at the edge it mirrors about the last pixel, ours behind it."""
    sigma = float(golden["sigma"])
    reach = int(golden["filter"])
    framed = np.pad(golden["images"], ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
    blurred = ours("blur(3)", framed, np.full((3, 1), sigma / 3))[:, reach:-reach, reach:-reach]
    np.testing.assert_allclose(blurred, golden["gaussian_filter2d"], rtol=0.01)


def test_our_square_is_their_cutout(golden: dict[str, np.ndarray]):
    """A square of 4 pixels whose third is the centre; missing here, 0 there."""
    erased = ours("erase(0.34)", golden["images"], (golden["centres"] + 0.5) / 12)
    np.testing.assert_array_equal(np.nan_to_num(erased), golden["cutout"])
    np.testing.assert_array_equal(np.isnan(erased), golden["cutout"] == 0)


def lamb_steps(
    golden: dict[str, np.ndarray], kind: type[keras.optimizers.Lamb], excluded: tuple[str, ...] = ("bias",), **options
) -> dict[str, np.ndarray]:
    variables = {name: keras.Variable(golden[f"start_{name}"], name=name) for name in ("kernel", "bias")}
    optimizer = kind(float(golden["rate"]), epsilon=1e-6, **options)
    optimizer.exclude_from_weight_decay(var_names=list(excluded))
    optimizer.build(list(variables.values()))
    path = {name: [] for name in variables}
    for step in range(len(golden["gradient_bias"])):
        gradients = [ops.convert_to_tensor(golden[f"gradient_{name}"][step]) for name in variables]
        optimizer.apply(gradients)
        for name, variable in variables.items():
            path[name].append(ops.convert_to_numpy(variable))
    return {name: np.stack(values) for name, values in path.items()}


def test_lamb_without_decay_is_keras_lamb(golden: dict[str, np.ndarray]):
    """With the same epsilon: the default is 1e-6 there and 1e-7 in Keras."""
    for name, path in lamb_steps(golden, keras.optimizers.Lamb).items():
        np.testing.assert_allclose(path, golden[f"lamb_{name}"], rtol=1e-5, atol=1e-6)


def test_our_lamb_is_theirs_with_decay_and_without(golden: dict[str, np.ndarray]):
    for name, path in lamb_steps(golden, Lamb, excluded=()).items():
        np.testing.assert_allclose(path, golden[f"lamb_{name}"], rtol=1e-5, atol=1e-6)
    for name, path in lamb_steps(golden, Lamb, weight_decay=float(golden["decay"])).items():
        np.testing.assert_allclose(path, golden[f"lamb_decay_{name}"], rtol=1e-5, atol=1e-6)


def lamb(golden: dict[str, np.ndarray], name: str, *, inside: bool, adapt: bool, decay: float) -> np.ndarray:
    """Algorithm 2 of You et al. 2020 (arXiv 1904.00962); decay `inside` the trust ratio, or before the step."""
    rate = float(golden["rate"])
    value, path = golden[f"start_{name}"].astype(np.float64), []
    m, v = np.zeros_like(value), np.zeros_like(value)
    for step, gradient in enumerate(golden[f"gradient_{name}"], start=1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2.0
        if not inside:
            value = value - rate * decay * value
        update = m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-6)
        if inside:
            update = update + decay * value
        ratio = np.linalg.norm(value) / np.linalg.norm(update) if adapt else 1.0
        value = value - rate * ratio * update
        path.append(value)
    return np.stack(path)


def test_lamb_decays_otherwise_than_keras_lamb(golden: dict[str, np.ndarray]):
    """There the decay is part of the update that the trust ratio scales, as in the paper, and what does not decay does
    not adapt either; Keras takes the decay off before the step, and adapts every variable."""
    decay = float(golden["decay"])
    theirs = {
        "kernel": {"inside": True, "adapt": True, "decay": decay},
        "bias": {"inside": True, "adapt": False, "decay": 0},
    }
    now = {
        "kernel": {"inside": False, "adapt": True, "decay": decay},
        "bias": {"inside": False, "adapt": True, "decay": 0},
    }
    successor = lamb_steps(golden, keras.optimizers.Lamb, weight_decay=decay)
    for name in ("kernel", "bias"):
        np.testing.assert_allclose(
            lamb(golden, name, **theirs[name]), golden[f"lamb_decay_{name}"], rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(lamb(golden, name, **now[name]), successor[name], rtol=1e-4, atol=1e-5)
        assert abs(successor[name] - golden[f"lamb_decay_{name}"]).max() > 1e-3
