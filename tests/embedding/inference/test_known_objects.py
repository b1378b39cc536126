import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from astrokeras.embedding.inference.known_objects import RecordsObjects
from astrokeras.embedding.inference.piece import ObjectsRead
from astrokeras.embedding.inference.piece_result import Result
from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.dataset import read_columns
from astrokeras.records.objects import OBJECTS
from tests.synthetic import write_records


@pytest.fixture
def records(tmp_path):
    return write_records(tmp_path / "records", counts={"train": 5, "val": 0, "test": 4})


def write(records, *, ids=("7", "8", "9", "12"), ra=None, field=None, split="test"):
    nothing = np.full(4, np.nan)
    columns = {
        "id": list(ids), "split": [split] * 4, "shard": ["s"] * 4, "row": [0, 1, 2, 3],
        "ra": nothing if ra is None else ra, "dec": nothing if ra is None else ra, "x": np.arange(4.0),
        "y": np.arange(4.0), "field": [field] * 4, "label": ["red", None, "blue", "red"],
        "magnitude_g": nothing, "magnitude_r": nothing, "magnitude_i": nothing, "redshift": np.arange(4.0),
    }  # fmt: skip
    text = ("split", "shard", "field", "label")
    schema = [(name, pa.string() if name in text else pa.array(values).type) for name, values in columns.items()]
    parquet.write_table(pa.table(columns, schema=pa.schema(schema)), records.path / OBJECTS)


def known(records, ids):
    objects = RecordsObjects(records, ("test",))
    parts = [
        objects.of(Result({}, ObjectsRead({"ids": np.array(some, dtype=str)}))) for some in (ids[:1], ids[1:], ids[4:])
    ]
    objects.check()
    assert all(list(part) == list(objects.kinds) for part in parts)
    return {name: np.concatenate([part[name] for part in parts]) for name in objects.kinds}


def test_the_best_position_that_is_known_is_given(records):
    ids = read_columns(records, "test", ("id",))["id"].tolist()
    rest = ["label", "magnitude_g", "magnitude_r", "magnitude_i", "redshift"]
    write(records, ids=ids, ra=np.array([1.0, np.nan, 3.0, 4.0]), field="a")
    assert list(known(records, ids)) == ["id", "split", "ra", "dec", *rest]
    write(records, ids=ids, field="a")
    columns = known(records, ids)
    assert list(columns) == ["id", "split", "x", "y", "field", *rest]
    assert columns["label"].tolist() == ["red", "", "blue", "red"]
    write(records, ids=ids)  # one field, without a name
    assert list(known(records, ids)) == ["id", "split", "x", "y", *rest]
    (records.path / OBJECTS).unlink()  # as records were before
    columns = known(records, ids)
    assert list(columns) == ["id", "split", *rest]
    np.testing.assert_array_equal(columns["redshift"], read_columns(records, "test")["redshift"])


def test_integers_stay_integers(records):
    ids = read_columns(records, "test", ("id",))["id"].tolist()
    write(records, ids=[7, 8, 9, 12])
    with pytest.raises(AstrokerasError, match="is not that of the shards"):
        known(records, ids)
    columns = known(records, ["7", "8", "9", "12"])
    assert columns["id"].dtype == np.int64


def test_a_table_of_other_objects_is_refused(records):
    ids = read_columns(records, "test", ("id",))["id"].tolist()
    for wrong in ({"ids": ids[::-1]}, {"ids": ids, "split": "train"}):
        write(records, **wrong)
        with pytest.raises(AstrokerasError, match="is not that of the shards"):
            known(records, ids)
    write(records, ids=ids)
    with pytest.raises(AstrokerasError, match="is not that of the shards"):
        known(records, ids[:3])
    (records.path / OBJECTS).write_bytes(b"PAR1 and nothing else")
    with pytest.raises(AstrokerasError, match=r"objects.parquet is damaged .*convert the survey again"):
        known(records, ids)


def test_all_texts_are_told(records):
    ids = read_columns(records, "test", ("id",))["id"].tolist()
    write(records, ids=ids, field="a")
    assert RecordsObjects(records, ("test",)).texts() == {*ids, "test", "a", "red", "blue", ""}
