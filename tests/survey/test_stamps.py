import numpy as np
import pytest
from astropy.nddata import Cutout2D
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.survey import stamps as module
from astrokeras.survey.stamps import SLAB_GAP, cut, fits_inside, inside, sky_level_and_noise, slabs, window_start

SHAPE = (40, 50)
PIXELS = np.random.default_rng(0).normal(size=SHAPE)
POSITION = st.floats(-20, 70)


def cut_one(pixels: np.ndarray, x: float, y: float, size: int) -> tuple[np.ndarray, float]:
    out = np.full((1, size, size), -7, dtype=np.float32)
    bad = cut(pixels, window_start(np.array([x]), size), window_start(np.array([y]), size), size, out)
    return out[0], bad[0]


@given(
    st.integers(0, SHAPE[1]).map(float) | POSITION, st.integers(0, SHAPE[0]).map(float) | POSITION, st.integers(4, 17)
)
def test_window_is_that_of_cutout2d(x: float, y: float, size: int):
    stamp, bad = cut_one(PIXELS, x, y, size)
    try:
        reference = Cutout2D(PIXELS, (x, y), (size, size), mode="partial", fill_value=np.nan).data
    except Exception as error:  # astropy refuses windows that touch the image nowhere
        assert type(error).__name__ == "NoOverlapError"
        reference = np.full((size, size), np.nan)
    np.testing.assert_array_equal(stamp, reference.astype(np.float32))
    assert bad == (1.0 if np.isnan(reference).all() else 0.0)
    assert fits_inside(np.array([x]), np.array([y]), size, SHAPE)[0] == (not np.isnan(reference).any())


@pytest.mark.parametrize("size", [4, 5, 32])
def test_object_lies_in_the_middle(size: int):
    pixels = np.zeros(SHAPE)
    pixels[20, 25] = 1
    stamp, _ = cut_one(pixels, 25, 20, size)
    assert np.argwhere(stamp == 1).tolist() == [[size // 2, size // 2]]


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<u2", ">i4", ">f4", "<f8", ">f8", "<i8"])
def test_every_pixel_type_comes_out_as_the_same_float32(dtype: str):
    levels = np.random.default_rng(1).integers(0, 127, SHAPE)
    stamp, bad = cut_one(levels.astype(dtype), 20, 20, 8)
    np.testing.assert_array_equal(stamp, levels[16:24, 16:24])
    assert bad == 0


def test_bad_pixels_are_counted_among_those_on_the_image():
    pixels = np.ones(SHAPE)
    pixels[0, :4] = np.nan, np.inf, -np.inf, 1e300  # the last is beyond float32
    stamp, bad = cut_one(pixels, 0, 0, 8)  # a quarter of the window lies on the image
    assert bad == pytest.approx(4 / 16)
    assert np.isnan(stamp[4, 4:]).all()
    assert np.count_nonzero(stamp == 1) == 12


@given(st.floats(-2, 60), st.floats(-2, 60))
def test_inside_means_on_a_pixel(x: float, y: float):
    on_pixel = 0 <= np.floor(x + 0.5) < SHAPE[1] and 0 <= np.floor(y + 0.5) < SHAPE[0]
    assert inside(np.array([x]), np.array([y]), SHAPE)[0] == on_pixel


def test_nan_is_nowhere():
    assert not inside(np.array([np.nan, 1]), np.array([1, np.nan]), SHAPE).any()


def test_sky_of_a_stamp_with_a_bright_object_is_the_sky():
    rng = np.random.default_rng(2)
    stamps = rng.normal(50, 3, (200, 32, 32))
    stamps[:, 8:24, 8:24] += 1000
    stamps[:, 0, ::5] = np.nan
    stamps[0] = np.nan
    level, noise = (values[:, 0] for values in sky_level_and_noise(stamps[..., None]))
    assert np.isnan([level[0], noise[0]]).all()
    pixels = 32**2 - 24**2
    # Standard errors of a normal sample's median and of 1.4826 MAD: 1.2533 and 1.17 sigma over the root of the number.
    assert level[1:].mean() == pytest.approx(50, abs=5 * 1.2533 * 3 / np.sqrt(pixels * 199))
    assert noise[1:].mean() == pytest.approx(3, rel=0.02)
    assert noise[1:].std() == pytest.approx(1.17 * 3 / np.sqrt(pixels), rel=0.25)


@given(st.integers(4, 19), st.integers(1, 3), st.integers(0, 99), st.sampled_from(["f4", "f8"]))
def test_sky_is_the_median_and_its_absolute_deviation_to_the_last_bit(size: int, bands: int, seed: int, dtype: str):
    rng = np.random.default_rng(seed)
    stamps = rng.normal(3, 2, (6, size, size, bands)).astype(dtype)
    stamps[rng.random(stamps.shape) < 0.3] = 2.5  # many alike
    stamps[:2][rng.random(stamps[:2].shape) < 0.4] = np.nan
    level, noise = sky_level_and_noise(stamps)
    width = max(1, size // 8)
    border = np.pad(np.zeros((size - 2 * width,) * 2, dtype=bool), width, constant_values=True)
    values = np.moveaxis(stamps[:, border], 1, -1)
    expected = np.nanmedian(values, axis=-1)
    np.testing.assert_array_equal(level, expected)
    np.testing.assert_array_equal(noise, 1.4826 * np.nanmedian(np.abs(values - expected[..., None]), axis=-1))
    assert level.dtype == noise.dtype == dtype


def test_stamps_are_cut_into_an_array_that_does_not_lie_in_one_piece(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BYTES_AT_ONCE", 3 * 4 * 6**2)  # three stamps
    x0, y0 = np.arange(-3, 8), np.arange(-2, 9)
    pixels = PIXELS.copy()
    pixels[9, 9] = np.nan
    out, reference = np.zeros((11, 6, 6, 2), dtype=np.float32), np.empty((11, 6, 6), dtype=np.float32)
    bad = cut(pixels, x0, y0, 6, out[..., 1], scale=2.0)
    expected = [cut(pixels, x0[i : i + 1], y0[i : i + 1], 6, reference[i : i + 1], scale=2.0)[0] for i in range(11)]
    np.testing.assert_array_equal(out[..., 1], reference)
    np.testing.assert_array_equal(bad, expected)
    assert 0 < np.count_nonzero(bad) < 11
    assert not out[..., 0].any()


@given(st.lists(st.integers(-50, 3000), min_size=1, max_size=60), st.integers(4, 64), st.none() | st.integers(1, 500))
def test_slabs_hold_every_window_once_and_no_more_rows_than_they_may(
    starts: list[int], size: int, max_rows: int | None
):
    y0 = np.sort(starts)
    parts = list(slabs(y0, size, max_rows))
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(len(y0)))
    for part in parts:
        rows = y0[part]
        assert max_rows is None or len(rows) == 1 or rows[-1] + size - rows[0] <= max_rows
        assert np.all(np.diff(rows) <= size + SLAB_GAP)


def test_pixels_are_scaled_and_what_float32_cannot_hold_is_bad():
    pixels = np.full(SHAPE, 2.0)
    pixels[0, 0] = 1e30
    out = np.empty((1, 4, 4), dtype=np.float32)
    bad = cut(pixels, np.array([0]), np.array([0]), 4, out, scale=1e10)
    assert np.isnan(out[0, 0, 0])
    assert (out[0].ravel()[1:] == np.float32(2e10)).all()
    assert bad[0] == 1 / 16
