import re

import numpy as np
import pytest
from astropy.table import Table

from astrokeras.embedding.known_labels import class_numbers, known_labels, read_labels
from astrokeras.embedding.table import Objects
from astrokeras.errors import AstrokerasError
from tests.embedding import samples


def test_a_table_goes_before_the_own_labels(tmp_path):
    ids = ["007", "8", "9"]
    file = samples.write(tmp_path / "e.parquet", samples.grouped(3)[0], ids=ids, label=["a", "b", None])
    (tmp_path / "l.csv").write_text("id,label,time\n007,c,x\n9,d,x\n7,e,x\n")
    said = []
    found = known_labels(Objects.load(file), str(tmp_path / "l.csv"), 1 << 20, said.append)
    assert found.tolist() == ["c", "b", "d"]
    assert said == [f"2 of the 3 labels in {tmp_path}/l.csv are of these 3 objects"]
    assert known_labels(Objects.load(file), None, 1 << 20, said.append).tolist() == ["a", "b", None]


@pytest.mark.parametrize("suffix", [".csv", ".ecsv", ".fits", ".parquet"])
def test_labels_of_any_format(tmp_path, suffix):
    path = tmp_path / f"l{suffix}"
    Table({"ID": [3, 4, 5, 3], "Label": ["x", "", "y", "x"]}).write(path)
    assert read_labels(path, 1 << 20) == {"3": "x", "5": "y"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,class\n1,a\n", "has no column label; it has id, class"),
        ("name,label\n1,a\n", "has no column id"),
        ("id,label\n1,a\n1,b\n", "the id '1' has two labels"),
        ("id,label\n1,\n", "has no labels"),
    ],
)
def test_tables_that_are_no_labels(tmp_path, content, message):
    (tmp_path / "l.csv").write_text(content)
    with pytest.raises(AstrokerasError, match=re.escape(message)):
        read_labels(tmp_path / "l.csv", 1 << 20)


def test_numbers_follow_the_names():
    numbers, names = class_numbers(np.array(["b", None, "a", "b"], dtype=object))
    assert (numbers.tolist(), names) == ([1, -1, 0, 1], ("a", "b"))
