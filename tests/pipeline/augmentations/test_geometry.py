import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from keras import ops

from astrokeras.pipeline.augment import SurveyInfo, augmentation

SKY = 50.0
FACTS = SurveyInfo(("r",), (SKY,), (10.0,), "nJy")


def run(spec: str, flux: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """What a chain makes of stamps [N, S, S] without a band axis."""
    chain = augmentation(spec, FACTS)
    assert chain is not None
    return ops.convert_to_numpy(chain(flux[..., None].astype(np.float32), draws.astype(np.float32)))[..., 0]


def blobs(count: int = 50, size: int = 41, fwhm: float = 2.5, seed: int = 0) -> np.ndarray:
    """Gaussians of total flux 1000 that lie anywhere on the middle pixels, over the sky."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    y0, x0 = rng.uniform(-2, 2, (2, count, 1, 1))
    sigma = fwhm / 2.3548
    blob = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * sigma**2))
    return SKY + 1000 * blob / blob.sum(axis=(1, 2), keepdims=True)


def moments(flux: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Total flux over the sky, centroid (y, x) from the centre and mean variance along an axis; NaN is sky."""
    light = np.nan_to_num(flux - SKY)
    size = flux.shape[1]
    place = np.mgrid[:size, :size] - (size - 1) / 2
    total = light.sum(axis=(1, 2))
    centre = np.einsum("nyx,ayx->na", light, place) / total[:, None]
    square = np.einsum("nyx,ayx->na", light, place**2) / total[:, None] - centre**2
    return total, centre, square.mean(axis=1)


def group(image: np.ndarray) -> list[np.ndarray]:
    turned = [np.rot90(image, k) for k in range(4)]
    return turned + [np.flipud(t) for t in turned]


def test_dihedral_is_one_of_the_eight_and_each_is_as_likely():
    flux = np.arange(800 * 16, dtype=np.float32).reshape(800, 4, 4)
    flux[0, 0, 1] = np.nan
    moved = run("dihedral", flux, np.random.default_rng(1).random((800, 1), np.float32))
    which = np.array(
        [[np.array_equal(m, g, equal_nan=True) for g in group(f)] for f, m in zip(flux, moved, strict=True)]
    )
    np.testing.assert_array_equal(which.sum(axis=1), 1)
    assert scipy.stats.chisquare(which.sum(axis=0)).pvalue > 1e-3


def test_dihedral_keeps_every_bit_also_of_half_precision():
    flux = tf.cast(blobs(8, 8), tf.bfloat16)[..., None]
    chain = augmentation("dihedral", FACTS)
    moved = chain(flux, np.linspace(0, 0.99, 8, dtype=np.float32)[:, None])
    expected = [group(image)[k] for k, image in enumerate(flux.numpy()[..., 0])]
    np.testing.assert_array_equal(moved.numpy()[..., 0], expected)


@pytest.mark.parametrize("size", [8, 9])
def test_a_run_with_dihedral_in_it_turns_as_dihedral_alone(size: int):
    """The matrices, which a rotation by nothing makes it use, are those of the exact gather."""
    flux = np.random.default_rng(0).normal(size=(8, size, size))
    draws = np.linspace(0, 0.99, 8)[:, None]
    turned = run("dihedral|rotate", flux, np.hstack([draws, np.full_like(draws, 0.5)]))
    np.testing.assert_allclose(turned, run("dihedral", flux, draws), rtol=1e-6)


def test_quarter_turns_are_exact():
    flux = np.random.default_rng(0).normal(size=(3, 8, 8))
    turned = run("rotate", flux, np.array([[0.75], [0.25], [0.5]]))
    for image, original, quarters in zip(turned, flux, (1, -1, 0), strict=True):
        np.testing.assert_allclose(image, np.rot90(original, quarters), atol=1e-5)


def keys(distance: np.ndarray) -> np.ndarray:
    """The kernel of cubic convolution, as its paper has it."""
    u = abs(distance)
    inner, outer = 1.5 * u**3 - 2.5 * u**2 + 1, -0.5 * u**3 + 2.5 * u**2 - 4 * u + 2
    return np.where(u < 1, inner, np.where(u < 2, outer, 0))


def test_rotation_and_shift_are_cubic_convolution_of_every_pixel_with_every_other():
    flux = np.random.default_rng(0).normal(SKY, 10, (12, 21, 21))
    draws = np.random.default_rng(2).random((12, 3))
    result = run("rotate(70)|shift(3)", flux, draws)
    place = np.arange(21) - 10.0
    for image, original, (turn, *move) in zip(result, flux, draws, strict=True):
        angle = np.radians(70 * (2 * turn - 1))
        y, x = np.meshgrid(place + 6 * move[0] - 3, place + 6 * move[1] - 3, indexing="ij")
        rows = keys((np.cos(angle) * y + np.sin(angle) * x)[..., None] - place)
        columns = keys((-np.sin(angle) * y + np.cos(angle) * x)[..., None] - place)
        weight = rows.sum(axis=-1) * columns.sum(axis=-1)
        expected = np.einsum("yxi,ij,yxj->yx", rows, original, columns) / np.where(weight >= 0.5, weight, np.nan)
        sure = abs(weight - 0.5) > 1e-4
        np.testing.assert_allclose(image[sure], expected[sure], atol=2e-3)
        assert np.isfinite(image).mean() > 0.5


@pytest.mark.parametrize(("fwhm", "most", "rms"), [(2.0, 5e-3, 1e-3), (2.5, 2e-3, 4e-4), (4.0, 3e-4, 6e-5)])
def test_rotation_conserves_the_flux_of_what_is_well_sampled(fwhm: float, most: float, rms: float):
    total, _, _ = moments(run("rotate", blobs(400, fwhm=fwhm), np.random.default_rng(0).random((400, 1))))
    assert abs(total / 1000 - 1).max() < most
    assert np.std(total / 1000) < rms


def test_bilinear_interpolation_would_lose_flux():
    """Why turns are not left to what Keras has: the figure in docs/tensorflow-addons.md."""
    flux = blobs(400).astype(np.float32) - SKY
    angle = np.random.default_rng(0).uniform(-np.pi, np.pi, 400)
    cosine, sine, zero = np.cos(angle), np.sin(angle), np.zeros(400)
    x, y = 20 - 20 * cosine + 20 * sine, 20 - 20 * sine - 20 * cosine
    transform = np.stack([cosine, -sine, x, sine, cosine, y, zero, zero], axis=-1).astype(np.float32)
    turned = keras.ops.image.affine_transform(flux[..., None], transform, interpolation="bilinear")
    total, _, wide = moments(ops.convert_to_numpy(turned)[..., 0] + SKY)
    assert abs(total / 1000 - 1).max() == pytest.approx(0.017, abs=0.003)
    assert (wide - moments(flux + SKY)[2]).mean() > 0.1


@pytest.mark.parametrize(
    "spec", ["zoom(0.6,1.6)", "shift(2)", "zoom(0.7,1.4)|shift(2)|zoom(0.9,1.1)", "shift(2,whole=yes)"]
)
def test_scaling_and_shifting_conserve_all_flux(spec: str):
    flux = blobs(100, fwhm=1.0)  # badly sampled
    chain = augmentation(spec, FACTS)
    total, _, _ = moments(run(spec, flux, np.random.default_rng(0).random((100, chain.n_draws))))
    np.testing.assert_allclose(total, 1000, rtol=1e-4)


@pytest.mark.parametrize(("factor", "new", "old"), [(0.5, 1, 2), (2.0, 2, 1), (0.8, 4, 5), (1.25, 5, 4)])
def test_zoom_conserves_the_flux_of_every_part(factor: float, new: int, old: int):
    """Squares of `new` pixels of the result cover `old` of the stamp; one of their corners is the centre of both."""
    flux = np.random.default_rng(0).normal(SKY, 10, (3, 40, 40))
    result = run(f"zoom({factor},{factor},keep=surface)", flux, np.zeros((3, 1)))

    def parts(stamps: np.ndarray, pixels: int) -> np.ndarray:
        inner = stamps[:, 20 - 3 * pixels : 20 + 3 * pixels, 20 - 3 * pixels : 20 + 3 * pixels]
        return inner.reshape(3, 6, pixels, 6, pixels).mean(axis=(2, 4))

    np.testing.assert_allclose(parts(result, new), parts(flux, old), rtol=1e-5)


@pytest.mark.parametrize(("keep", "power"), [("flux", 0), ("surface", 2)])
def test_what_zoom_keeps(keep: str, power: int):
    flux = blobs(60, fwhm=3.0)
    draws = np.random.default_rng(4).random((60, 1))
    total, centre, variance = moments(run(f"zoom(0.7,1.5,keep={keep})", flux, draws))
    factor = 0.7 * (1.5 / 0.7) ** draws[:, 0]
    np.testing.assert_allclose(total, 1000 * factor**power, rtol=1e-3)
    _, before, narrow = moments(flux)
    np.testing.assert_allclose(centre, before * factor[:, None], atol=0.015)
    # A pixel's own width, a variance of 1/12, goes and comes.
    np.testing.assert_allclose(variance, factor**2 * (narrow - 1 / 12) + 1 / 12, atol=0.03)


def test_zoom_is_uniform_in_the_logarithm_and_shift_and_rotate_between_their_ends():
    numbers = np.random.default_rng(0).random((2000, 2), np.float32)
    zoom, shift, whole, rotate = (
        augmentation(spec, FACTS).steps[0]
        for spec in ("zoom(0.8,1.25)", "shift(3)", "shift(2,whole=yes)", "rotate(30)")
    )
    logarithm = np.log(ops.convert_to_numpy(zoom.factor(numbers))) / np.log(1.25)
    assert scipy.stats.kstest(logarithm, "uniform", (-1, 2)).pvalue > 1e-3
    assert scipy.stats.kstest(ops.convert_to_numpy(shift.offset(numbers))[:, 1], "uniform", (-3, 6)).pvalue > 1e-3
    values, counts = np.unique(ops.convert_to_numpy(whole.offset(numbers)), return_counts=True)
    np.testing.assert_array_equal(values, [-2, -1, 0, 1, 2])
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    matrix = ops.convert_to_numpy(rotate.matrix(numbers))
    angle = np.degrees(np.arctan2(matrix[:, 0, 1], matrix[:, 0, 0]))
    assert scipy.stats.kstest(angle, "uniform", (-30, 60)).pvalue > 1e-3


def test_whole_shifts_move_pixels_without_a_change():
    flux = np.random.default_rng(0).normal(SKY, 10, (50, 9, 9)).astype(np.float32)
    draws = np.random.default_rng(1).random((50, 2))
    result = run("shift(2,whole=yes)", flux, draws)
    for image, original, (down, right) in zip(result, flux, np.floor(draws * 5).astype(int) - 2, strict=True):
        framed = np.pad(original, 2, constant_values=np.nan)
        np.testing.assert_array_equal(image, framed[2 + down : 11 + down, 2 + right : 11 + right])


@pytest.mark.parametrize(
    "spec", ["dihedral|rotate|shift(3)", "shift(2)|zoom(0.7,1.4)|shift(2)", "zoom(0.8,1.2)|zoom(0.8,1.2)"]
)
def test_at_once_is_one_after_the_other(spec: str):
    chain = augmentation(spec, FACTS)
    draws = np.random.default_rng(5).random((40, chain.n_draws))
    flux = blobs(40, fwhm=3.0)
    once = moments(run(spec, flux, draws))
    stepwise, start = flux, 0
    for step in chain.steps:
        stepwise = run(str(step), stepwise, draws[:, start : start + step.n_draws])
        start += step.n_draws
    total, centre, variance = moments(stepwise)
    np.testing.assert_allclose(once[0], total, rtol=2e-3)
    np.testing.assert_allclose(once[1], centre, atol=0.02)
    np.testing.assert_allclose(once[2], variance, atol=0.06)


@pytest.mark.parametrize("spec", ["dihedral|shift(2)", "shift(2)|dihedral", "shift(3,whole=yes)|dihedral|dihedral"])
@pytest.mark.parametrize("size", [12, 13])
def test_quarter_turns_and_a_shift_are_one_after_the_other_to_every_pixel(spec: str, size: int):
    """Also of what is badly sampled: the shift is interpolated as it is alone, the turn is exact."""
    flux = np.random.default_rng(0).normal(size=(40, size, size))
    flux[::3, 4, 5] = np.nan
    chain = augmentation(spec, FACTS)
    draws = np.random.default_rng(5).random((40, chain.n_draws))
    stepwise, start = flux, 0
    for step in chain.steps:
        stepwise = run(str(step), stepwise, draws[:, start : start + step.n_draws])
        start += step.n_draws
    np.testing.assert_allclose(run(spec, flux, draws), stepwise, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", ["rotate", "shift(2)", "zoom(0.8,1.2,keep=surface)"])
def test_a_constant_stays_itself_around_a_hole_and_the_hole_stays(spec: str):
    flux = np.full((30, 21, 21), 7.0)
    flux[:, 8:12, 9:12] = np.nan
    chain = augmentation(spec, FACTS)
    result = run(spec, flux, np.random.default_rng(1).random((30, chain.n_draws)))
    np.testing.assert_allclose(result[np.isfinite(result)], 7.0, rtol=1e-5)
    holes = np.isnan(result[:, 4:17, 4:17]).sum(axis=(1, 2))
    assert holes.min() >= 5
    assert holes.max() <= 24


@pytest.mark.parametrize("spec", ["rotate", "shift(2)"])
def test_interpolation_smooths_as_documented(spec: str):
    noise = np.random.default_rng(0).normal(0, 1, (300, 30, 30))
    chain = augmentation(spec, FACTS)
    draws = np.random.default_rng(1).random((300, chain.n_draws))
    assert np.nanvar(run(spec, noise, draws)[:, 8:22, 8:22]) == pytest.approx(0.68, abs=0.02)
    _, _, narrow = moments(blobs(300, fwhm=3))
    _, _, wide = moments(run(spec, blobs(300, fwhm=3), draws))
    assert abs(wide - narrow).max() < 0.02


@pytest.mark.parametrize("spec", ["shift(60)", "shift(60,whole=yes)", "dihedral|shift(60)", "rotate|shift(60)"])
def test_what_is_far_off_the_stamp_is_missing(spec: str):
    chain = augmentation(spec, FACTS)
    draws = np.random.default_rng(0).random((40, chain.n_draws))
    result = run(spec, np.full((40, 9, 9), 7.0), draws)
    off = abs(120 * draws[:, -2:] - 60).max(axis=1) > 15
    assert off.sum() > 10
    assert np.isnan(result[off]).all()
    centred = np.hstack([draws[:, :-2], np.full((40, 2), 0.5)])
    assert run(spec, np.full((40, 9, 9), 7.0), centred)[:, 4, 4] == pytest.approx(7.0)


@pytest.mark.parametrize("spec", ["shift(2)", "shift(2,whole=yes)", "rotate", "zoom(0.8,1.2)"])
def test_infinite_pixels_are_missing_pixels(spec: str):
    flux = np.random.default_rng(0).normal(SKY, 10, (20, 9, 9))
    flux[::2, 3, 4] = np.nan
    infinite = np.where(np.isnan(flux), -np.inf, flux)
    chain = augmentation(spec, FACTS)
    draws = np.random.default_rng(1).random((20, chain.n_draws))
    np.testing.assert_array_equal(run(spec, infinite, draws), run(spec, flux, draws))
