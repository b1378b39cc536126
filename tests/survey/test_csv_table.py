import numpy as np
import pytest

from astrokeras.survey.csv_table import read_csv


def test_the_id_is_text_and_numbers_keep_every_digit():
    big = 2**62 + 1
    table = read_csv(f"ID,n,x\n007,{big},0.1\n 9 ,,1e-300\n", ",", ("id",))
    assert table["ID"].tolist() == ["007", "9"]
    assert table["n"].dtype == np.int64
    assert table["n"].tolist() == [big, None]
    assert table["x"].tolist() == [0.1, 1e-300]


def test_floats_are_those_that_were_written():
    numbers = np.random.default_rng(0).normal(size=2000) * 10.0 ** np.arange(-300, 300, 0.3)
    table = read_csv("x\n" + "\n".join(map(repr, numbers.tolist())) + "\n", ",", ())
    np.testing.assert_array_equal(table["x"], numbers)


def test_words_stay_as_they_were_written():
    table = read_csv("a\tb\nTRUE\tnan\nfalse\tNone\n", "\t", ())
    assert table["a"].tolist() == ["TRUE", "false"]
    assert table["b"].tolist() == ["nan", "None"]


def test_names_that_are_the_same_or_missing_become_different():
    assert read_csv("\n,a,a,a_1\n1,2,3,4\n", ",", ()).colnames == ["col1", "a", "a_1", "a_1_1"]


def test_short_lines_end_with_missing_values():
    table = read_csv("a,b,c\n1,2\n\n  \n4,5,6\n", ",", ())
    assert table["c"].tolist() == [None, 6]


@pytest.mark.parametrize("rows", ["1,2,3\n4,5,6\n", "1,2\n4,5,6\n", "1,2,\n4,5,6\n"])
def test_a_value_without_a_name_is_refused(rows: str):
    with pytest.raises(ValueError, match=r"more cells|Expected 2 fields"):
        read_csv("a,b\n" + rows, ",", ())


def test_a_quoted_cell_without_end_is_refused():
    with pytest.raises(ValueError, match="line break"):
        read_csv('a,b\n1,"2\n3,4\n', ",", ())
