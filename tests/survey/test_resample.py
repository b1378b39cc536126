import numpy as np
import pytest
from astropy.io import fits
from photutils.centroids import centroid_2dg

from astrokeras.errors import UsageError
from astrokeras.survey import resample
from astrokeras.survey.grids import Grid
from astrokeras.survey.images import Plane
from astrokeras.survey.resample import check_reproject, cut_resampled
from astrokeras.survey.stamps import window_start
from tests.sky import tan_header

pytest.importorskip("reproject")
SHAPE, SIZE, SIGMA = (120, 130), 32, 1.7


def grid(shape: tuple[int, int], angle: float = 0, finer: float = 1, distort: float = 0) -> Grid:
    header = tan_header(shape, angle=angle)
    for name in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
        header[name] /= finer
    if distort:
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
        header.update(A_ORDER=2, B_ORDER=2, A_2_0=distort, B_1_1=-distort)
    return Grid(Plane(0, np.broadcast_to(np.float32(0), shape), header, fits.Header()))


def star(shape: tuple[int, int], x: float, y: float, sigma: float) -> np.ndarray:
    """A star of flux 1000."""
    column, row = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    return 1000 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / 2 / sigma**2) / (2 * np.pi * sigma**2)


def cut_one(pixels: np.ndarray, other: Grid, reference: Grid, x0: int, y0: int) -> tuple[np.ndarray, float, bool]:
    out = np.empty((1, SIZE, SIZE), dtype=np.float32)
    bad, complete = cut_resampled(pixels, other, reference, np.array([x0]), np.array([y0]), SIZE, out, 1.0)
    return out[0], bad[0], complete[0]


@pytest.mark.parametrize(
    ("angle", "finer", "distort"),
    [(20, 1.6, 0), (90, 1, 0), (200, 0.7, 0), (33, 0.5, 0), (-10, 2.2, 0), (5, 1.3, 2e-4)],
)
def test_stars_keep_their_place_and_their_flux(angle: float, finer: float, distort: float):
    shape = (int(180 * finer), int(190 * finer))
    reference, other = grid(SHAPE), grid(shape, angle, finer, distort)
    rng = np.random.default_rng(0)
    for x, y in rng.uniform(40, 80, (4, 2)):
        place = other.field("").to_pixels(*reference.field("").to_sky(np.array([x]), np.array([y])))
        pixels = star(shape, place[0][0], place[1][0], SIGMA * finer)
        x0, y0 = int(window_start(x, SIZE)), int(window_start(y, SIZE))
        stamp, bad, complete = cut_one(pixels, other, reference, x0, y0)
        assert (bad, complete) == (0, True)
        centre = np.array(centroid_2dg(stamp.astype(float)))
        assert centre == pytest.approx((x - x0, y - y0), abs=0.05)
        assert stamp.sum(dtype=float) == pytest.approx(1000, rel=0.01)


def test_the_same_pixels_in_slabs_and_alone():
    """A stamp does not depend on which others are cut with it."""
    reference, other = grid(SHAPE), grid((200, 210), 25, 1.2)
    pixels = np.random.default_rng(1).normal(size=other.shape)
    x0, y0 = np.array([5, 60, 31, 90]), np.array([0, 20, 50, 85])
    together = np.empty((4, SIZE, SIZE), dtype=np.float32)
    cut_resampled(pixels, other, reference, x0, y0, SIZE, together, 2.0)
    for i in range(4):
        stamp, _, _ = cut_one(pixels, other, reference, int(x0[i]), int(y0[i]))
        np.testing.assert_allclose(together[i], 2 * stamp, atol=1e-5)


def test_bad_pixels_and_what_lies_off_the_image_stay_nan():
    reference, other = grid(SHAPE), grid(SHAPE, 0, 0.999)
    pixels = np.ones(SHAPE)
    pixels[60, 65] = np.inf
    stamp, bad, complete = cut_one(pixels, other, reference, 50, 45)
    assert complete
    assert np.isnan(stamp[15, 15])
    assert 1 / SIZE**2 <= bad == np.isnan(stamp).mean() <= 25 / SIZE**2
    stamp, bad, complete = cut_one(np.ones(SHAPE), other, reference, -10, -12)
    assert not complete
    assert np.isnan(stamp[:12]).all()
    assert np.isnan(stamp[:, :10]).all()
    assert np.isfinite(stamp[15:, 13:]).all()
    assert 0 < bad < 0.3  # the kernel reaches over the edge
    stamp, bad, complete = cut_one(np.ones(SHAPE), other, reference, 500, 500)
    assert (np.isnan(stamp).all(), bad, complete) == (True, 1, False)
    elsewhere = tan_header(SHAPE, ra=330, dec=-2)  # the opposite point of the sky
    far = Grid(Plane(0, np.ones(SHAPE), elsewhere, fits.Header()))
    stamp, bad, complete = cut_one(np.ones(SHAPE), far, reference, 50, 45)
    assert (np.isnan(stamp).all(), bad, complete) == (True, 1, False)


def test_only_the_rows_that_a_stamp_needs_are_asked_for():
    reference, other = grid((1000, 100)), grid((1000, 100), 2)
    asked = []

    class Watched:
        shape = other.shape

        def __getitem__(self, rows: slice) -> np.ndarray:
            asked.append((rows.start, rows.stop))
            return np.ones(self.shape)[rows]

    cut_one(Watched(), other, reference, 30, 500)
    ((start, stop),) = asked
    assert 480 < start < 500
    assert 532 < stop < 560


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    check_reproject()
    monkeypatch.setattr(resample.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"astrokeras\[resample\]"):
        check_reproject()
