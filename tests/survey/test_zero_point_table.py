from pathlib import Path

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from astrokeras.errors import UsageError
from astrokeras.survey.images import ImageError
from astrokeras.survey.units import parse_zero_points
from astrokeras.survey.zero_point_table import read_zero_point_table


def write(path: Path, **columns) -> str:
    Table(columns).write(path / "zp.ecsv", overwrite=True)
    return str(path / "zp.ecsv")


def test_columns_are_found_by_name_by_their_ending_and_by_the_catalogues_names(tmp_path: Path):
    table = write(tmp_path, Field=["A", "B"], ZP_u=[20.0, 21], ZP_J0378=[22.0, 23], r=[24.0, 25], err_r=[0.1, 0.1])
    found = read_zero_point_table(table, ("U", "F378", "r"), ("u", "J0378", "r"))
    assert found == {"A": (20, 22, 24), "B": (21, 23, 25)}


def test_case_decides_between_bands_that_differ_by_nothing_else(tmp_path: Path):
    table = write(tmp_path, field=["A"], ZP_z=[20.0], ZP_Z=[21.0])
    assert read_zero_point_table(table, ("z", "Z")) == {"A": (20, 21)}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"r": [1.0]}, "no column with the fields"),
        ({"field": ["A"], "g": [1.0]}, "no column for band r"),
        ({"field": ["A"], "ZP_r": [1.0], "err_r": [1.0]}, "could be any of ZP_r, err_r"),
        ({"field": ["A", "A"], "r": [1.0, 2]}, "'A' has two rows"),
        ({"field": ["A"], "r": ["x"]}, "hold text"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_usage_error(tmp_path: Path, columns: dict, said: str):
    with pytest.raises(UsageError, match=said):
        read_zero_point_table(write(tmp_path, **columns), ("r",))


def test_one_column_does_not_serve_two_bands(tmp_path: Path):
    with pytest.raises(UsageError, match="two bands"):
        read_zero_point_table(write(tmp_path, field=["A"], r=[1.0]), ("r", "R"))


def test_every_field_has_its_own_and_one_without_is_told(tmp_path: Path):
    values = MaskedColumn([22.0, 23.0, np.nan, 25.0, 99.0], mask=[False, False, False, True, False])
    points = parse_zero_points(write(tmp_path, field=list("ABCDX"), r=values), ("r",))
    assert points.unit == "nJy"
    plane = type("Plane", (), {"band": 0, "header": {}, "primary": {}})
    assert points.of("A").scale(plane) / points.of("B").scale(plane) == pytest.approx(10**0.4)
    for field in "CDX":
        with pytest.raises(ImageError, match="lacks a band") as caught:
            points.of(field)
        assert caught.value.reason == "no_zero_point"
    with pytest.raises(ImageError, match="'E' is not in the table"):
        points.of("E")


def test_the_public_table_of_s_plus(real_data: Path):
    bands = ("U", "F378", "F395", "F410", "F430", "G", "F515", "R", "F660", "I", "F861", "Z")
    found = read_zero_point_table(str(real_data / "splus" / "zero_points.csv"), bands)
    assert len(found) == 514
    assert found["HYDRA-0011"][:2] == (20.108, 19.362)
    assert np.isfinite(list(found.values())).all()
