from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.survey import tables
from astrokeras.survey.tables import check_table_suffix, read_table, write_table

SUFFIXES = [".fits", ".ecsv", ".csv", ".parquet"]
TABLE = Table({"id": ["a", 'b,"c"', "ü"], "x": [1.5, -0.25, 1e-9], "n": np.array([1, 2**60 + 1, -3])})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read(tmp_path: Path, suffix: str):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    table = TABLE if suffix != ".fits" else TABLE[[0, 1]]  # FITS holds ASCII
    path = tmp_path / "new" / f"table{suffix}"
    write_table(table, path)
    write_table(table, path)  # again: replaced, not appended to
    found = read_table(path)
    for name in table.colnames:
        assert list(found[name]) == list(table[name])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_text_columns_of_csv_keep_their_zeros(tmp_path: Path, start: str, newline: str):
    lines = ["ID,x,tile", "007,1,0012", "", '"0,8",2,', " 9 ,,3"]
    path = tmp_path / "a.csv"
    path.write_bytes((start + newline.join(lines)).encode())
    table = read_table(path, text_columns=("id", "tile"))
    assert list(table["ID"]) == ["007", "0,8", "9"]
    assert list(table["tile"]) == ["0012", "", "3"]
    assert list(table["x"].filled(-1)) == [1, 2, -1]


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".vot"])
@pytest.mark.parametrize("content", [b"", b"\0\xff" * 3000, b"<a>\n"], ids=["empty", "noise", "tag"])
def test_a_file_that_is_no_table_gives_one_line(tmp_path: Path, suffix: str, content: bytes):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(AstrokerasError) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_empty_and_unknown_files(tmp_path: Path):
    with pytest.raises(AstrokerasError, match="does not exist"):
        read_table(tmp_path / "absent.fits")
    (tmp_path / "head.csv").write_text("id,x\n")
    with pytest.raises(AstrokerasError, match="no rows"):
        read_table(tmp_path / "head.csv")
    with pytest.raises(UsageError, match=r"\.xls"):
        read_table(tmp_path / "a.xls")


def test_output_names_are_checked_beforehand():
    for suffix in (".fits", ".ecsv", ".csv", ".CSV"):
        check_table_suffix(f"a{suffix}")
    with pytest.raises(UsageError, match=r"\.xls"):
        check_table_suffix("a.xls")


def test_a_failed_write_leaves_the_old_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.csv"
    write_table(TABLE, path)
    before = path.read_bytes()

    def fail(*args, **options):
        raise OSError("disk full")

    monkeypatch.setattr(tables.Table, "write", fail)
    with pytest.raises(AstrokerasError, match="disk full"):
        write_table(TABLE[:1], path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]
