import numpy as np
import pytest
from astropy.table import Table

from astrokeras.embedding.class_probabilities import read_predictions
from astrokeras.embedding.table import Embeddings
from astrokeras.errors import AstrokerasError
from tests.embedding import samples


@pytest.fixture
def embeddings(tmp_path):
    return Embeddings.load(samples.write(tmp_path / "e.parquet", samples.grouped(4)[0], ids=["1", "2", "03", "4"]))


def write(path, **changes):
    columns = {"id": ["03", "1", "9"], "class": ["a"] * 3, "p_a": [0.9, 0.2, 1.0], "p_b c": [0.1, 0.8, 0.0]}
    kept = {name: values for name, values in {**columns, **changes}.items() if values is not None}
    Table(kept).write(path, overwrite=True)
    return str(path)


def test_probabilities_by_id(embeddings, tmp_path):
    said = []
    found, names = read_predictions(embeddings, write(tmp_path / "p.csv"), 1 << 20, said.append)
    assert names == ("a", "b c")
    np.testing.assert_array_equal(found, [[0.2, 0.8], [np.nan] * 2, [0.9, 0.1], [np.nan] * 2])
    assert "predictions of 2 of the 4 objects" in said[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None, "name": ["1"] * 3}, "has no column id"),
        ({"p_a": ["x", "y", "z"]}, "column 'p_a' holds no numbers"),
        ({"p_a": [2.0, 0.0, 0.0]}, "below 0 or above 1"),
        ({"p_a": [-0.5, 0.0, 0.0]}, "below 0 or above 1"),
        ({"id": ["x", "y", "z"]}, "has predictions of none of the 4 objects"),
        ({"p_a": [np.nan, np.inf, 0.0]}, "has predictions of none of the 4 objects"),
    ],
)
def test_tables_that_are_no_predictions(embeddings, tmp_path, changes, message):
    with pytest.raises(AstrokerasError, match=message):
        read_predictions(embeddings, write(tmp_path / "p.csv", **changes), 1 << 20, print)
    Table({"id": ["1"], "p_a": [1.0]}).write(tmp_path / "one.csv")
    with pytest.raises(AstrokerasError, match="has no columns p_CLASS for two classes"):
        read_predictions(embeddings, str(tmp_path / "one.csv"), 1 << 20, print)
