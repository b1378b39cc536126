import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrokeras.survey.fits_file import FitsFile
from astrokeras.survey.images import ImageError, read_planes
from astrokeras.survey.scaling import Asinh
from astrokeras.survey.template import ImageTemplate
from tests.survey.test_fits_file import header_block


def write(path: Path, stored: np.ndarray, pack: Callable = bytes, **cards: object) -> Path:
    """A file of these stored numbers, byte by byte."""
    bitpix = stored.dtype.itemsize * (-8 if stored.dtype.kind == "f" else 8)
    axes = [(f"NAXIS{i + 1}", n) for i, n in enumerate(reversed(stored.shape))]
    header = header_block(
        ("SIMPLE", "T"), ("BITPIX", bitpix), ("NAXIS", stored.ndim), *axes, *((k, v) for k, v in cards.items())
    )
    data = stored.astype(stored.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(pack(header + data + bytes(-len(data) % 2880)))
    return path


def read(path: Path, plane: int = 0) -> np.ndarray:
    with FitsFile(path, hcompress=True) as file:
        return np.array(file.image(None).rows(plane))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("dtype", "zero", "blank"),
    [
        (np.int8, None, None), (np.uint8, -128, 0), (np.uint8, -128, 255),
        (np.int16, 32768, -32768), (np.int16, 32768, 7),
        (np.int32, 2**31, -(2**31)), (np.int32, 2**31, 9), (np.int64, 2**63, -(2**63)), (np.int64, 2**63, 2**60 + 1),
        (np.int64, 0, 2**53 + 1), (np.int16, 0, 0),
    ],
)  # fmt: skip
def test_blank_is_a_stored_number_whatever_the_zero(tmp_path: Path, dtype: type, zero: int, blank: int, pack: Callable):
    if blank is None:
        dtype, zero, blank = np.uint8, 0, 3
    stored = np.array([[blank, 1, 2, 3], [0, 5, blank, 100]], dtype)
    if dtype is np.int64:
        stored[0, 1:3] = blank + 1, blank + 2  # as float64 they are all one
    path = write(tmp_path / "a.fits", stored, pack, BZERO=zero, BLANK=blank)
    values = read(path)
    for number, value in zip(stored.ravel().tolist(), values.ravel(), strict=True):
        assert np.isnan(value) if number == blank else int(value) == number + zero
    without = read(write(tmp_path / "b.fits", stored, pack, BZERO=zero))
    assert [int(value) for value in without.ravel()] == [number + zero for number in stored.ravel().tolist()]


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1"])
def test_blank_in_compressed_unsigned_and_scaled_images(tmp_path: Path, kind: str):
    stored = np.arange(64, dtype=np.int16).reshape(8, 8)
    hdu = fits.CompImageHDU(stored, compression_type=kind, tile_shape=(8, 8))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    for zero, scale in ((32768, 1), (0, 0.5)):
        with fits.open(tmp_path / "a.fits", disable_image_compression=True) as hdus:
            hdus[1].header.update(BZERO=zero, BSCALE=scale, BLANK=21)
            hdus.writeto(tmp_path / "b.fits", overwrite=True)
        expected = np.where(stored == 21, np.nan, stored * scale + float(zero))
        np.testing.assert_array_equal(read(tmp_path / "b.fits"), expected)


def test_floats_know_no_blank(tmp_path: Path):
    stored = np.array([[0, 1, np.nan], [3, 4, 5]], np.float32)
    np.testing.assert_array_equal(read(write(tmp_path / "a.fits", stored, BLANK=4)), stored)
    hdu = fits.CompImageHDU(stored, compression_type="GZIP_1", quantize_level=0)
    hdu.header["BLANK"] = 4
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "b.fits", output_verify="ignore")
    np.testing.assert_array_equal(read(tmp_path / "b.fits"), stored)


def test_planes_of_a_scaled_cube(tmp_path: Path):
    stored = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    path = write(tmp_path / "a.fits", stored, BSCALE=0.25, BZERO=-1, BLANK=13)
    np.testing.assert_array_equal(read(path, 1), np.where(stored[1] == 13, np.nan, stored[1] * 0.25 - 1))


@pytest.mark.parametrize("where", ["image", "first header"])
def test_asinh_pixels_become_flux(tmp_path: Path, where: str):
    """v = 2.5 / ln 10 × asinh((f − offset) / 2 softening), inverted."""
    flux = np.array([[-3.0, 0.5, 12, 4000], [5, 6, 7, 8]])
    stored = (2.5 / np.log(10) * np.arcsinh((flux - 1.5) / (2 * 0.75))).astype(np.float32)
    cards = fits.Header({"BSOFTEN": 0.75, "BOFFSET": 1.5})
    hdus = [fits.PrimaryHDU(header=cards if where == "first header" else None)]
    hdus.append(fits.ImageHDU(stored, header=cards if where == "image" else None))
    fits.HDUList(hdus).writeto(tmp_path / "r.fits")
    template = ImageTemplate(str(tmp_path / "{band}.fits"), ("r",))
    (pixels,) = (np.asarray(plane.pixels) for plane in read_planes(template, "", {}))
    np.testing.assert_allclose(pixels, flux, rtol=1e-5, atol=1e-5)
    (weights,) = (np.asarray(plane.pixels) for plane in read_planes(template, "", {}, shared=True))
    np.testing.assert_array_equal(weights, stored)
    assert np.isinf(Asinh(1, 0).flux(np.array([1e5]))).all()


@pytest.mark.parametrize(
    "cards", [{"BSOFTEN": 1.0}, {"BOFFSET": 1.0}, {"BSOFTEN": "x", "BOFFSET": 1}, {"BSOFTEN": -1.0, "BOFFSET": 0}]
)
def test_half_an_asinh_scale_is_refused_by_name(tmp_path: Path, cards: dict):
    fits.PrimaryHDU(np.ones((4, 4), np.float32), fits.Header(cards)).writeto(tmp_path / "r.fits")
    with pytest.raises(ImageError, match=r"BSOFTEN|BOFFSET"):
        list(read_planes(ImageTemplate(str(tmp_path / "{band}.fits"), ("r",)), "", {}))
