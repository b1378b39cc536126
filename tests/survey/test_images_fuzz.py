"""Whatever stands in a file, reading it gives pixels or an `ImageError`, in little time and memory."""

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from astrokeras.survey.images import ImageError, read_planes
from astrokeras.survey.sky import Astrometry
from astrokeras.survey.template import ImageTemplate
from tests.sky import tan_header

MAX_BYTES = 1 << 22
RNG = np.random.default_rng(0)
SKY = RNG.normal(100, 5, (20, 30)).astype(np.float32)
REASONS = {"unreadable_image", "image_too_large", "no_pixels", "wrong_bands", "hcompress"}


def content_of(*hdus: fits.hdu.base._BaseHDU) -> bytes:
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


def scaled() -> fits.PrimaryHDU:
    hdu = fits.PrimaryHDU(SKY.copy())
    hdu.scale("int16", bscale=0.1, bzero=100)
    hdu.header["BLANK"] = -5
    return hdu


def compressed(kind: str) -> bytes:
    return content_of(fits.PrimaryHDU(), fits.CompImageHDU(SKY.round().astype(np.int32), compression_type=kind))


FILES = {
    "plain": content_of(fits.PrimaryHDU(SKY, tan_header(SKY.shape))),
    "scaled": content_of(scaled()),
    "extension": content_of(fits.PrimaryHDU(), fits.ImageHDU(SKY, name="SCI")),
    "quantized": content_of(fits.PrimaryHDU(), fits.CompImageHDU(SKY)),
    **{kind: compressed(kind) for kind in ("RICE_1", "GZIP_1", "GZIP_2", "PLIO_1")},
}
KEYWORDS = (
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT", "GCOUNT", "GROUPS", "EXTEND",
    "BSCALE", "BZERO", "BLANK", "EXTNAME", "TFIELDS", "TFORM1", "TTYPE1", "THEAP", "TDIM1", "TNULL1", "TSCAL1",
    "ZIMAGE", "ZCMPTYPE", "ZBITPIX", "ZNAXIS", "ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2", "ZVAL1", "ZNAME1", "ZQUANTIZ",
    "ZDITHER0", "ZSCALE", "ZZERO", "ZBLANK", "ZTENSION", "ZPCOUNT", "ZSIMPLE", "END", "CONTINUE", "CTYPE1", "CRPIX1",
    "CRVAL2", "CD1_1", "CUNIT1", "RADESYS", "A_ORDER", "PV1_1", "INHERIT", "CHECKSUM", "LONGSTRN",
)  # fmt: skip
NUMBERS = st.integers(-3, 70) | st.integers(-(2**70), 2**70) | st.floats()
VALUES = (
    NUMBERS.map(str)
    | st.sampled_from(
        ["T", "F", "", "'RICE_1'", "'GZIP_1'", "'PLIO_1'", "'1PB(9)'", "'1QB(2)'", "'IMAGE'", "'BINTABLE'"]
    )
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=70)
)


def outcome(path: Path) -> str:
    """What comes of reading the file as a whole and by rows."""
    try:
        (plane,) = (
            (np.asarray(p.pixels), p.pixels[3:9], Astrometry(p.header).wcs)
            for p in read_planes(ImageTemplate(str(path), ("r",)), "", {}, max_bytes=MAX_BYTES)
        )
    except ImageError as error:
        assert error.reason in REASONS
        assert "\n" not in str(error)
        return error.reason
    assert plane[0].ndim == 2
    assert plane[0].nbytes <= 2 * MAX_BYTES
    return "read"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "image"


@pytest.mark.parametrize("kind", FILES)
def test_the_files_are_sound_to_begin_with(path: Path, kind: str):
    path.write_bytes(FILES[kind])
    assert outcome(path) == "read"


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.sampled_from(KEYWORDS), VALUES, st.booleans()), min_size=1, max_size=4),
)
def test_headers_with_other_cards(path: Path, kind: str, cards: list[tuple[str, str, bool]]):
    """Cards of the image's header are replaced in place, or written over whatever stands there."""
    content = bytearray(FILES[kind])
    starts = [i for i in range(0, len(content), 80) if content[i : i + 8] in (b"SIMPLE  ", b"XTENSION")]
    for keyword, value, replace in cards:
        card = f"{keyword:<8}= {value:>20}"[:80].ljust(80).encode()
        at = content.find(f"{keyword:<8}= ".encode(), starts[-1]) if replace else starts[-1] + 80 * len(value)
        if at >= 0:
            content[at : at + 80] = card
    path.write_bytes(content)
    outcome(path)


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=20),
    st.floats(0, 1) | st.just(1.0),
)
def test_files_with_other_bytes_or_without_an_end(path: Path, kind: str, flips: list[tuple[float, int]], keep: float):
    content = bytearray(FILES[kind])
    for where, value in flips:
        content[int(where * len(content))] = value
    path.write_bytes(content[: int(keep * len(content))])
    outcome(path)


@settings(max_examples=150)
@given(st.binary(max_size=3000), st.sampled_from([b"", b"SIMPLE  =                    T", b"\x1f\x8b\x08", b"BZh9"]))
def test_bytes_that_are_no_image(path: Path, noise: bytes, start: bytes):
    path.write_bytes(start + noise)
    assert outcome(path) != "read"


PICTURES = {}
for _suffix, _format in ((".jpg", "JPEG"), (".png", "PNG")):
    _stream = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (24, 20, 3), dtype=np.uint8)).save(_stream, _format)
    PICTURES[_suffix] = _stream.getvalue()


@settings(max_examples=200)
@given(
    st.sampled_from(sorted(PICTURES)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.floats(0, 1) | st.just(1.0),
)
def test_pictures_with_other_bytes_or_without_an_end(
    path: Path, suffix: str, flips: list[tuple[float, int]], keep: float
):
    content = bytearray(PICTURES[suffix])
    for where, value in flips:
        content[int(where * len(content))] = value
    picture = path.with_suffix(suffix)
    picture.write_bytes(content[: int(keep * len(content))])
    try:
        planes = list(read_planes(ImageTemplate(str(picture), ("r", "g", "b")), "", {}, max_bytes=MAX_BYTES))
    except ImageError as error:
        assert error.reason in REASONS
    else:
        assert len(planes) == 3
