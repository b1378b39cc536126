"""Sheets of objects in any order."""

import numpy as np
import pytest
from PIL import Image

from astrokeras.embedding.sheet import check_sheet, write_ranked
from astrokeras.embedding.stamp_pictures import StampPictures
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.picture import CAPTION, CELL, COLUMNS, HEAD
from tests.synthetic import write_records


def test_a_list_goes_on_in_the_next_row(tmp_path):
    pictures = StampPictures(write_records(tmp_path / "records", counts={"train": 14}, size=16))
    ids = [f"train-{i}" for i in reversed(range(14))]
    ids[3] = "gone"
    write_ranked(tmp_path / "s.png", pictures, ids, [f"{i} <b>" for i in range(14)])
    with Image.open(tmp_path / "s.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape == (HEAD + 2 * (CELL + CAPTION), COLUMNS * (CELL + 4), 3)

    def cell(number):
        top, left = HEAD + number // COLUMNS * (CELL + CAPTION), number % COLUMNS * (CELL + 4)
        return pixels[top : top + CELL, left : left + CELL]

    assert (cell(3) == 128).all(), "an object without a stamp is grey"
    shown = pictures.pictures([name for name in ids if name != "gone"])
    for number, picture in zip([i for i in range(14) if i != 3], shown, strict=True):
        np.testing.assert_array_equal(cell(number)[3::6, 3::6], picture)


def test_names_of_sheets(tmp_path):
    assert check_sheet(None, None, overwrite=False) is None
    assert check_sheet(str(tmp_path / "s.PNG"), "records", overwrite=False).name == "s.PNG"
    with pytest.raises(UsageError, match="--records goes with --sheet"):
        check_sheet(None, "records", overwrite=False)
    with pytest.raises(UsageError, match=r"ends in \.png"):
        check_sheet("s.jpg", None, overwrite=False)
    (tmp_path / "s.png").touch()
    with pytest.raises(AstrokerasError, match="already exists"):
        check_sheet(str(tmp_path / "s.png"), None, overwrite=False)
