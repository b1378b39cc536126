"""A field without a usable WCS concerns its own rows alone."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS

from astrokeras.errors import UsageError
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import RecordsDirectory
from tests.sky import config_for, examples_of, rejects_of, tan_header, write_image

SHAPE = (50, 60)
PIXELS = np.arange(50 * 60, dtype=np.float32).reshape(SHAPE)


def survey(directory: Path, *, pixels: bool, field: bool = True, **options: str) -> list[str]:
    """Fields A and B with a WCS, C without, one row each on pixel (30, 20); x and y are right on C alone."""
    rows = []
    for index, name in enumerate("ABC"):
        header = tan_header(SHAPE, ra=150 + index)
        for band in "gr":
            write_image(directory / f"{name}_{band}.fits", PIXELS, header if name != "C" else None)
        ra, dec = WCS(header).all_pix2world(30.0 - 1e-4, 20.0 - 1e-4, 0)
        rows.append((name, name, float(ra), float(dec), 30 if name == "C" else 40, 20))
    table = Table(rows=rows, names=["id", "field", "ra", "dec", "x", "y"])
    for column in ([] if pixels else ["x", "y"]) + ([] if field else ["field"]):
        table.remove_column(column)
    table.write(directory / "catalog.fits")
    lines: list[str] = []
    convert(config_for(directory, splits="train=1", **options), report=lines.append)
    return lines


@pytest.mark.parametrize("pixels", [True, False])
def test_each_row_is_placed_by_what_its_own_field_has(tmp_path: Path, pixels: bool):
    lines = survey(tmp_path, pixels=pixels)
    records = RecordsDirectory.load(tmp_path / "records")
    first = PIXELS[20 - 8, 30 - 8]
    assert {name: e["image"][0, 0, 0] for name, e in examples_of(records).items()} == dict.fromkeys(
        "ABC" if pixels else "AB", first
    )
    assert rejects_of(records) == ({} if pixels else {"C": "no_wcs"})
    (said,) = (line for line in lines if "field C" in line)
    assert "C_g.fits has no WCS" in said


def test_a_field_without_wcs_is_no_obstacle_where_footprints_decide(tmp_path: Path):
    lines = survey(tmp_path, pixels=False, field=False)
    records = RecordsDirectory.load(tmp_path / "records")
    assert set(examples_of(records)) == set("AB")
    assert rejects_of(records) == {"C": "no_field"}
    assert any("C_g.fits has no WCS" in line for line in lines)


def test_where_no_image_has_a_wcs_the_first_is_named(tmp_path: Path):
    for band in "gr":
        write_image(tmp_path / f"A_{band}.fits", PIXELS, tan_header(SHAPE), RADESYS="J2000")
    Table({"id": ["a"], "field": ["A"], "ra": [150.0], "dec": [2.0]}).write(tmp_path / "catalog.fits")
    with pytest.raises(UsageError, match=r"A_g\.fits .* RADESYS is 'J2000'"):
        convert(config_for(tmp_path, splits="train=1"), report=lambda line: None)


def test_a_split_by_sky_divides_fields_without_wcs_in_blocks_of_their_own(tmp_path: Path):
    lines = survey(tmp_path / "a", pixels=False, split_by="sky")
    assert "HEALPix" in (tmp_path / "a" / "records" / "convert.json").read_text()
    assert not any("no WCS" in line and "blocks" in line for line in lines)  # it has no rows
    lines = survey(tmp_path / "b", pixels=True, split_by="sky")
    assert any("1 of 3 fields have no WCS" in line and "blocks of its own pixels" in line for line in lines)
