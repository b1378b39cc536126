import numpy as np
import pytest
from astropy.table import Table

from astrokeras.errors import UsageError
from astrokeras.survey.round_trip import check_round_trip
from astrokeras.survey.tables import read_table, write_table

TEXTS = [
    "β007", "NGC 224", "a,b", 'a "b"', "it's", "#1", "a#b", "a\tb", "a\nb", "a\r\nb", "a\vb", "a\fb", "a\x1cb",
    "a\x85b", "a\u2028b", "a\u2029b", " a", "a ", "a\\b", "$x", "a\x00b", "\u202eabc", "\udcffa", "'", '"',
    "a|b", "--", "nan?",
]  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "parquet"])
@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_what_is_not_refused_is_read_back_equal(tmp_path, suffix, text):
    out = tmp_path / f"t.{suffix}"
    ids = ["a", text, "c"]
    try:
        check_round_trip(out, ["id", "p_a"], ids)
    except UsageError as refusal:
        assert repr(text) in str(refusal)
        assert str(refusal).isprintable()
        return
    write_table(Table({"id": np.array(ids), "p_a": [0.5, 0.25, 1.0]}), out)
    back = read_table(out)
    assert [cell.decode() if isinstance(cell, bytes) else str(cell) for cell in back["id"]] == ids
    assert list(back["p_a"]) == [0.5, 0.25, 1.0]


def test_what_can_be_kept_is_not_refused(tmp_path):
    """Each format holds what people write; Parquet all that is text."""
    for suffix, texts in {
        "csv": ["β007", "NGC 224", "a,b", "it's"],
        "ecsv": ["β007", "NGC 224", "a,b", "it's"],
        "fits": ["NGC 224", "a,b", "it's", "J0100+02"],
        "parquet": [text for text in TEXTS if text not in ("\udcffa", "a\x00b")],
    }.items():
        check_round_trip(tmp_path / f"t.{suffix}", ["id", "p_a b"], texts)


@pytest.mark.parametrize(("suffix", "name"), [("fits", "p_étoile"), ("csv", "p_a\x85b"), ("ecsv", "p_a\nb")])
def test_names_of_columns_count_too(tmp_path, suffix, name):
    with pytest.raises(UsageError, match="the name of a column is"):
        check_round_trip(tmp_path / f"t.{suffix}", ["id", name], [])


def test_the_one_that_is_wrong_among_many_is_named(tmp_path):
    ids = [f"β-{number}, {number}" for number in range(2000)]
    check_round_trip(tmp_path / "t.ecsv", ["id"], ids)
    with pytest.raises(UsageError, match=r"'β-77\\u2028b', .*; use .parquet$"):
        check_round_trip(tmp_path / "t.ecsv", ["id"], [*ids, "β-77\u2028b"])
    with pytest.raises(UsageError, match=r"'β-0, 0'.*printable ASCII.*; use .parquet, .ecsv, .csv"):
        check_round_trip(tmp_path / "t.fits", ["id"], ids)
