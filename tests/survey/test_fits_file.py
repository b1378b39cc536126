import bz2
import gzip
import json
import lzma
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrokeras.survey import streams as module
from astrokeras.survey.fits_file import FitsFile
from astrokeras.survey.image_error import ImageError

RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 1000, (40, 50)).astype(np.int32)
SKY = RNG.normal(100, 5, (40, 50)).astype(np.float32)


def read(path: Path, extension: str | int | None = None, **options) -> np.ndarray:
    with FitsFile(path, **options) as file:
        return np.array(file.image(extension).rows(0))


def refusal(path: Path, **options) -> ImageError:
    with pytest.raises(ImageError) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return caught.value


def header_block(*cards: tuple[str, object], end: bool = True) -> bytes:
    """A header exactly as it is given, sensible or not."""
    lines = [f"{key:<8}= {value!s:>20}".ljust(80)[:80] for key, value in cards] + ["END".ljust(80)] * end
    text = "".join(lines)
    return text.ljust(-(-len(text) // 2880) * 2880).encode("ascii")


def plain(*cards: tuple[str, object], data: int = 8000, end: bool = True) -> bytes:
    """A file with a primary image of 40 rows of 50 float32 pixels, unless the cards say otherwise."""
    believed = {"SIMPLE": "T", "BITPIX": -32, "NAXIS": 2, "NAXIS1": 50, "NAXIS2": 40}
    believed.update(cards)
    content = header_block(*((key, value) for key, value in believed.items() if value is not None), end=end)
    return content + bytes(-(-data // 2880) * 2880)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, bytes], ids=["gzip", "bzip2", "plain"])
@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz", "a.bz2", "a"])
def test_the_content_says_how_a_file_is_packed_not_its_name(tmp_path: Path, pack: Callable, name: str):
    fits.PrimaryHDU(SKY).writeto(tmp_path / "plain.fits")
    (tmp_path / name).write_bytes(pack((tmp_path / "plain.fits").read_bytes()))
    np.testing.assert_array_equal(read(tmp_path / name), SKY)


def test_gzip_in_several_members_and_without_padding(tmp_path: Path):
    fits.PrimaryHDU(SKY).writeto(tmp_path / "plain.fits")
    content = (tmp_path / "plain.fits").read_bytes()[: 2880 + SKY.nbytes]
    (tmp_path / "short.fits").write_bytes(content)
    (tmp_path / "members.fits.gz").write_bytes(gzip.compress(content[:5000]) + gzip.compress(content[5000:]))
    for name in ("short.fits", "members.fits.gz"):
        np.testing.assert_array_equal(read(tmp_path / name), SKY)


def test_other_packers_are_named(tmp_path: Path):
    fits.PrimaryHDU(SKY).writeto(tmp_path / "plain.fits")
    content = (tmp_path / "plain.fits").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.fits.zip", "w") as archive:
        archive.writestr("a.fits", content)
    (tmp_path / "a.fits.xz").write_bytes(lzma.compress(content))
    (tmp_path / "a.fits.Z").write_bytes(b"\x1f\x9d\x90" + bytes(100))
    for name, kind in (("a.fits.zip", "zip"), ("a.fits.xz", "xz"), ("a.fits.Z", "compress")):
        error = refusal(tmp_path / name)
        assert error.reason == "unreadable_image"
        assert f"packed by {kind}" in str(error)


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "NOCOMPRESS"])
@pytest.mark.parametrize("tile", [None, (7, 50), (16, 16), (40, 50)], ids=["rows", "strips", "squares", "whole"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_compression_and_tiling_by_rows_and_at_once(
    tmp_path: Path, kind: str, tile: tuple | None, pack: Callable
):
    hdu = fits.CompImageHDU(LEVELS, compression_type=kind, tile_shape=tile)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    (tmp_path / "a.fits").write_bytes(pack((tmp_path / "a.fits").read_bytes()))
    with FitsFile(tmp_path / "a.fits") as file:
        rows = file.image(None).rows(0)
        np.testing.assert_array_equal(np.asarray(rows), LEVELS)
        for start, stop in ((0, 1), (5, 23), (39, 40), (0, 0), (3, 40), (-5, 99)):
            np.testing.assert_array_equal(rows[start:stop], LEVELS[start:stop])


@pytest.mark.parametrize("compress", [False, True])
def test_planes_of_a_cube_are_read_one_by_one(tmp_path: Path, compress: bool):
    cube = np.arange(2 * 3 * 8 * 9).reshape(2, 3, 8, 9).astype(np.int16)
    hdu = fits.CompImageHDU(cube) if compress else fits.ImageHDU(cube)
    hdu.header["BZERO"] = 10.0
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "cube.fits")
    with fits.open(tmp_path / "cube.fits", memmap=False) as hdus:
        expected = hdus[1].data.copy()
    with FitsFile(tmp_path / "cube.fits") as file:
        image = file.image(None)
        assert image.shape == cube.shape
        for plane in range(6):
            np.testing.assert_array_equal(image.rows(plane)[2:5], expected.reshape(6, 8, 9)[plane, 2:5])


def test_quantized_floats_with_nan_are_those_of_astropy(tmp_path: Path):
    pixels = SKY.copy()
    pixels[3, 4:9], pixels[7] = np.nan, 0
    for method in (1, 2, -1):
        path = tmp_path / f"{method}.fits"
        hdu = fits.CompImageHDU(pixels, quantize_method=method, dither_seed=9)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
        expected = fits.getdata(path, 1)
        with FitsFile(path) as file:
            rows = file.image(None).rows(0)
            np.testing.assert_array_equal(np.concatenate([rows[:11], rows[11:]]), expected)
        assert np.isnan(expected[3, 4:9]).all()


def test_hcompress_has_to_be_asked_for(tmp_path: Path):
    hdu = fits.CompImageHDU(LEVELS, compression_type="HCOMPRESS_1", tile_shape=(20, 50))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    error = refusal(tmp_path / "a.fits")
    assert error.reason == "hcompress"
    assert "--hcompress" in str(error)
    np.testing.assert_array_equal(read(tmp_path / "a.fits", hcompress=True), LEVELS)


NONSENSE = {
    "no such BITPIX": [("BITPIX", 12)],
    "BITPIX in words": [("BITPIX", "'many'")],
    "a thousand axes": [("NAXIS", 1000)],
    "a negative number of axes": [("NAXIS", -2)],
    "far too many axes": [("NAXIS", 10**12)],
    "half an axis": [("NAXIS1", 10.5)],
    "an axis in words": [("NAXIS1", "'long'")],
    "an axis that is true": [("NAXIS1", "(1, 2)")],
    "a missing axis": [("NAXIS1", None)],
    "a negative axis": [("NAXIS1", -50)],
    "two negative axes": [("NAXIS1", -50), ("NAXIS2", -40)],
    "an absurd axis": [("NAXIS1", 10**30)],
    "no scale": [("BSCALE", "0.0")],
    "NaN scale": [("BSCALE", "NaN")],
    "a scale in words": [("BSCALE", "'big'")],
    "infinite zero": [("BZERO", "1E999")],
    "undefined scale": [("BSCALE", "")],
    "complex scale": [("BSCALE", "(1.0, 2.0)")],
    "an axis too long": [("NAXIS1", 51000)],
    "groups": [("GROUPS", "T"), ("PCOUNT", 3), ("GCOUNT", 5), ("NAXIS1", 0)],
    "heaps of parameters": [("PCOUNT", 10**15), ("GCOUNT", 10**15)],
}


@pytest.mark.parametrize("cards", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_headers_that_make_no_sense_are_refused_or_do_no_harm(tmp_path: Path, cards: list, pack: Callable):
    (tmp_path / "a.fits").write_bytes(pack(plain(*cards)))
    try:
        pixels = read(tmp_path / "a.fits", max_bytes=1 << 24)
    except ImageError as error:
        assert error.reason in ("unreadable_image", "image_too_large", "no_pixels")
        assert len(str(error)) < 400
    else:
        assert cards in ([("BSCALE", "")], NONSENSE["heaps of parameters"])
        assert pixels.shape == (40, 50)


def test_a_header_without_end_is_not_read_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_HEADER_BYTES", 1 << 20)
    (tmp_path / "short.fits").write_bytes(plain(end=False, data=0))
    blank = plain(end=False, data=0) + b" " * ((1 << 20) + 28800)
    (tmp_path / "long.fits").write_bytes(blank)
    (tmp_path / "long.fits.gz").write_bytes(gzip.compress(blank))
    empty = header_block(("XTENSION", "'IMAGE   '"), ("BITPIX", 8), ("NAXIS", 0), ("PCOUNT", 0), ("GCOUNT", 1))
    (tmp_path / "many.fits").write_bytes(plain(("NAXIS", 0), ("NAXIS1", None), ("NAXIS2", None), data=0) + empty * 400)
    for name in ("short.fits", "long.fits", "long.fits.gz", "many.fits"):
        assert refusal(tmp_path / name).reason == "unreadable_image"


def deflate_bomb(path: Path, tile_bytes: int) -> Path:
    """A tile-compressed image of one tile of 40 by 50 pixels whose deflated bytes unpack to far more."""
    fits.HDUList(
        [fits.PrimaryHDU(), fits.CompImageHDU(LEVELS, compression_type="GZIP_1", tile_shape=(40, 50))]
    ).writeto(path)
    heap = gzip.compress(bytes(tile_bytes), 9)
    with fits.open(path, disable_image_compression=True) as hdus:
        location = hdus.fileinfo(1)["datLoc"]
        hdus[1].header["PCOUNT"] = len(heap)
        header = hdus[1].header.tostring().encode()
        first = hdus.fileinfo(1)["hdrLoc"]
    content = path.read_bytes()[:first] + header
    content += np.array([len(heap), 0], ">i4").tobytes() + heap
    assert location == first + len(header)
    path.write_bytes(content + bytes(-len(content) % 2880))
    return path


def test_a_tile_that_unpacks_to_more_than_its_pixels_is_refused(tmp_path: Path):
    for tile_bytes, reason in ((100 << 20, "image_too_large"), (9000, "unreadable_image")):
        with pytest.raises(ImageError) as caught:
            read(deflate_bomb(tmp_path / f"{tile_bytes}.fits", tile_bytes))
        assert caught.value.reason == reason


@pytest.mark.parametrize(
    "cards",
    [
        {"ZTILE1": 0}, {"ZTILE1": -50}, {"ZTILE2": 2}, {"ZNAXIS2": 4000}, {"ZNAXIS": 3}, {"ZNAXIS": 0}, {"ZBITPIX": 7},
        {"ZCMPTYPE": "ZIP_9"}, {"ZVAL1": 0}, {"ZVAL1": -1}, {"ZVAL1": "x"}, {"ZVAL2": 3}, {"ZVAL2": 1 << 40},
        {"ZDITHER0": -7}, {"ZDITHER0": 10**9}, {"PCOUNT": -1}, {"NAXIS2": 39}, {"TFORM1": "1PE(9)"}, {"TFORM1": "20A"},
        {"TFORM1": "1PB("}, {"TTYPE1": "OTHER"}, {"ZQUANTIZ": "NONSENSE"}, {"NAXIS1": 800_000_000}, {"THEAP": 10**12},
        {"ZIMAGE": False}, {"TFIELDS": 99}, {"TFIELDS": 0}, {"ZNAXIS1": 10**12}, {"ZSCALE": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_compressed_headers_that_make_no_sense_are_refused_or_do_no_harm(tmp_path: Path, cards: dict):
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(SKY)]).writeto(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits", disable_image_compression=True) as hdus:
        first, location = hdus.fileinfo(1)["hdrLoc"], hdus.fileinfo(1)["datLoc"]
        header = hdus[1].header.copy()
    header.update(cards)
    content = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(content[:first] + header.tostring().encode() + content[location:])
    try:
        assert read(tmp_path / "a.fits", max_bytes=1 << 24).size > 0
    except ImageError as error:
        assert error.reason in ("unreadable_image", "image_too_large", "no_pixels")


def test_duplicate_extensions_give_the_first(tmp_path: Path):
    hdus = [fits.ImageHDU(SKY + i, name="SCI", ver=i + 1) for i in range(3)]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    np.testing.assert_array_equal(read(tmp_path / "a.fits", "SCI"), SKY)
    np.testing.assert_array_equal(read(tmp_path / "a.fits", 3), SKY + 2)


def test_a_claim_above_the_limit_is_refused_and_the_limit_can_be_moved(tmp_path: Path):
    fits.PrimaryHDU(SKY).writeto(tmp_path / "a.fits")
    np.testing.assert_array_equal(read(tmp_path / "a.fits", max_bytes=SKY.nbytes), SKY)
    error = refusal(tmp_path / "a.fits", max_bytes=SKY.nbytes - 1)
    assert error.reason == "image_too_large"
    assert "--max-image-bytes" in str(error)


MEASURE = """
import json, resource, sys
from pathlib import Path
import numpy as np
from astrokeras.survey.images import ImageError, read_planes
from astrokeras.survey.template import ImageTemplate
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
outcomes = {}
for path in sys.argv[2:]:
    try:
        (plane,) = (np.asarray(p.pixels) for p in read_planes(ImageTemplate(path, ("r",)), "", {},
                    max_bytes=int(sys.argv[1])))
        outcomes[path] = "read"
    except ImageError as error:
        outcomes[path] = f"{error.reason}: {error}"
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"outcomes": outcomes, "grown": (after - before) * 1024}))
"""


def measure(limit: int, paths: list[Path]) -> tuple[dict[str, str], int]:
    """Read files in a process of its own; what came of each, and by how many bytes its memory grew at most."""
    command = [sys.executable, "-c", MEASURE, str(limit), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result = json.loads(done.stdout)
    return result["outcomes"], result["grown"]


def test_bombs_take_neither_memory_nor_time(tmp_path: Path):
    """Each of these files is small, and claims or unpacks to hundreds of MB and more."""
    zeros = gzip.compress(bytes(150 << 20), 1)
    image = plain(data=0)
    bombs = {
        "claim.fits": plain(("NAXIS1", 30_000), ("NAXIS2", 30_000)),
        "claim.fits.gz": gzip.compress(plain(("NAXIS1", 30_000), ("NAXIS2", 30_000))),
        "behind.fits.gz": gzip.compress(plain(("NAXIS", 1), ("NAXIS1", 10**12), ("NAXIS2", None), data=0)) + zeros,
        "blank.fits.gz": gzip.compress(plain(end=False, data=0)) + gzip.compress(b" " * (150 << 20), 1),
        "first.fits.bz2": bz2.compress(b" " * (60 << 20)),
        "tail.fits.gz": gzip.compress(image) + zeros,
        "honest.fits.gz": gzip.compress(plain(("NAXIS1", 6000), ("NAXIS2", 6000), data=0)) + zeros,
    }
    for name, content in bombs.items():
        (tmp_path / name).write_bytes(content)
    deflate_bomb(tmp_path / "tile.fits", 150 << 20)
    paths = sorted(tmp_path.iterdir())
    assert max(path.stat().st_size for path in paths) < 2 << 20
    start = time.monotonic()
    outcomes, grown = measure(32 << 20, paths)
    assert time.monotonic() - start < 60  # a hang, not a benchmark
    assert grown < 100 << 20
    read_well = {Path(path).name for path, outcome in outcomes.items() if outcome == "read"}
    assert read_well == {"tail.fits.gz"}
    reasons = {outcome.split(":")[0] for outcome in outcomes.values()}
    assert reasons == {"read", "image_too_large", "unreadable_image"}


def test_every_odd_file_of_the_world_in_little_memory(real_data: Path):
    files = [path for path in sorted((real_data / "odd_fits").rglob("*")) if path.is_file() and path.suffix != ".csv"]
    outcomes, grown = measure(1 << 28, files)
    assert len(outcomes) == len(files) > 100
    assert grown < 100 << 20
    assert sum(outcome == "read" for outcome in outcomes.values()) > len(files) * 0.8
