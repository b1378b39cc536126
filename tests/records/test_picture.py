import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import Records
from astrokeras.records.picture import CAPTION, CELL, COLUMNS, ROWS, rgb, write_sheet


def records_of(**content) -> Records:
    bands = content.setdefault("bands", ["g", "r", "i"])
    defaults = {"unit": "nJy", "sky": [100.0] * len(bands), "noise": [5.0] * len(bands)}
    return Records(Path("nowhere"), {**defaults, **content})


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


def test_sheet_has_a_cell_for_every_stamp(sample_records: Path, tmp_path: Path):
    records = Records.load(sample_records)
    write_sheet(records, tmp_path / "new" / "sheet.png", seed=0)
    write_sheet(records, tmp_path / "again.png", seed=0)
    write_sheet(records, tmp_path / "other.png", seed=1)
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    assert records.count("train") > COLUMNS * ROWS
    assert pixels.shape == (ROWS * (CELL + CAPTION), COLUMNS * (CELL + 4), 3)
    for row in range(ROWS):
        for column in range(COLUMNS):
            top, left = row * (CELL + CAPTION), column * (CELL + 4)
            assert np.ptp(pixels[top : top + CELL, left : left + CELL]) > 20
            assert np.ptp(pixels[top + CELL : top + CELL + CAPTION, left : left + CELL]) > 50  # a caption
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "new" / "sheet.png").read_bytes()
    assert (tmp_path / "other.png").read_bytes() != (tmp_path / "again.png").read_bytes()


def test_a_sheet_is_a_png(sample_records: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"\.png"):
        write_sheet(Records.load(sample_records), tmp_path / "sheet.gif", seed=0)


def test_a_damaged_shard_is_named(sample_records: Path, tmp_path: Path):
    records = Records.load(shutil.copytree(sample_records, tmp_path / "records"))
    shard = Path(records.shards("train")[0])
    content = bytearray(shard.read_bytes())
    content[20] ^= 1
    shard.write_bytes(content)
    with pytest.raises(AstrokerasError, match=shard.name):
        write_sheet(records, tmp_path / "sheet.png", seed=0)
