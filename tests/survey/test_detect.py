from pathlib import Path

import numpy as np
import pytest
import sep
from astropy.table import Table
from scipy.spatial import cKDTree

from astrokeras.config import ConvertConfig, configure
from astrokeras.errors import UsageError
from astrokeras.survey.cutting import Cutting, parse_cutting
from astrokeras.survey.detect import COLUMNS, Detection, detect_field, parse_detection
from astrokeras.survey.images import ImageError
from tests.sky import tan_header, write_image

SHAPE = (300, 360)
ONE = Detection((0,), 1.5, 5)


def stars(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positions on a jittered lattice, so that none touch."""
    rng = np.random.default_rng(seed)
    columns, rows = np.meshgrid(np.arange(20, SHAPE[1] - 15, 30), np.arange(20, SHAPE[0] - 15, 30))
    x, y = columns.ravel()[:n].astype(float), rows.ravel()[:n].astype(float)
    return x + rng.uniform(-5, 5, len(x)), y + rng.uniform(-5, 5, len(y))


def image(
    x: np.ndarray, y: np.ndarray, flux: float, noise: float = 5.0, sky: float = 200.0, seed: int = 1
) -> np.ndarray:
    rows, columns = np.indices(SHAPE)
    pixels = np.random.default_rng(seed).normal(sky, noise, SHAPE) + 0.1 * columns
    for at_x, at_y in zip(x, y, strict=True):
        pixels += flux * np.exp(-((columns - at_x) ** 2 + (rows - at_y) ** 2) / (2 * 1.8**2)) / (2 * np.pi * 1.8**2)
    return pixels.astype(np.float32)


def cutting(directory: Path, bands: tuple[str, ...] = ("g", "r"), **options) -> Cutting:
    return parse_cutting(
        configure(ConvertConfig, images=str(directory / "{field}_{band}.fits"), bands=bands, out="out", **options)
    )


def nearest(found: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return cKDTree(np.stack([found["X"], found["Y"]], axis=1)).query(np.stack([x, y], axis=1))[0]


def test_every_star_is_found_where_it_is(tmp_path: Path):
    x, y = stars()
    write_image(tmp_path / "A_g.fits", image(x, y, 8000).astype(">f8"), tan_header(SHAPE))
    write_image(tmp_path / "A_r.fits", image(x, y, 100), tan_header(SHAPE))
    found = detect_field(cutting(tmp_path), ONE, "A")
    assert set(found) == set(COLUMNS)
    assert len(found["X"]) == len(x)
    assert nearest(found, x, y).max() < 0.1
    assert np.all(np.lexsort((found["X"], found["Y"])) == np.arange(len(x)))
    field_x, field_y = 179.5, 149.5
    middle = np.argmin(np.hypot(found["X"] - field_x, found["Y"] - field_y))
    assert found["RA"][middle] == pytest.approx(150, abs=0.005)
    assert found["DEC"][middle] == pytest.approx(2, abs=0.005)
    assert found["DEPTH"].min() == pytest.approx(min(x.min(), y.min(), (359 - x).min(), (299 - y).min()), abs=0.1)


def test_bands_together_show_what_one_alone_does_not(tmp_path: Path):
    x, y = stars()
    # Fluxes and noise of the second band in another unit: the zero points bring them together.
    for band, unit, seed in (("g", 1.0, 1), ("r", 1e-12, 2)):
        write_image(tmp_path / f"A_{band}.fits", image(x, y, 190, seed=seed) * np.float32(unit))
    cuts = cutting(tmp_path, zero_point="g=30,r=0")
    alone = [nearest(detect_field(cuts, Detection((band,), 1.5, 5), "A"), x, y) < 1.5 for band in (0, 1)]
    both = nearest(detect_field(cuts, Detection((0, 1), 1.5, 5), "A"), x, y) < 1.5
    assert both.mean() > 0.8
    assert both.sum() > max(alone[0].sum(), alone[1].sum()) * 1.3


def test_empty_sky_shows_nothing(tmp_path: Path):
    for band, seed in (("g", 1), ("r", 2)):
        write_image(tmp_path / f"A_{band}.fits", image(*np.empty((2, 0)), 0, seed=seed))
    for bands in ((0,), (0, 1)):
        found = detect_field(cutting(tmp_path), Detection(bands, 1.5, 5), "A")
        assert len(found["X"]) == 0
        assert set(found) == set(COLUMNS)


def test_bad_pixels_are_no_objects_and_hide_none_of_another_band(tmp_path: Path):
    x, y = stars()
    pixels = image(x, y, 8000)
    pixels[100:160, 100:200] = np.nan
    pixels[200, :] = np.inf
    write_image(tmp_path / "A_g.fits", pixels)
    write_image(tmp_path / "A_r.fits", image(x, y, 8000, seed=3))
    inside = (x > 95) & (x < 205) & (y > 95) & (y < 165)
    clear = ~inside & (np.abs(y - 200) > 10)
    alone = detect_field(cutting(tmp_path), ONE, "A")
    assert nearest(alone, x[clear], y[clear]).max() < 0.1
    hole = (alone["X"] > 101) & (alone["X"] < 198) & (alone["Y"] > 101) & (alone["Y"] < 158)
    assert not hole.any()
    assert np.all(np.hypot(alone["X"][:, None] - x, alone["Y"][:, None] - y).min(axis=1) < 3)
    both = detect_field(cutting(tmp_path), Detection((0, 1), 1.5, 5), "A")
    assert nearest(both, x, y).max() < 0.5


@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0])
def test_a_field_without_sky_has_no_objects(tmp_path: Path, value: float):
    for band in "gr":
        write_image(tmp_path / f"A_{band}.fits", np.full((80, 90), value, np.float32))
    for bands in ((0,), (0, 1)):
        assert len(detect_field(cutting(tmp_path), Detection(bands, 1.5, 5), "A")["X"]) == 0


def test_buffers_that_overflow_are_made_larger(tmp_path: Path):
    x, y = stars()
    write_image(tmp_path / "A_g.fits", image(x, y, 80000))
    cuts = cutting(tmp_path, ("g",))
    before, limit = sep.get_extract_pixstack(), sep.get_sub_object_limit()
    expected = detect_field(cuts, ONE, "A")
    try:
        sep.set_extract_pixstack(200)
        found = detect_field(cuts, ONE, "A")
        assert sep.get_extract_pixstack() > 200
    finally:
        sep.set_extract_pixstack(before)
        sep.set_sub_object_limit(limit)
    np.testing.assert_equal(found, expected)


def test_what_cannot_be_searched_says_why(tmp_path: Path):
    write_image(tmp_path / "A_g.fits", np.zeros((80, 90), np.float32))
    with pytest.raises(ImageError, match="A_r"):
        detect_field(cutting(tmp_path), ONE, "A")
    write_image(tmp_path / "A_r.fits", np.zeros((90, 90), np.float32))
    with pytest.raises(ImageError, match="bands have different shapes"):
        detect_field(cutting(tmp_path), Detection((0, 1), 1.5, 5), "A")


def test_the_option():
    assert parse_detection("i + r", ("g", "r", "i"), 2.0, 4) == Detection((1, 2), 2.0, 4)
    with pytest.raises(UsageError, match="'R' is unknown; did you mean r"):
        parse_detection("R", ("g", "r"), 2.0, 4)
    with pytest.raises(UsageError, match="positive"):
        parse_detection("r", ("g", "r"), 0.0, 4)


def test_a_real_field_gives_its_published_catalogue(real_data: Path):
    folder = real_data / "kids9"
    template, bands = str(folder / "{band}.fits"), ("r", "i")
    cuts = parse_cutting(
        configure(ConvertConfig, images=template, bands=bands, out="out", zero_point="0", hcompress=True)
    )
    found = detect_field(cuts, Detection((0, 1), 1.5, 5), "")
    catalog = Table.read(folder / "catalog.fits")
    assert np.mean(nearest(found, catalog["X"], catalog["Y"]) < 1) > 0.95
    assert len(found["X"]) == pytest.approx(len(catalog), rel=0.1)
