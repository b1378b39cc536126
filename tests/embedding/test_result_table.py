"""Tables of results come back from every format as they were."""

import numpy as np
import pytest

from astrokeras.embedding.result_table import check_result, result_table, write_result
from astrokeras.embedding.table import Objects
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.survey.tables import read_table
from tests.embedding.samples import grouped, write


@pytest.fixture
def objects(tmp_path):
    vectors, _ = grouped(4)
    return Objects.load(write(tmp_path / "e.parquet", vectors, ids=["007", "1e3", "b", "12"]))


@pytest.mark.parametrize("suffix", [".parquet", ".ecsv", ".csv", ".fits"])
def test_ids_stay_text_and_rows_stay_in_order(objects, tmp_path, suffix):
    columns = {"distance": np.array([0.5, 1.5]), "label": np.array([None, "star"], object)}
    table = result_table(objects, np.array([1, 0]), columns)
    assert table.colnames == ["id", "ra", "dec", "distance", "label"]
    out = check_result(tmp_path / f"new/found{suffix}")
    write_result(table, out)
    read = read_table(out, text_columns=("id",))
    assert list(read["id"]) == ["1e3", "007"]
    np.testing.assert_allclose(read["ra"], objects.ra[[1, 0]])
    assert str(np.ma.filled(read["label"], "")[1]) == "star"
    assert str(np.ma.filled(read["label"], "")[0]).strip() == ""
    with pytest.raises(AstrokerasError, match="already exists"):
        check_result(out)
    assert check_result(out, overwrite=True) == out


def test_what_cannot_be_written(objects, tmp_path):
    with pytest.raises(UsageError, match="unknown table format"):
        check_result(tmp_path / "found.txt")
    with pytest.raises(AstrokerasError, match="already exists"):
        check_result(_folder(tmp_path), overwrite=True)
    table = result_table(objects, np.array([0]), {"label": np.array(["ω"], object)})
    with pytest.raises(UsageError, match="cannot be read back"):
        write_result(table, tmp_path / "found.fits")


def _folder(tmp_path):
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    return folder
