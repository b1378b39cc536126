import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from PIL import Image

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.picture import (
    CAPTION,
    CELL,
    COLUMNS,
    HEAD,
    ROWS,
    describe_colours,
    rgb,
    scale_bar,
    upright,
    write_sheet,
)


def records_of(**content) -> RecordsDirectory:
    bands = content.setdefault("bands", ["g", "r", "i"])
    defaults = {"unit": "nJy", "sky": [100.0] * len(bands), "noise": [5.0] * len(bands)}
    return RecordsDirectory(Path("nowhere"), {**defaults, **content})


def test_the_reddest_band_is_shown_red_and_the_brightest_brightest():
    flux = np.full((4, 8, 8, 3), 100.0)
    flux[0, ..., 2] += 50
    flux[1, ..., 0] += 50
    flux[2] += 50
    shown = rgb(flux, records_of())
    assert shown.shape == (4, 8, 8, 3)
    assert shown.dtype == np.uint8
    red, blue, white, sky = shown[:, 0, 0].astype(int)
    assert red[0] > red[1] == red[2]
    assert blue[2] > blue[1] == blue[0]
    assert white[0] == white[1] == white[2] > sky.max() + 50
    np.testing.assert_array_equal(rgb(flux * 7, records_of(sky=[700.0] * 3, noise=[35.0] * 3)), shown)


def test_nan_looks_like_sky():
    flux = np.full((2, 4, 4, 3), 100.0)
    flux[0, 1] = np.nan
    shown = rgb(flux, records_of())
    np.testing.assert_array_equal(shown[0], shown[1])


@pytest.mark.parametrize("bands", [1, 2, 3, 5, 12])
def test_any_number_of_bands_makes_a_picture(bands: int):
    flux = 100 + 20 * np.random.default_rng(0).random((2, 6, 6, bands))
    shown = rgb(flux, records_of(bands=[f"b{i}" for i in range(bands)]))
    assert shown.shape == (2, 6, 6, 3)
    assert np.ptp(shown) > 0
    assert bands > 1 or np.ptp(shown, axis=-1).max() == 0


def test_display_levels_stay_as_they_are():
    levels = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3)).astype(np.float32)
    records = records_of(unit="display", bands=["r", "g", "b"])
    np.testing.assert_array_equal(rgb(levels, records), levels)


def test_only_photographs_stand_upright_already():
    """Row 0 of FITS images is at the bottom, also where their fluxes have become levels."""
    shown = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    np.testing.assert_array_equal(upright(shown, records_of(unit="display")), shown)
    for content in ({}, {"unit": "display", "options": {"levels": "lupton"}}):
        np.testing.assert_array_equal(upright(shown, records_of(**content)), shown[:, ::-1])


def test_sheet_has_a_cell_for_every_stamp(sample_records: Path, tmp_path: Path):
    records = RecordsDirectory.load(sample_records)
    write_sheet(records, tmp_path / "new" / "sheet.png", seed=0)
    write_sheet(records, tmp_path / "again.png", seed=0)
    write_sheet(records, tmp_path / "other.png", seed=1)
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    assert records.count("train") > COLUMNS * ROWS
    assert pixels.shape == (HEAD + ROWS * (CELL + CAPTION), COLUMNS * (CELL + 4), 3)
    for row in range(ROWS):
        for column in range(COLUMNS):
            top, left = HEAD + row * (CELL + CAPTION), column * (CELL + 4)
            assert np.ptp(pixels[top : top + CELL, left : left + CELL]) > 20
            assert np.ptp(pixels[top + CELL : top + CELL + CAPTION, left : left + CELL]) > 50  # a caption
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "new" / "sheet.png").read_bytes()
    assert (tmp_path / "other.png").read_bytes() != (tmp_path / "again.png").read_bytes()


def test_a_sheet_is_a_png(sample_records: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"\.png"):
        write_sheet(RecordsDirectory.load(sample_records), tmp_path / "sheet.gif", seed=0)


def test_a_damaged_shard_is_named(sample_records: Path, tmp_path: Path):
    records = RecordsDirectory.load(shutil.copytree(sample_records, tmp_path / "records"))
    shard = Path(records.shards("train")[0])
    content = bytearray(shard.read_bytes())
    content[20] ^= 1
    shard.write_bytes(content)
    with pytest.raises(AstrokerasError, match=shard.name):
        write_sheet(records, tmp_path / "sheet.png", seed=0)


def test_a_sheet_by_class_has_a_row_for_each_class_and_one_for_those_without(sample_records: Path, tmp_path: Path):
    records = RecordsDirectory.load(sample_records)
    write_sheet(records, tmp_path / "sheet.png", seed=0, by="class")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    counts = [*records.labels("train").values(), records.content["splits"]["train"]["unlabelled"]]
    shown = [min(count, COLUMNS) for count in counts if count]
    assert len(pixels) == HEAD + len(shown) * (CELL + CAPTION)
    for row, count in enumerate(shown):
        top = HEAD + row * (CELL + CAPTION)
        filled = [
            np.ptp(pixels[top : top + CELL, left : left + CELL]) > 0
            for left in range(0, COLUMNS * (CELL + 4), CELL + 4)
        ]
        assert filled == [column < count for column in range(COLUMNS)]
    unlabelled = RecordsDirectory(records.path, {**records.content, "classes": []})
    with pytest.raises(UsageError, match="no labels"):
        write_sheet(unlabelled, tmp_path / "sheet.png", seed=0, by="class")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"bands": ["g", "r", "i"]}, "red: i   green: r   blue: g"),
        ({"bands": ["r", "g", "b"], "unit": "display"}, "red: r   green: g   blue: b"),
        ({"bands": ["r"]}, "grey: r"),
    ],
)
def test_the_colours_that_are_said_are_those_that_are_shown(content: dict, said: str):
    records = records_of(**content)
    assert describe_colours(records) == said
    flux = np.full((1, 4, 4, len(records.bands)), 100.0)
    for index, band in enumerate(records.bands):
        bright = flux.copy()
        bright[..., index] += 40
        if len(records.bands) == 3:
            channel = int(np.argmax(rgb(bright, records)[0, 0, 0]))
            assert f"{('red', 'green', 'blue')[channel]}: {band}" in said


@pytest.mark.parametrize(
    ("size", "scale", "pixels", "text"),
    [(64, 0.25, 20, "5 arcsec"), (64, 0.2, 25, "5 arcsec"), (88, None, 20, "20 pixels"), (32, 0.05, 10, "0.5 arcsec")],
)
def test_the_bar_has_a_round_length_of_at_most_half_a_stamp(size, scale, pixels, text):
    found, said = scale_bar(records_of(size=size, pixel_scale=scale))
    assert said == text
    assert found == pytest.approx(pixels)


def test_the_pixel_scale_is_that_of_the_images(sample_records: Path, sample_survey: Path):
    header = fits.getheader(next((sample_survey / "images").glob("*_g.fits")), 1)
    scales = proj_plane_pixel_scales(WCS(header)) * 3600
    assert RecordsDirectory.load(sample_records).pixel_scale == pytest.approx(scales.mean(), rel=1e-4)
