import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.config import ConvertConfig, configure
from astrokeras.errors import UsageError
from astrokeras.survey import cutting as module
from astrokeras.survey.cutting import (
    CutStamps,
    Cutting,
    aligned_planes,
    cut_field,
    cut_objects,
    parse_cutting,
    read_field,
)
from astrokeras.survey.fits_file import Rows
from astrokeras.survey.images import ImageError
from astrokeras.survey.mapped import MappedPlane
from tests.sky import noise_image, tan_header, write_image

SHAPE, SIZE = (90, 80), 16
RNG = np.random.default_rng(0)
X, Y = RNG.uniform(-5, 85, 60), RNG.uniform(-5, 95, 60)
INSIDE = RNG.uniform(20, 60, (2, 30))


def cutting(directory: Path, images: str = "{field}_{band}.fits", **options) -> Cutting:
    templates = {k: str(directory / v) for k, v in options.items() if k in ("weight", "mask")}
    settings = {"edge": "pad", "size": SIZE, **options, **templates}
    return parse_cutting(
        configure(ConvertConfig, images=str(directory / images), bands=("g", "r"), out="out", **settings)
    )


def reference(pixels: np.ndarray, x: float, y: float, size: int = SIZE) -> np.ndarray:
    try:
        return Cutout2D(pixels.astype(np.float32), (x, y), (size, size), mode="partial", fill_value=np.nan).data
    except Exception as error:  # astropy refuses windows that touch the image nowhere
        assert type(error).__name__ == "NoOverlapError"
        return np.full((size, size), np.nan, dtype=np.float32)


def field_stamps(cutting: Cutting, x: np.ndarray, y: np.ndarray) -> CutStamps:
    (stamps,) = cut_field(cutting, "A", x, y)
    return stamps


def expect(stamps: CutStamps, band: int, pixels: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    for i in range(len(x)):
        np.testing.assert_array_equal(stamps.pixels[i, ..., band], reference(pixels, x[i], y[i]))


@pytest.mark.parametrize("kind", ["plain", "gz", "bz2", "scaled", "rice", "cube", "extensions"])
def test_stamps_are_those_of_cutout2d_whatever_the_file(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SLAB_BYTES", 8 * SHAPE[1] * 30)  # several slabs
    bands = [noise_image(seed, SHAPE).round() for seed in (0, 1)]
    template, ext = "{field}_{band}.fits", None
    for band, pixels in zip("gr", bands, strict=True):
        path = tmp_path / f"A_{band}.fits"
        if kind == "rice":
            fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels.astype(np.int32))]).writeto(path)
        elif kind == "scaled":
            hdu = fits.PrimaryHDU(pixels.copy())  # scaled in place
            hdu.scale("int16", bscale=0.5, bzero=3)
            hdu.writeto(path)
        elif kind in ("plain", "gz", "bz2"):
            template = "{field}_{band}.fits" + ("" if kind == "plain" else f".{kind}")
            fits.PrimaryHDU(pixels).writeto(tmp_path / template.format(field="A", band=band))
    if kind == "cube":
        template = "{field}.fits.gz"
        fits.PrimaryHDU(np.stack(bands).astype(np.int16)).writeto(tmp_path / "A.fits.gz")
    elif kind == "extensions":
        template, ext = "{field}.fits", "g=2,r=1"
        hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(pixels) for pixels in reversed(bands))]
        fits.HDUList(hdus).writeto(tmp_path / "A.fits")
    stamps = field_stamps(cutting(tmp_path, template, ext=ext), X, Y)
    assert stamps.reasons == [None] * len(X)
    for band in range(2):
        expect(stamps, band, bands[band], X, Y)


@pytest.mark.parametrize("kind", ["mapped", "packed", "mixed", "many"])
def test_mapped_images_are_cut_in_pieces(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    pixels = two_bands(tmp_path, shifted(tan_header(SHAPE, angle=30), 13, -4), (100, 110))
    if kind in ("packed", "mixed"):  # still under their old names
        for band in "r" if kind == "mixed" else "gr":
            path = tmp_path / f"A_{band}.fits"
            path.write_bytes(gzip.compress(path.read_bytes()))
    monkeypatch.setattr(module, "PIECE_BYTES", 3 * 4 * SIZE**2 * 2)
    monkeypatch.setattr(module, "MOST_MAPPED", 1 if kind == "many" else 2)
    n, done, arrays = len(X), 0, set()
    for stamps in cut_field(cutting(tmp_path), "A", X, Y):
        count = len(stamps.reasons)
        assert count == (min(3, n - done) if kind == "mapped" else n)
        here = slice(done, done + count)
        expect(stamps, 0, noise_image(0, SHAPE), X[here], Y[here])
        expect(stamps, 1, pixels, X[here] + 13, Y[here] - 4)
        arrays.add(stamps.pixels.__array_interface__["data"][0])
        done += count
    assert done == n
    assert len(arrays) == 1
    (tmp_path / "A_r.fits").unlink()
    stamps = field_stamps(cutting(tmp_path), X, Y)  # before anything is cut
    assert [reason for reason, _ in stamps.reasons] == ["missing_image"] * n


def test_rows_that_no_further_object_needs_are_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    two_bands(tmp_path, shifted(tan_header(SHAPE, angle=30), 13, -4), (100, 110))
    monkeypatch.setattr(module, "PIECE_BYTES", 2 * 4 * SIZE**2 * 2)
    released: list[int] = []
    monkeypatch.setattr(MappedPlane, "release", lambda _, row: released.append(row))
    y = np.array([10.0, 20, 45, 40, 50, 60])
    assert len(list(cut_field(cutting(tmp_path), "A", np.full(6, 40.0), y))) == 3
    first = np.array([10, 40, 50]) - SIZE // 2
    assert released == np.stack([first, first - 4], axis=1).ravel().tolist()


@given(st.lists(st.floats(-20, 110), min_size=1, max_size=12), st.integers(1, 40), st.booleans())
def test_slabs_and_order_change_nothing(y: list[float], max_rows: int, in_order: bool):
    pixels = noise_image(3, SHAPE)
    asked: list[tuple[int, int]] = []

    def read(start: int, stop: int) -> np.ndarray:
        asked.append((start, stop))
        return pixels[start:stop]

    y0 = np.sort(np.ceil(np.array(y) - SIZE / 2).astype(int))
    x0 = np.arange(len(y)) * 5
    out = np.empty((len(y), SIZE, SIZE), dtype=np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SLAB_BYTES", 8 * SHAPE[1] * max_rows)
        bad = module._cut_slabs(Rows(Path(), SHAPE, read, in_order), x0, y0, SIZE, out, 1.0)
    for i in range(len(y)):
        np.testing.assert_array_equal(out[i], reference(pixels, x0[i] + SIZE / 2, y0[i] + SIZE / 2))
    assert set(bad) <= {0.0, 1.0}
    rows = [stop - start for start, stop in asked]
    assert in_order or all(count <= max(max_rows, SIZE) for count in rows)  # none, where no stamp meets the image
    starts = [start for start, _ in asked]
    assert starts == sorted(starts)
    if in_order:  # nothing twice
        assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(asked))


def shifted(header: fits.Header, x: float, y: float) -> fits.Header:
    header = header.copy()
    header["CRPIX1"] += x
    header["CRPIX2"] += y
    return header


def two_bands(directory: Path, second: fits.Header | None, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Band g with a WCS, band r with another; returns band r."""
    write_image(directory / "A_g.fits", noise_image(0, SHAPE), tan_header(SHAPE, angle=30))
    pixels = noise_image(1, shape)
    write_image(directory / "A_r.fits", pixels, second)
    return pixels


def test_a_band_shifted_by_whole_pixels_is_cut_at_the_same_sky(tmp_path: Path):
    pixels = two_bands(tmp_path, shifted(tan_header(SHAPE, angle=30), 13, -4), (100, 110))
    stamps = field_stamps(cutting(tmp_path), X, Y)
    expect(stamps, 0, noise_image(0, SHAPE), X, Y)
    expect(stamps, 1, pixels, X + 13, Y - 4)
    field = read_field(cutting(tmp_path), "A")
    assert field.shape == SHAPE
    assert field.to_pixels(np.array([150.0]), np.array([2.0]))[0][0] == pytest.approx((SHAPE[1] - 1) / 2)


def test_over_the_edge_of_any_band_is_over_the_edge(tmp_path: Path):
    two_bands(tmp_path, shifted(tan_header(SHAPE, angle=30), 30, 0))
    x, y = np.array([40.0, 10.0, 2.0]), np.array([45.0, 45.0, 45.0])
    stamps = field_stamps(cutting(tmp_path, edge="reject"), x, y)
    assert [reason and reason[0] for reason in stamps.reasons] == ["edge" if v + 30 > 72 or v < 8 else None for v in x]
    x = np.array([45.0])
    (reason,) = field_stamps(cutting(tmp_path, edge="reject"), x, x).reasons
    assert reason == ("edge", "the stamp reaches over the edge of band r")
    padded = field_stamps(cutting(tmp_path), np.array([60.0]), x)
    assert padded.bad.tolist() == [[0, 1]]  # band r has no pixel there


def test_aligned_bands_lie_on_the_grid_of_the_first(tmp_path: Path):
    pixels = two_bands(tmp_path, shifted(tan_header(SHAPE, angle=30), 13, -4), (60, 70))
    planes = [np.asarray(plane.pixels) for plane in aligned_planes(cutting(tmp_path), "A")]
    expected = np.full(SHAPE, np.nan, dtype=np.float32)
    expected[4:64, :57] = pixels[:, 13:]
    np.testing.assert_array_equal(planes[1], expected)
    np.testing.assert_array_equal(planes[0], noise_image(0, SHAPE))
    for plane in aligned_planes(cutting(tmp_path), "A"):
        rows = [plane.pixels[start : start + 7] for start in range(0, SHAPE[0], 7)]
        np.testing.assert_array_equal(np.concatenate(rows), planes[plane.band])
    far = shifted(tan_header(SHAPE, angle=30), 500, 500)
    (tmp_path / "A_r.fits").unlink()
    write_image(tmp_path / "A_r.fits", pixels, far)
    assert np.isnan([np.asarray(p.pixels) for p in aligned_planes(cutting(tmp_path), "A")][1]).all()
    (tmp_path / "A_r.fits").unlink()
    write_image(tmp_path / "A_r.fits", pixels, tan_header(SHAPE, angle=31))
    with pytest.raises(ImageError, match="not resampled"):
        list(aligned_planes(cutting(tmp_path, resample=True), "A"))


@pytest.mark.parametrize("what", ["half a pixel", "no WCS", "another shape without WCS", "the other has none"])
def test_bands_that_do_not_fit_are_refused(tmp_path: Path, what: str):
    two_bands(tmp_path, shifted(tan_header(SHAPE, angle=30), 0.5, 0) if what == "half a pixel" else None)
    if what == "another shape without WCS":
        write_image(tmp_path / "A_g.fits.new", noise_image(0, (50, 50)))
        (tmp_path / "A_g.fits.new").rename(tmp_path / "A_g.fits")
    if what == "the other has none":
        (tmp_path / "A_g.fits").rename(tmp_path / "old")
        (tmp_path / "A_r.fits").rename(tmp_path / "A_g.fits")
        (tmp_path / "old").rename(tmp_path / "A_r.fits")
    with pytest.raises(ImageError) as caught:
        read_field(cutting(tmp_path), "A")
    assert caught.value.reason == "different_grids"
    stamps = field_stamps(cutting(tmp_path), *INSIDE)
    assert stamps.reasons == [("different_grids", str(caught.value))] * INSIDE.shape[1]


def test_resampling_is_only_done_where_it_has_to_be(tmp_path: Path):
    pytest.importorskip("reproject")
    pixels = two_bands(tmp_path, shifted(tan_header(SHAPE, angle=30), 3, 2))
    expect(field_stamps(cutting(tmp_path, resample=True), *INSIDE), 1, pixels, INSIDE[0] + 3, INSIDE[1] + 2)
    (tmp_path / "A_r.fits").unlink()
    write_image(tmp_path / "A_r.fits", np.full((300, 300), 7.0), tan_header((300, 300), angle=77))
    stamps = field_stamps(cutting(tmp_path, resample=True), *INSIDE)
    assert stamps.reasons == [None] * INSIDE.shape[1]
    np.testing.assert_allclose(stamps.pixels[..., 1], 7, rtol=1e-4)
    np.testing.assert_array_equal(stamps.bad, 0)
    (tmp_path / "A_r.fits").unlink()
    write_image(tmp_path / "A_r.fits", np.full((30, 30), 7.0), tan_header((30, 30), angle=77))
    x, y = np.array([40.0, 70.0]), np.array([45.0, 80.0])
    stamps = field_stamps(cutting(tmp_path, resample=True, edge="reject"), x, y)
    assert stamps.reasons == [None, ("edge", "the stamp reaches over the edge of band r")]


def test_weights_and_masks_make_nan(tmp_path: Path):
    for seed, band in enumerate("gr"):
        write_image(tmp_path / f"A_{band}.fits", noise_image(seed, SHAPE))
        weights = np.ones(SHAPE)
        weights[30 + seed] = 0
        fits.HDUList(
            [fits.PrimaryHDU(), fits.ImageHDU(weights, name="WHT"), fits.ImageHDU(np.zeros(SHAPE, "i2"), name="DQ")]
        ).writeto(tmp_path / f"A_{band}.aux.fits")
        with fits.open(tmp_path / f"A_{band}.aux.fits", mode="update") as hdus:
            hdus["DQ"].data[:, 40], hdus["DQ"].data[:, 41] = 4, 2
    aux = {"weight": "{field}_{band}.aux.fits", "mask": "{field}_{band}.aux.fits"}
    hidden = field_stamps(cutting(tmp_path, **aux, weight_ext="WHT", mask_ext="DQ", mask_bits="4"), *INSIDE)
    for band in range(2):
        pixels = noise_image(band, SHAPE)
        pixels[30 + band], pixels[:, 40] = np.nan, np.nan
        expect(hidden, band, pixels, *INSIDE)
    np.testing.assert_allclose(hidden.bad, np.isnan(hidden.pixels).mean(axis=(1, 2)))
    assert hidden.bad.max() > 0.1
    (tmp_path / "A_r.aux.fits").unlink()
    stamps = field_stamps(cutting(tmp_path, **aux, weight_ext="WHT"), *INSIDE)
    assert {reason for reason, _ in stamps.reasons} == {"no_weight"}


def test_stamps_of_objects_of_their_own_follow_the_wcs_of_the_first_band(tmp_path: Path):
    header = tan_header((20, 20))
    write_image(tmp_path / "a_g.fits", noise_image(0, (20, 20)), header)
    write_image(tmp_path / "a_r.fits", noise_image(1, (30, 30)), shifted(header, 2, 5))
    write_image(tmp_path / "b_g.fits", noise_image(0, (20, 20)))
    write_image(tmp_path / "b_r.fits", noise_image(1, (30, 30)))
    (stamps,) = cut_objects(cutting(tmp_path, "{id}_{band}.fits"), ["a", "b"])
    np.testing.assert_array_equal(stamps.pixels[0, ..., 0], noise_image(0, (20, 20))[2:18, 2:18])
    np.testing.assert_array_equal(stamps.pixels[0, ..., 1], noise_image(1, (30, 30))[7:23, 4:20])
    assert stamps.reasons[0] is None
    assert stamps.reasons[1][0] == "different_grids"


def test_contradictions_are_usage_errors(tmp_path: Path):
    with pytest.raises(UsageError, match="--zero-point"):
        cutting(tmp_path, "{id}.jpg", zero_point="25")
