"""Embeddings and their objects in memory."""

import numpy as np
import pyarrow as pa
import pytest
from astropy.table import Table

from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.table import Embeddings, Objects
from astrokeras.errors import AstrokerasError
from astrokeras.survey.tables import read_table
from tests.embedding.samples import grouped, rewrite, sample, write

FURTHER = {
    "magnitude_r": np.array([17.5, np.nan, 19], np.float32),
    "run": np.array([1, 2, 3]),
    "type": np.array(list("abc")),
}


def test_everything_comes_back(tmp_path):
    vectors, _ = grouped(3)
    positions = np.array([[10, -5], [np.nan, np.nan], [359.9, 5]])
    path = write(
        tmp_path / "e.parquet", vectors, ids=["007", "b", "ω"], label=["x", None, "<y>"], positions=positions,
        further=FURTHER, about={"encoder": {"sha256": "ab"}},
    )  # fmt: skip
    found = Embeddings.load(path)
    assert len(found) == 3 and found.path == path
    assert found.encoder_sha256 == found.metadata["encoder"]["sha256"] == "ab"
    assert found.ids.tolist() == ["007", "b", "ω"]
    assert found.label.tolist() == ["x", None, "<y>"]
    assert found.split.tolist() == ["test", "train", "test"]
    np.testing.assert_array_equal(np.stack([found.ra, found.dec], axis=1), positions)
    np.testing.assert_array_equal(found.vectors, vectors)
    assert found.vectors.dtype == np.float32
    assert list(found.columns) == list(FURTHER)
    for name, values in FURTHER.items():
        np.testing.assert_array_equal(found.columns[name], values)
    np.testing.assert_array_equal(found.named("run"), found.columns["run"])
    assert found.named("label") is found.label


def test_only_the_columns_that_are_asked_for(tmp_path):
    path = sample(tmp_path / "e.parquet", rows=3, further=FURTHER)
    assert list(Objects.load(path, ["run"]).columns) == ["run"]
    assert not Embeddings.load(EmbeddingsFile.open(path), []).columns
    with pytest.raises(AstrokerasError, match="column 'rum' is unknown; did you mean run"):
        Objects.load(path, ["rum"])


def test_other_programs_read_the_file(tmp_path):
    vectors, _ = grouped(5)
    path = write(tmp_path / "e.parquet", vectors, label=list("abcde"))
    for table in (Table.read(path), read_table(path)):
        np.testing.assert_array_equal(table["embedding"], vectors)
        assert str(table["ra"].unit) == "deg"
        assert list(table["id"]) == [f"object-{i:04d}" for i in range(5)]


def test_what_a_file_may_lack(tmp_path):
    path = rewrite(sample(tmp_path / "e.parquet"), lambda table: table.select(["id", "embedding"]))
    found = Embeddings.load(path)
    assert np.isnan(found.ra).all() and set(found.label) == {None} == set(found.split)


def test_infinite_positions_are_unknown_ones(tmp_path):
    vectors, _ = grouped(2)
    found = Objects.load(write(tmp_path / "e.parquet", vectors, positions=np.array([[np.inf, 1], [2, -np.inf]])))
    np.testing.assert_array_equal(found.ra, [np.nan, 2])
    np.testing.assert_array_equal(found.dec, [1, np.nan])


def _set(name, values):
    return lambda table: table.set_column(table.schema.get_field_index(name), name, values)


def test_numbers_as_ids_are_text(tmp_path):
    path = rewrite(sample(tmp_path / "e.parquet"), _set("id", pa.array(range(2**62, 2**62 + 120))))
    assert Objects.load(path).ids[1] == str(2**62 + 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("id", pa.array(["a"] * 120)), "the id 'a' stands there more than once"),
        (_set("id", pa.array([*map(str, range(119)), None])), "row 119 has no id"),
        (_set("id", pa.array([0.5] * 120)), "the column 'id' holds double, expected text"),
        (_set("ra", pa.array(["x"] * 120)), "the column 'ra' holds text, expected degrees"),
        (_set("label", pa.array([3] * 120)), "the column 'label' holds int64, expected text"),
    ],
)
def test_objects_that_are_none(tmp_path, change, message):
    path = rewrite(sample(tmp_path / "e.parquet"), change)
    with pytest.raises(AstrokerasError, match=message):
        Embeddings.load(path)


def test_a_carried_column_of_lists(tmp_path):
    path = rewrite(sample(tmp_path / "e.parquet"), lambda table: table.append_column("l", pa.array([[1]] * 120)))
    assert not Objects.load(path, []).columns
    with pytest.raises(AstrokerasError, match="the column 'l' holds list<"):
        Objects.load(path)


def test_more_than_there_is_room_for(tmp_path):
    path = sample(tmp_path / "e.parquet")
    with pytest.raises(AstrokerasError, match="where at most 3,000 are allowed"):
        Embeddings.load(path, max_bytes=3000)
