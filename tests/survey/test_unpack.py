"""What claims to be larger than anybody allows is refused before it is allocated."""

import bz2
import gzip
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from astrokeras.errors import AstrokerasError
from astrokeras.survey.tables import read_table
from tests.survey.test_tables_missing import fits_table

LIMIT = 1 << 20
VOT = (
    '<VOTABLE version="1.4"><RESOURCE><TABLE {table}><FIELD name="x" datatype="double" {field}/><DATA><TABLEDATA>'
    "<TR><TD>1</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "vot", "txt"])
def test_packed_files_are_unpacked_up_to_the_limit(tmp_path: Path, pack, suffix: str):
    path = tmp_path / f"a.{suffix}.{'gz' if pack is gzip.compress else 'bz2'}"
    start = b"SIMPLE  =" if suffix == "fits" else b"id,x\n"
    path.write_bytes(pack(start + b"1,2\n" * (LIMIT // 2)))
    with pytest.raises(AstrokerasError, match=r"unpacks to more than 1 MiB .*--max-catalog-bytes"):
        read_table(path, limit=LIMIT)


def test_headers_that_claim_too_much(tmp_path: Path):
    path = tmp_path / "a.ecsv"
    path.write_text(
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: string, subtype: 'float64[100000,100000]'}\n"
        'a\n"[]"\n'
    )
    with pytest.raises(AstrokerasError, match="MiB of memory"):
        read_table(path)
    path = tmp_path / "a.vot"
    for table, field in (('nrows="99999999999"', ""), ("", 'arraysize="9999999999"'), ("", 'arraysize="99999x99999"')):
        path.write_text(VOT.format(table=table, field=field))
        with pytest.raises(AstrokerasError, match="MiB of memory"):
            read_table(path)
    path.write_text(VOT.format(table='nrows="1"', field=""))
    assert len(read_table(path)) == 1


def test_fits_tables_that_claim_too_much(tmp_path: Path):
    cards = {"TFIELDS": 1, "TFORM1": "1J", "TTYPE1": "a"}
    row = [struct.pack(">i", 7)]
    path = fits_table(tmp_path / "a.fits", {**cards, "NAXIS2": 10**12}, row)
    for name, pack in (("a.fits", None), ("a.fits.gz", gzip.compress)):
        if pack:
            (tmp_path / name).write_bytes(pack(path.read_bytes()))
        with pytest.raises(AstrokerasError, match="1000000000000 rows of 4 bytes"):
            read_table(tmp_path / name)


def test_parquet_that_stands_for_more_than_it_holds(tmp_path: Path):
    word = "x" * 100_000
    column = pa.array([word]).dictionary_encode()
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), column.dictionary)
    parquet.write_table(pa.table({"id": column}), tmp_path / "a.parquet")
    with pytest.raises(AstrokerasError, match="a column of text would take"):
        read_table(tmp_path / "a.parquet")
    parquet.write_table(pa.table({"n": pa.array(np.zeros(10_000_000, np.int8))}), tmp_path / "b.parquet")
    with pytest.raises(AstrokerasError, match="--max-catalog-bytes"):
        read_table(tmp_path / "b.parquet", limit=LIMIT)


def test_one_long_cell_among_many_rows(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("id,x\n" + "1,2\n" * 200_000 + "y" * 200_000 + ",3\n")
    with pytest.raises(AstrokerasError, match="a cell of 20000"):
        read_table(path)
