"""What is missing in a table, as each format marks it; FITS tables are put together byte by byte."""

import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import votable
from astropy.table import MaskedColumn, Table
from pyarrow import parquet

from astrokeras.survey.catalog import read_catalog
from astrokeras.survey.tables import read_table
from tests.survey.test_catalog import config_of


def card(key: str, value: object) -> bytes:
    text = f"'{value:<8}'" if isinstance(value, str) else "T" if value is True else repr(value)
    return f"{key:<8}= {text:>20}".ljust(80).encode()


def block(content: bytes, fill: bytes) -> bytes:
    return content + fill * (-len(content) % 2880)


def fits_table(path: Path, cards: dict, rows: list[bytes], heap: bytes = b"", kind: str = "BINTABLE") -> Path:
    """Write a FITS table of the given header cards and raw rows."""
    primary = [card("SIMPLE", True), card("BITPIX", 8), card("NAXIS", 0), b"END".ljust(80)]
    head = {"XTENSION": kind, "BITPIX": 8, "NAXIS": 2, "NAXIS1": len(rows[0]), "NAXIS2": len(rows)}
    head |= {"PCOUNT": len(heap), "GCOUNT": 1} | cards
    lines = [*(card(key, value) for key, value in head.items()), b"END".ljust(80)]
    fill = b" " if kind == "TABLE" else b"\0"
    path.write_bytes(block(b"".join(primary), b" ") + block(b"".join(lines), b" ") + block(b"".join(rows) + heap, fill))
    return path


def values(column: MaskedColumn) -> list:
    """The values, None where masked."""
    return np.ma.asarray(column).tolist()


@pytest.mark.parametrize(
    ("form", "code", "zero", "scale", "null", "raw", "expected"),
    [
        ("I", ">h", 0.0, 0.001, -32768, [100, -32768, 1200], [0.1, None, 1.2]),
        ("I", ">h", 32768, 1, -32768, [-32768, -32767, 0], [None, 1, 32768]),  # unsigned: 0 is what is missing
        ("J", ">i", 2147483648, 1, 5, [5, -2147483648, 6], [None, 0, 2147483654]),
        ("K", ">q", 9223372036854775808, 1, 2**63 - 1, [2**63 - 1, 2**63 - 2, 0], [None, 2**64 - 2, 2**63]),
        ("K", ">q", 0, 1, -1, [2**62 + 1, -1, 3], [2**62 + 1, None, 3]),
        ("B", ">B", -128, 1, 255, [255, 0, 128], [None, -128, 0]),  # signed bytes
        ("B", ">B", 0, 1, 0, [0, 7, 255], [None, 7, 255]),
        ("J", ">i", 10.0, 2.0, 4, [4, -3, 0], [None, 4.0, 10.0]),  # the scaled value 4 is not missing
    ],
)
def test_tnull_is_a_raw_value(tmp_path: Path, form, code, zero, scale, null, raw, expected):
    cards = {"TFIELDS": 1, "TFORM1": f"1{form}", "TTYPE1": "Z", "TNULL1": null, "TZERO1": zero, "TSCAL1": scale}
    path = fits_table(tmp_path / "a.fits", cards, [struct.pack(code, value) for value in raw])
    assert values(read_table(path)["Z"]) == pytest.approx(expected)
    assert values(read_table(path)["Z"])[expected.index(None)] is None


def test_vector_and_variable_length_columns_have_missing_elements(tmp_path: Path):
    heap = struct.pack(">5h", 1, -9, 3, -9, 7)
    cards = {
        "TFIELDS": 2, "TFORM1": "2I", "TTYPE1": "V", "TNULL1": 7, "TSCAL1": 0.5,
        "TFORM2": "1PI(3)", "TTYPE2": "L", "TNULL2": -9, "TSCAL2": 0.1,
    }  # fmt: skip
    rows = [struct.pack(">2h2i", 7, 14, 3, 0), struct.pack(">2h2i", 0, 7, 2, 6)]
    table = read_table(fits_table(tmp_path / "a.fits", cards, rows, heap))
    assert values(table["V"]) == [[None, 7.0], [0.0, None]]
    assert np.ma.asarray(table["L"][0]).tolist() == pytest.approx([0.1, None, 0.3])
    assert np.ma.asarray(table["L"][1]).tolist() == pytest.approx([None, 0.7])


def test_logical_values_may_be_missing(tmp_path: Path):
    cards = {"TFIELDS": 2, "TFORM1": "1L", "TTYPE1": "S", "TFORM2": "2L", "TTYPE2": "W"}
    table = read_table(fits_table(tmp_path / "a.fits", cards, [b"TTF", b"F\0T", b"\0F\0"]))
    assert values(table["S"]) == [True, False, None]
    assert values(table["W"]) == [[True, False], [None, True], [False, None]]


def test_tnull_of_an_ascii_table_is_text(tmp_path: Path):
    cards = {
        "TFIELDS": 3, "TBCOL1": 1, "TFORM1": "I4", "TTYPE1": "N", "TNULL1": "***", "TBCOL2": 5, "TFORM2": "F6.2",
        "TTYPE2": "Z", "TNULL2": "-9.99", "TBCOL3": 11, "TFORM3": "A3", "TTYPE3": "T",
    }  # fmt: skip
    rows = [b"  12  1.50ab ", b" *** -9.99 cd", b"   0  0.00   "]
    table = read_table(fits_table(tmp_path / "a.fits", cards, rows, kind="TABLE"))
    assert values(table["N"]) == [12, None, 0]
    assert values(table["Z"]) == [1.5, None, 0.0]


@pytest.mark.parametrize("mark", ["null", "NULL", "NaN", "N/A", "--", "", "\\N"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_marks_of_missing_numbers_in_text(tmp_path: Path, mark: str, suffix: str):
    lines = [
        ["id", "n", "z", "kind"],
        ["1", str(2**60 + 1), "0.5", "A"],
        ["2", mark, mark, "null"],
        ["3", "7", "1", "B"],
    ]
    path = tmp_path / f"a.{suffix}"
    path.write_text("\n".join(("," if suffix == "csv" else "\t").join(line) for line in lines))
    table = read_table(path)
    n = values(table["n"]) if mark != "NaN" else values(table["n"].astype(float))
    assert n[1] is None or np.isnan(n[1])
    assert table["n"].dtype.kind == "i" or mark == "NaN"
    assert mark == "NaN" or n[0] == 2**60 + 1
    assert values(table["kind"]) == ["A", None, "B"]
    catalog = read_catalog(config_of(path, columns=("z",), where="z < 2", label="kind"))
    assert catalog.left_out.tolist() == [False, True, False]
    assert catalog.labels.tolist() == [0, -1, 1]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("#Table1\nobjid,z\n7,0.5\n", ["objid", "z"]),
        ("# made by X, 2020\n# for Y\nobjid,z\n7,0.5\n", ["objid", "z"]),
        ("# a, b\nname,dec\nA,3\n", ["name", "dec"]),
        ("#objid,z\n7,0.5\n", ["objid", "z"]),
        ("# all objects\n#objid,z\r\n7,0.5\r\n", ["objid", "z"]),
        ("#id,kind\nA,star\n", ["id", "kind"]),
    ],
)
def test_comments_before_the_names(tmp_path: Path, text: str, names: list[str]):
    (tmp_path / "a.csv").write_text(text, newline="")
    table = read_table(tmp_path / "a.csv", text_columns=("objid", "id", "name"))
    assert table.colnames == names
    assert len(table) == 1
    (tmp_path / "a.txt").write_text(text.replace(", ", " ").replace(",", " "), newline="")
    assert read_table(tmp_path / "a.txt").colnames == names


def test_votable_columns_have_the_names_that_people_see(tmp_path: Path):
    path = tmp_path / "a.vot"
    path.write_text(
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        '<FIELD ID="col1" name="objID" datatype="long"><VALUES null="-1"/></FIELD>'
        '<FIELD ID="col2" name="z" datatype="float"/><FIELD ID="col3" name="flag" datatype="boolean"/>'
        '<FIELD ID="col4" name="n" datatype="short"><VALUES null="99"/></FIELD>'
        "<DATA><TABLEDATA><TR><TD>8</TD><TD>0.5</TD><TD>T</TD><TD>99</TD></TR>"
        "<TR><TD>-1</TD><TD/><TD>?</TD><TD>3</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    table = read_table(path)
    assert table.colnames == ["objID", "z", "flag", "n"]
    assert values(table["objID"]) == [8, None]
    assert values(table["flag"]) == [True, None]
    assert values(table["n"]) == [None, 3]
    catalog = read_catalog(config_of(path, columns=("z",)))
    assert catalog.ids.tolist() == ["8", ""]
    np.testing.assert_array_equal(catalog.columns["z"], [0.5, np.nan])
    table = votable.parse(str(path)).get_first_table()
    assert [field.name for field in table.fields] == ["objID", "z", "flag", "n"]


def test_parquet_has_all_kinds_of_numbers_and_text(tmp_path: Path):
    import decimal  # noqa: PLC0415

    columns = {
        "id": pa.array([b"A", None, "ü".encode()]),
        "d": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3.5")], pa.decimal128(10, 2)),
        "big": pa.array([decimal.Decimal(2**62 + 1), None, decimal.Decimal(7)], pa.decimal128(38, 0)),
        "half": pa.array(np.array([0.5, 2, -1], np.float16)),
        "kind": pa.array(["star", None, "star"]).dictionary_encode(),
        "code": pa.array([3, None, 5]).dictionary_encode(),
        "v": pa.array([[1, 2], [3, None], None], pa.list_(pa.int16(), 2)),
        "n": pa.array([2**62 + 1, None, 5]),
        "u": pa.array([2**64 - 1, None, 5], pa.uint64()),
        "b": pa.array([True, None, False]),
        "t": pa.array([0, None, 1], pa.timestamp("ns")),
    }
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert values(table["id"]) == ["A", None, "ü"]
    assert values(table["d"]) == [1.25, None, -3.5]
    assert values(table["big"]) == [2**62 + 1, None, 7]
    assert values(table["half"]) == [0.5, 2, -1]
    assert values(table["kind"]) == ["star", None, "star"]
    assert values(table["code"]) == [3, None, 5]
    assert values(table["v"]) == [[1, 2], [3, None], [None, None]]
    assert values(table["n"]) == [2**62 + 1, None, 5]
    assert values(table["u"]) == [2**64 - 1, None, 5]
    assert values(table["b"]) == [True, None, False]
    assert str(table["t"][0]).startswith("1970-01-01 00:00:00")


def test_parquet_in_a_directory(tmp_path: Path):
    for field in ("A", "B"):
        (tmp_path / "sky" / f"field={field}").mkdir(parents=True)
        parquet.write_table(
            pa.table({"id": [f"{field}1"], "z": [0.5]}), tmp_path / "sky" / f"field={field}" / "0.parquet"
        )
    (tmp_path / "sky" / "_metadata.parquet").write_bytes(b"no table")
    catalog = read_catalog(config_of(tmp_path / "sky", columns=("z",)))
    assert catalog.ids.tolist() == ["A1", "B1"]
    assert catalog.fields.tolist() == ["A", "B"]


@pytest.mark.parametrize("writer", ["table", "votable", "field"])
@pytest.mark.parametrize(("unit", "factor"), [("rad", np.pi / 180), ("arcmin", 60), ("hourangle", 1 / 15), ("deg", 1)])
def test_units_of_parquet(tmp_path: Path, writer: str, unit: str, factor: float):
    path, degrees = tmp_path / "a.parquet", np.array([150.1, 2.5])
    table = Table({"id": ["a", "b"], "ra": degrees * factor, "dec": degrees / 100}, units={"ra": unit, "dec": "deg"})
    if writer == "table":
        table.write(path)
    elif writer == "votable":
        if unit == "hourangle":
            pytest.skip("no unit of a VOTable")
        table.write(path, format="parquet.votable", metadata={name: {} for name in table.colnames})
    else:
        field = pa.field("ra", pa.float64(), metadata={"unit": unit})
        arrays = [pa.array(table["id"].tolist()), pa.array(table["ra"].data), pa.array(table["dec"].data)]
        parquet.write_table(pa.table(arrays, pa.schema([("id", pa.string()), field, ("dec", pa.float64())])), path)
    np.testing.assert_allclose(read_catalog(config_of(path)).ra, degrees, rtol=1e-14)


def test_masked_columns_of_astropy_in_every_format(tmp_path: Path):
    table = Table(
        {"n": MaskedColumn([2**62 + 1, 0, 3], mask=[0, 1, 0]), "s": MaskedColumn(["a", "b", "c"], mask=[1, 0, 0])}
    )
    for name in ("a.ecsv", "a.fits", "a.parquet", "a.vot", "a.csv"):
        kinds = {"vot": {"format": "votable"}, "csv": {"format": "ascii.csv"}}
        table.write(tmp_path / name, **kinds.get(name[2:], {}))
        found = read_table(tmp_path / name)
        assert values(found["n"]) == [2**62 + 1, None, 3], name
        assert found["s"][1] in ("b", b"b")
    table.to_pandas().to_parquet(tmp_path / "pandas.parquet")
    assert values(read_table(tmp_path / "pandas.parquet")["n"]) == [2**62 + 1, None, 3]
