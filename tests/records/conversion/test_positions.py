"""The whole way from images and a catalogue to records: where objects lie, what is bad, and what is valid."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from photutils.centroids import centroid_2dg

from astrokeras.config import replaced
from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.parsing import parser
from tests.sky import config_for, noise_image, run, tan_header, write_image

SHAPE, SIZE = (120, 110), 16
RNG = np.random.default_rng(0)
GRID_X, GRID_Y = (axis.ravel().astype(float) for axis in np.meshgrid(np.arange(18, 95, 18), np.arange(18, 105, 18)))
STAR_X, STAR_Y = GRID_X + RNG.uniform(-0.5, 0.5, GRID_X.size), GRID_Y + RNG.uniform(-0.5, 0.5, GRID_X.size)
STAR_X[:2], STAR_Y[2:4] = GRID_X[:2] + 0.5, GRID_Y[2:4] - 0.5  # half-way between pixels


def stars(dx: float = 0, dy: float = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    column, row = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    pixels = np.zeros(shape)
    for x, y in zip(STAR_X + dx, STAR_Y + dy, strict=True):
        pixels += 1000 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / 2 / 1.4**2)
    return pixels.astype(np.float32)


def check_centres(examples: dict[str, dict]) -> None:
    """Every star is where the catalogue puts it, to a hundredth of a pixel, in both bands."""
    assert len(examples) == STAR_X.size
    for i, (x, y) in enumerate(zip(STAR_X, STAR_Y, strict=True)):
        window = np.ceil((x - SIZE / 2, y - SIZE / 2))
        for band in range(2):
            centre = np.array(centroid_2dg(examples[str(i)]["image"][..., band].astype(float)))
            np.testing.assert_allclose(centre + window, (x, y), atol=0.01)


def distorted(header: fits.Header) -> fits.Header:
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header.update(A_ORDER=2, B_ORDER=2, A_2_0=3e-5, B_1_1=-2e-5)
    return header


@pytest.mark.parametrize("way", ["WCS", "SIP", "shifted band", "x and y", "x and y from 1", "X_IMAGE", "compressed"])
def test_stars_lie_where_the_catalogue_says(tmp_path: Path, way: str):
    header = tan_header(SHAPE, angle=40)
    if way == "SIP":
        header = distorted(header)
    other, pixels = header.copy(), stars()
    if way == "shifted band":
        other["CRPIX1"] += 5
        other["CRPIX2"] -= 3
        pixels = stars(5, -3, (118, 120))
    ra, dec = WCS(header).all_pix2world(STAR_X, STAR_Y, 0)
    by_pixels = {"x and y": ("x", "y", 0), "x and y from 1": ("x", "y", 1), "X_IMAGE": ("X_IMAGE", "Y_IMAGE", 1)}
    places, options = {"ra": ra, "dec": dec}, {}
    if way in by_pixels:
        x_name, y_name, origin = by_pixels[way]
        places = {x_name: STAR_X + origin, y_name: STAR_Y + origin}
        header = other = None
        options = {"origin": 1} if way == "x and y from 1" else {}
    write_image(tmp_path / "A_g.fits", stars(), header)
    if way == "compressed":
        tiles = fits.CompImageHDU(pixels, other, quantize_level=0, compression_type="GZIP_1")
        fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(tmp_path / "A_r.fits")
    else:
        write_image(tmp_path / "A_r.fits", pixels, other)
    table = {"id": np.arange(STAR_X.size), "field": ["A"] * STAR_X.size, **places}
    Table(table).write(tmp_path / "catalog.fits")
    _, examples, rejects = run(config_for(tmp_path, size=SIZE, splits="train=1", **options))
    assert not rejects
    check_centres(examples)


@pytest.mark.parametrize("resample", [False, True])
def test_a_turned_band_needs_resampling(tmp_path: Path, resample: bool):
    pytest.importorskip("reproject")
    write_image(tmp_path / "A_g.fits", stars(), tan_header(SHAPE))
    big = (200, 200)
    header = tan_header(big, angle=33)
    ra, dec = WCS(tan_header(SHAPE)).all_pix2world(STAR_X, STAR_Y, 0)
    x, y = WCS(header).all_world2pix(ra, dec, 0)
    column, row = np.meshgrid(np.arange(big[1]), np.arange(big[0]))
    pixels = sum(1000 * np.exp(-((column - a) ** 2 + (row - b) ** 2) / 2 / 1.4**2) for a, b in zip(x, y, strict=True))
    write_image(tmp_path / "A_r.fits", pixels.astype(np.float32), header)
    Table({"id": np.arange(STAR_X.size), "ra": ra, "dec": dec}).write(tmp_path / "catalog.fits")
    config = config_for(tmp_path, size=SIZE, splits="train=1", resample=resample)
    if not resample:
        with pytest.raises(AstrokerasError, match="--resample"):
            run(config)
        return
    _, examples, rejects = run(config)
    assert not rejects
    check_centres(examples)


def test_bad_pixels_count_and_the_valid_mask_says_which(tmp_path: Path):
    for seed, band in enumerate("gr"):
        write_image(tmp_path / f"A_{band}.fits", noise_image(seed, SHAPE))
        weights = np.ones(SHAPE)
        weights[:, 40:43] = -1
        weights[:60, 70:90] = np.nan
        write_image(tmp_path / f"A_{band}.weight.fits", weights)
    mask = np.zeros(SHAPE, dtype=np.int16)
    mask[::7, ::5] = 8
    mask[1::7, ::5] = 2  # a bit that does no harm
    write_image(tmp_path / "A.mask.fits", mask)
    ids = [f"{i:03d}" for i in range(60)]
    x, y = RNG.uniform(10, 100, 60), RNG.uniform(10, 110, 60)
    Table({"id": ids, "field": ["A"] * 60, "x": x, "y": y}).write(tmp_path / "catalog.fits")
    config = config_for(
        tmp_path, splits="train=1", edge="pad", max_bad_fraction=0.25, valid=True, mask_bits="8,16",
        weight=str(tmp_path / "{field}_{band}.weight.fits"), mask=str(tmp_path / "{field}.mask.fits"),
    )  # fmt: skip
    records, examples, rejects = run(config)
    assert set(rejects.values()) == {"bad_pixels"}
    assert 5 < len(rejects) < 55
    bad = (weights <= 0) | np.isnan(weights) | (mask & 24 != 0)
    for name, example in examples.items():
        i = int(name)
        x0, y0 = int(np.ceil(x[i] - 8)), int(np.ceil(y[i] - 8))
        expected = np.zeros((16, 16), dtype=bool)
        for row, column in np.ndindex(16, 16):
            if 0 <= y0 + row < SHAPE[0] and 0 <= x0 + column < SHAPE[1]:
                expected[row, column] = not bad[y0 + row, x0 + column]
        valid = np.frombuffer(example["valid"], np.uint8).reshape(16, 16, 2)
        np.testing.assert_array_equal(valid, np.stack([expected] * 2, axis=-1))
        np.testing.assert_array_equal(np.isfinite(example["image"]), valid == 1)
    inputs = {Path(entry["path"]).name for entry in records.content["inputs"]}
    assert {"A_r.weight.fits", "A.mask.fits"} <= inputs
    by_tfds = tfds.builder_from_directory(records.path).as_dataset(split="train")
    serialized = tf.data.TFRecordDataset([str(path) for path in records.shards("train")]).batch(8)
    parsed = serialized.map(parser(records, ["id", "valid"], size=10))
    for example in by_tfds.as_numpy_iterator():
        np.testing.assert_array_equal(
            example["valid"].ravel(), np.frombuffer(examples[example["id"].decode()]["valid"], np.uint8)
        )
    for batch in parsed.as_numpy_iterator():
        for name, valid in zip(batch["id"], batch["valid"], strict=True):
            whole = np.frombuffer(examples[name.decode()]["valid"], np.uint8).reshape(16, 16, 2)
            np.testing.assert_array_equal(valid, whole[3:13, 3:13])
    plain, _, _ = run(replaced(config, valid=False, out=str(tmp_path / "plain")))
    with pytest.raises(AstrokerasError, match="no column 'valid'"):
        parser(plain, ["valid"])
    (tmp_path / "A_r.weight.fits").unlink()
    with pytest.raises(AstrokerasError, match="weight"):
        run(replaced(config, out=str(tmp_path / "other")))
