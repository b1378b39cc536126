import dataclasses
import gzip
import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from astrokeras.errors import UsageError
from astrokeras.survey.images import ImageError, Plane, parse_extensions, read_planes
from astrokeras.survey.template import ImageTemplate

RNG = np.random.default_rng(0)
SKY = RNG.normal(100, 5, (24, 32)).astype(np.float32)


def planes(path: Path, bands: tuple[str, ...] = ("r",), ext: str | None = None, **options) -> list[Plane]:
    """All bands, their pixels read as the planes come by."""
    template = ImageTemplate(str(path), bands)
    found = read_planes(template, "", parse_extensions(ext, bands), **options)
    return [dataclasses.replace(plane, pixels=np.asarray(plane.pixels)) for plane in found]


def headers(path: Path, bands: tuple[str, ...] = ("r",)) -> list[Plane]:
    return list(read_planes(ImageTemplate(str(path), bands), "", {}))


def reason(path: Path, *args, **options) -> str:
    with pytest.raises(ImageError) as caught:
        planes(path, *args, **options)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def write(path: Path, *hdus: fits.hdu.base._BaseHDU) -> Path:
    fits.HDUList(list(hdus)).writeto(path)
    return path


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i2", "u2", "<i4", ">i8", "<f4", ">f4", "f8"])
@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_every_pixel_type_is_read_as_it_is(tmp_path: Path, dtype: str, suffix: str):
    levels = RNG.integers(0, 100, (6, 7)).astype(dtype)
    (plane,) = planes(write(tmp_path / f"a{suffix}", fits.PrimaryHDU(levels)))
    np.testing.assert_array_equal(plane.pixels, levels)
    assert plane.band == 0


def test_scaled_integers_with_blank_become_fluxes_with_nan(tmp_path: Path):
    hdu = fits.PrimaryHDU(np.arange(12, dtype=np.int16).reshape(3, 4))
    hdu.header.update(BSCALE=0.5, BZERO=10.0, BLANK=7)
    expected = 10 + 0.5 * np.arange(12.0).reshape(3, 4)
    expected[1, 3] = np.nan
    with fits.open(write(tmp_path / "raw.fits", hdu), do_not_scale_image_data=True, mode="update") as hdus:
        hdus[0].data = np.arange(12, dtype=np.int16).reshape(3, 4)
        hdus[0].header.update(BSCALE=0.5, BZERO=10.0, BLANK=7)
    np.testing.assert_allclose(planes(tmp_path / "raw.fits")[0].pixels, expected)


def test_compressed_image_behind_an_empty_primary_is_found(tmp_path: Path):
    levels = SKY.round().astype(np.int32)
    tiles = fits.CompImageHDU(levels, compression_type="RICE_1")
    path = write(tmp_path / "a.fits.fz", fits.PrimaryHDU(header=fits.Header({"MAGZPT": 30.0})), tiles)
    (plane,) = planes(path)
    np.testing.assert_array_equal(plane.pixels, levels)
    assert plane.primary["MAGZPT"] == 30
    assert "MAGZPT" not in plane.header


def test_extensions_by_name_and_number(tmp_path: Path):
    hdus = [fits.ImageHDU(SKY + i, name=name) for i, name in enumerate(["SCI_G", "SCI_R"])]
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(), *hdus)
    for ext in ("g=SCI_G,r=SCI_R", "g = sci_g, r=2", "r=SCI_R,g=1"):
        green, red = planes(path, ("g", "r"), ext)
        np.testing.assert_array_equal(green.pixels, SKY)
        np.testing.assert_array_equal(red.pixels, SKY + 1)
    np.testing.assert_array_equal(planes(path, ("r",), "SCI_R")[0].pixels, SKY + 1)
    assert reason(path, ("r",), "ERR") == "missing_extension"
    assert reason(path, ("r",), "7") == "missing_extension"
    assert reason(path, ("r",), "0") == "no_pixels"


@pytest.mark.parametrize("text", ["g=A", "g=A,r=B,z=C", "g=A,B", "g=A,r=A", "g=A,,r=B"])
def test_extensions_that_do_not_fit_the_bands_are_a_usage_error(text: str):
    with pytest.raises(UsageError, match="--ext"):
        parse_extensions(text, ("g", "r"))


@pytest.mark.parametrize("ext", [None, "1"])
def test_planes_of_a_cube_are_its_bands(tmp_path: Path, ext: str | None):
    cube = np.stack([SKY, SKY + 1, SKY + 2])
    path = write(tmp_path / "cube.fits", fits.PrimaryHDU(), fits.ImageHDU(cube))
    found = planes(path, ("g", "r", "i"), ext)
    assert [plane.band for plane in found] == [0, 1, 2]
    np.testing.assert_array_equal([plane.pixels for plane in found], cube)
    assert reason(path, ("g", "r"), ext) == "wrong_bands"
    assert reason(path, ("g",), ext) == "wrong_bands"


def test_one_flat_image_is_not_taken_for_several_bands(tmp_path: Path):
    path = write(tmp_path / "flat.fits", fits.PrimaryHDU(SKY))
    assert reason(path, ("g", "r")) == reason(path, ("g", "r"), "0") == "wrong_bands"


def test_degenerate_axes_do_not_matter(tmp_path: Path):
    path = write(tmp_path / "radio.fits", fits.PrimaryHDU(SKY[None, None]))
    np.testing.assert_array_equal(planes(path)[0].pixels, SKY)


def test_shape_and_header_are_there_without_the_pixels(tmp_path: Path):
    hdu = fits.CompImageHDU(SKY)
    hdu.header["MAGZPT"] = 25.0
    (plane,) = headers(write(tmp_path / "a.fits", fits.PrimaryHDU(), hdu))
    assert plane.pixels.shape == SKY.shape
    assert plane.header["MAGZPT"] == 25.0


def test_files_without_usable_pixels_say_why(tmp_path: Path):
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3))])
    assert reason(write(tmp_path / "table.fits", fits.PrimaryHDU(), table)) == "no_pixels"
    assert reason(write(tmp_path / "empty.fits", fits.PrimaryHDU())) == "no_pixels"
    assert reason(write(tmp_path / "line.fits", fits.PrimaryHDU(SKY[0]))) == "no_pixels"
    assert reason(tmp_path / "absent.fits") == "missing_image"
    assert reason(tmp_path / f"{'x' * 300}.fits") == "missing_image"
    (tmp_path / "text.fits").write_text("not a FITS file\n" * 400)
    (tmp_path / "nothing.fits").touch()
    assert reason(tmp_path / "text.fits") == reason(tmp_path / "nothing.fits") == "unreadable_image"


def big(path: Path, side: int) -> Path:
    """A file of one block that claims an image of `side` by `side` pixels."""
    header = fits.Header({"SIMPLE": True, "BITPIX": -32, "NAXIS": 2, "NAXIS1": side, "NAXIS2": side})
    opener = gzip.open if path.suffix == ".gz" else Path.open
    with opener(path, "wb") as stream:
        stream.write(header.tostring().encode() + bytes(2880))
    return path


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
def test_a_header_that_claims_more_than_the_file_holds_is_not_believed(tmp_path: Path, name: str):
    assert reason(big(tmp_path / name, 10_000)) == "unreadable_image"
    assert reason(big(tmp_path / f"b{name}", 200_000)) in ("unreadable_image", "image_too_large")


def test_even_a_whole_file_has_to_fit_into_memory(tmp_path: Path):
    path = big(tmp_path / "sparse.fits", 35_000)
    with path.open("r+b") as stream:
        stream.truncate(2880 + 4 * 35_000**2 + 2880)
    assert reason(path) == "image_too_large"


def test_a_compressed_image_that_claims_too_much_is_not_believed(tmp_path: Path):
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(), fits.CompImageHDU(SKY))
    with fits.open(path, mode="update", disable_image_compression=True) as hdus:
        hdus[1].header.update(ZNAXIS1=100_000, ZNAXIS2=100_000)
    assert reason(path) == "image_too_large"


@pytest.mark.parametrize("compress", [False, True])
def test_damaged_fits_never_raise_anything_else(tmp_path: Path, compress: bool):
    hdu = fits.CompImageHDU(SKY) if compress else fits.ImageHDU(SKY)
    whole = bytearray(write(tmp_path / "whole.fits", fits.PrimaryHDU(), hdu).read_bytes())
    rng = np.random.default_rng(1)
    outcomes = set()
    for i in range(60):
        damaged = whole[: rng.integers(0, len(whole))] if i % 2 else whole.copy()
        for at in rng.integers(0, max(len(damaged), 1), 20 * (len(damaged) > 0)):
            damaged[at] = rng.integers(256)
        (tmp_path / "damaged.fits").write_bytes(damaged)
        try:
            (plane,) = planes(tmp_path / "damaged.fits")
            outcomes.add(f"{plane.pixels.ndim} dimensions")
        except ImageError as error:
            outcomes.add(error.reason)
    assert "unreadable_image" in outcomes
    assert outcomes <= {"unreadable_image", "no_pixels", "image_too_large", "wrong_bands", "2 dimensions"}


@pytest.mark.parametrize("cut_off", [1, 2880, 5000])
def test_a_truncated_image_is_refused_before_its_pixels_are_asked_for(tmp_path: Path, cut_off: int):
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(np.ones((60, 60))))
    path.write_bytes(path.read_bytes()[:-cut_off])
    with pytest.raises(ImageError, match="truncated"):
        headers(path)
    assert reason(path) == "unreadable_image"


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    Image.fromarray(pixels, **options).save(path)
    return path


def test_colours_of_a_picture_are_its_bands(tmp_path: Path):
    colour = RNG.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    for name, pixels in (("rgb.png", colour), ("rgba.PNG", np.dstack([colour, np.full((5, 6), 9, np.uint8)]))):
        found = planes(save(tmp_path / name, pixels), ("r", "g", "b"))
        np.testing.assert_array_equal(np.dstack([plane.pixels for plane in found]), colour)
    assert reason(tmp_path / "rgb.png", ("g",)) == reason(tmp_path / "rgb.png", ("g", "r")) == "wrong_bands"


def test_a_grey_picture_is_one_band_whatever_its_depth(tmp_path: Path):
    grey = RNG.integers(0, 256, (5, 6), dtype=np.uint8)
    with_alpha = Image.fromarray(grey).convert("LA")
    with_alpha.save(tmp_path / "alpha.png")
    save(tmp_path / "grey.png", grey)
    save(tmp_path / "deep.png", grey.astype(np.uint16) * 257)
    for name in ("alpha.png", "grey.png", "deep.png"):
        np.testing.assert_allclose(planes(tmp_path / name)[0].pixels, grey)
    Image.fromarray(grey > 127).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(planes(tmp_path / "bits.png")[0].pixels, 255.0 * (grey > 127))


def test_one_picture_a_band(tmp_path: Path):
    for level, band in ((10, "g"), (20, "r")):
        save(tmp_path / f"{band}.jpg", np.full((8, 8), level, np.uint8))
    found = planes(tmp_path / "{band}.jpg", ("g", "r"))
    assert [(plane.band, plane.pixels.mean()) for plane in found] == [(0, 10), (1, 20)]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_damaged_pictures_never_raise_anything_else(tmp_path: Path, suffix: str):
    whole = bytearray(save(tmp_path / f"whole{suffix}", RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)).read_bytes())
    rng = np.random.default_rng(2)
    path, refused = tmp_path / f"damaged{suffix}", 0
    for i in range(80):
        damaged = whole[: rng.integers(0, len(whole))] if i % 2 else whole.copy()
        for at in rng.integers(0, max(len(damaged), 1), 5 * (len(damaged) > 0)):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            assert len(planes(path, ("r", "g", "b"))) == 3
        except ImageError:
            refused += 1
    assert refused >= 30


def test_a_picture_that_claims_too_much_is_not_believed(tmp_path: Path):
    Image.new("1", (15_000, 15_000)).save(tmp_path / "bomb.png")
    assert reason(tmp_path / "bomb.png") == "image_too_large"


def first_image(path: Path) -> np.ndarray:
    """The first plane of the first image, as astropy alone reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path, memmap=False) as hdus:
            image = next(hdu for hdu in hdus if hdu.is_image and len(hdu.shape) >= 2 and np.prod(hdu.shape) > 0)
            return image.data.reshape(-1, *image.shape[-2:])[0]


def test_odd_files_of_the_world(real_data: Path):
    """Every file gives the pixels that astropy finds in it, all at once and by rows, or a reason."""
    refusals: dict[str, str] = {}
    files = [path for path in sorted((real_data / "odd_fits").rglob("*")) if path.is_file() and path.suffix != ".csv"]
    for path in files:
        template = ImageTemplate(str(path), ("r",))
        try:
            for plane in read_planes(template, "", {}, hcompress=True):
                pixels, height = np.asarray(plane.pixels), plane.pixels.shape[0]
                edges = [0, height // 3, height // 2, height]
                parts = [plane.pixels[start:stop] for start, stop in itertools.pairwise(edges)]
        except ImageError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)
            refusals[path.name] = error.reason
        else:
            np.testing.assert_array_equal(pixels, first_image(path))
            np.testing.assert_array_equal(np.concatenate(parts), pixels)
    assert len(files) > 100
    assert set(refusals.values()) == {"no_pixels", "wrong_bands", "unreadable_image"}
    assert all(name.endswith(".Z") for name, reason in refusals.items() if reason == "unreadable_image")
    assert len(refusals) < len(files) / 6
