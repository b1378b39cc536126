import bz2
import datetime
import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
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


def test_lines_that_two_readers_count_differently_are_refused(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('id,x\n   \n"2 3",3\n\n"a\nb",4\n')
    assert list(read_table(path, text_columns=("id",))["id"]) == ["2 3", "a\nb"]
    path.write_text('id,x\n"1",2\n"3,4\n')
    with pytest.raises(AstrokerasError, match="line break"):
        read_table(path, text_columns=("id",))


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


def test_fits_tables_in_any_extension(tmp_path: Path):
    image, other = fits.ImageHDU(np.zeros((4, 4))), fits.table_to_hdu(TABLE[[0, 1]])
    ldac = fits.table_to_hdu(Table({"Field Header Card": ["SIMPLE  ="]}))
    ldac.name = "LDAC_IMHEAD"
    for name, hdus in (("image.fits", [image, other]), ("ldac.cat", [ldac, other])):
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / name)
        assert read_table(tmp_path / name).colnames == TABLE.colnames
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "none.fits")
    with pytest.raises(AstrokerasError, match="no extension holds a table"):
        read_table(tmp_path / "none.fits")
    other.header["ZTABLE"] = True
    fits.HDUList([fits.PrimaryHDU(), other]).writeto(tmp_path / "packed.fits.fz")
    with pytest.raises(AstrokerasError, match="funpack"):
        read_table(tmp_path / "packed.fits.fz")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt", "ecsv", "vot", "fits", "parquet"])
@pytest.mark.parametrize("packed", ["", ".gz", ".bz2"])
def test_numbers_of_64_bits_keep_every_digit(tmp_path: Path, suffix: str, packed: str):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
        if packed:
            pytest.skip("Parquet compresses by itself")
    numbers, degrees = [2**62 + 1, -(2**62) - 1], [359.99999999999994, 1.2345678901234567e-7]
    formats = {"csv": "ascii.csv", "tsv": "ascii.tab", "txt": "ascii.basic", "ecsv": "ascii.ecsv", "vot": "votable"}
    path = tmp_path / f"a.{suffix}"
    Table({"n": numbers, "ra": degrees}).write(path, format=formats.get(suffix, suffix))
    if packed:
        compress = gzip.compress if packed == ".gz" else bz2.compress
        path = tmp_path / f"a.{suffix}{packed}"
        path.write_bytes(compress((tmp_path / f"a.{suffix}").read_bytes()))
    table = read_table(path)
    assert table["n"].dtype.kind == "i"
    assert table["n"].tolist() == numbers
    assert table["ra"].tolist() == degrees


@pytest.mark.parametrize("scheme", ["file://", "http://127.0.0.1:9"])
def test_a_votable_cannot_make_us_read_another_file(tmp_path: Path, scheme: str):
    (tmp_path / "private").write_bytes(bytes(8))
    path = tmp_path / "a.vot"
    path.write_text(
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        f'<FIELD name="x" datatype="double"/><DATA><BINARY><STREAM href="{scheme}{tmp_path}/private"/></BINARY></DATA>'
        "</TABLE></RESOURCE></VOTABLE>"
    )
    with pytest.raises(AstrokerasError, match="its data are elsewhere"):
        read_table(path)


@pytest.mark.parametrize("head", ["id x", "# id x", "#id   x", "#   1 id   Number\n#   2 x   Position [pixel]"])
def test_text_in_columns(tmp_path: Path, head: str):
    path = tmp_path / "a.txt"
    path.write_text(f"{head}\n007 1.5\n0042 2\n")
    table = read_table(path, text_columns=("id",))
    assert list(table["id"]) == ["007", "0042"]
    assert list(table["x"]) == [1.5, 2.0]


@pytest.mark.parametrize("name", ["a.gz", "a.bz2", "a", "a.parquet.gz", "a.xls.gz", ".gz"])
def test_what_is_within_a_compressed_file_must_be_said(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="unknown table format"):
        read_table(tmp_path / name)


def test_a_damaged_compressed_file_gives_one_line(tmp_path: Path):
    whole = gzip.compress(b"id,x\n" + b"1,2\n" * 1000)
    (tmp_path / "a.csv.gz").write_bytes(whole[:-20])
    with pytest.raises(AstrokerasError, match=r"a\.csv\.gz cannot be read"):
        read_table(tmp_path / "a.csv.gz")


def test_parquet_columns_of_any_kind(tmp_path: Path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"id": ["a", None], "list": [[1], [2, 3]], "day": [datetime.date(2020, 1, 1), None]}
    parquet.write_table(arrow.table(columns), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert table["id"].filled("").tolist() == ["a", ""]
    assert table["list"].tolist() == [[1], [2, 3]]
    assert str(table["day"][0]) == "2020-01-01"


def test_a_table_cannot_name_python_objects(tmp_path: Path):
    ecsv = Table({"a": [1]})
    ecsv.write(tmp_path / "good.ecsv")
    marker = tmp_path / "executed"
    evil = f"# - !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{marker}]]"
    lines = (tmp_path / "good.ecsv").read_text().splitlines()
    (tmp_path / "evil.ecsv").write_text("\n".join([*lines[:2], "# meta: !!omap", evil, *lines[2:]]) + "\n")
    with pytest.raises(AstrokerasError, match="cannot be read as a table"):
        read_table(tmp_path / "evil.ecsv")
    assert not marker.exists()


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
