"""Classes by value and by name, integers of 64 bits, elements of columns of arrays, and what is said about them."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from astrokeras.errors import UsageError
from tests.survey.test_catalog import read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.fits"


def test_it_is_said_what_is_unlabelled(path: Path):
    catalog = read(path, Table({"id": range(6), "T": [-6, -6, -1, 0, 3, 0]}), label="T")
    assert catalog.classes == ("0", "3")
    assert catalog.notes == ("--label T: 3 of 6 rows are unlabelled, being negative or empty: -6 (2), -1 (1)",)
    catalog = read(path, Table({"id": range(6), "T": [-6, -6, -1, 0, 3, 0]}), label="T", where="T >= 0")
    assert catalog.notes == ()
    assert "empty (1)" in read(path, "id,k\n1,a\n2,\n", label="k").notes[0]


def test_names_of_classes(path: Path):
    table = Table({"id": range(6), "T": [-6.0, 0, -1, 1, np.nan, 0]})
    catalog = read(path, table, label="T", label_names=("1=galaxy", "0=star", "-6=star"))
    assert catalog.classes == ("galaxy", "star")
    assert catalog.labels.tolist() == [1, 1, -1, 0, -1, 1]
    text = read(path, "id,k\n1,g\n2,s\n3,none\n", label="k", label_names=("s=star = *", "g=galaxy"))
    assert text.classes == ("star = *", "galaxy")
    assert text.labels.tolist() == [1, 0, -1]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("0=star",), r"does not name 1 \(2 rows\)"),
        (("0=star", "1=galaxy", "2=quasar"), "no row has T 2; it has 0, 1"),
        (("star",), "expected VALUE=NAME"),
        (("0=star", "0=galaxy"), "0 has two names"),
        (("0=a\u202eb", "1=c"), "no table keeps"),
    ],
)
def test_names_that_fit_no_class(path: Path, names: tuple[str, ...], message: str):
    with pytest.raises(UsageError, match=message):
        read(path, Table({"id": [1, 2, 3], "T": [0, 1, 1]}), label="T", label_names=names)
    with pytest.raises(UsageError, match="no --label"):
        read(path, Table({"id": [1]}), label_names=names[:1] if "=" in names[0] else ("0=a",))


def test_rows_without_ids_are_told_of(path: Path):
    assert "rows are numbered" in read(path, Table({"z": [1.0]})).notes[0]


def test_integers_keep_every_digit(path: Path):
    big = 2**53 + 1
    table = Table(
        {"id": [1, 2, 3], "a": [big, big + 1, -7], "b": [1, 2, 3], "c": MaskedColumn([big, 0, 1], mask=[0, 1, 0])}
    )
    columns = read(path, table, columns=("a", "b")).columns
    assert columns["a"].dtype == np.int64
    assert columns["a"].tolist() == [big, big + 1, -7]
    assert columns["b"].dtype == np.float64
    with pytest.raises(UsageError, match="no mark for the 1 missing"):
        read(path, table, columns=("c",))
    assert read(path, table, columns=("c",), where="not isnan(c)").columns["c"][[0, 2]].tolist() == [big, 1]
    with pytest.raises(UsageError, match="end at 2"):
        read(path.with_suffix(".ecsv"), Table({"id": [1], "u": np.array([2**64 - 1], np.uint64)}), columns=("u",))


@pytest.mark.parametrize("suffix", [".fits", ".ecsv", ".vot", ".parquet"])
def test_elements_of_arrays(tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    flux = np.array([[20.5, 19.5, 18.5], [21.5, 20.0, np.nan]])
    table = Table({"id": [1, 2], "PSFMAG": flux, "T": [[0, 5], [1, 6]]})
    table.write(path, **({"format": "votable"} if suffix == ".vot" else {}))
    from astrokeras.survey.catalog import read_catalog  # noqa: PLC0415
    from tests.survey.test_catalog import config_of  # noqa: PLC0415

    options = {"catalog_bands": ("1", "2"), "magnitudes": "psfmag[{band}]"}
    catalog = read_catalog(config_of(path, columns=("PSFMAG[0]",), label="T[1]", where="`PSFMAG`[0] < 21", **options))
    assert catalog.columns["PSFMAG[0]"].tolist() == [20.5, 21.5]
    np.testing.assert_array_equal(catalog.magnitudes, np.float32([[19.5, 18.5], [20.0, np.nan]]))
    assert catalog.left_out.tolist() == [False, True]
    assert catalog.classes == ("5",)
    for wrong in ({"columns": ("PSFMAG[3]",)}, {"where": "PSFMAG[3] < 1"}, {"columns": ("id[0]",)}):
        with pytest.raises(UsageError, match="counted from 0"):
            read_catalog(config_of(path, **wrong))


def test_all_that_is_missing_is_said_at_once(path: Path):
    table = Table({"NUMBER": [1], "MAG_AUTO": [1.0]})
    with pytest.raises(UsageError, match=r"--id-column ID; --columns q; it has NUMBER, MAG_AUTO"):
        read(path, table, id_column="ID", columns=("q",))
