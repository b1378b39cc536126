import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.dataset import read_columns
from astrokeras.records.objects import OBJECTS
from astrokeras.serving.described import describe_objects
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("described") / "records", counts={"train": 5, "val": 0, "test": 4})


def write(records, *, ids=("7", "8", "9", "12"), ra=None, field=None):
    nothing = np.full(4, np.nan)
    columns = {
        "id": list(ids), "split": ["test"] * 4, "shard": ["s"] * 4, "row": [0, 1, 2, 3],
        "ra": nothing if ra is None else ra, "dec": nothing if ra is None else ra, "x": np.arange(4.0),
        "y": np.arange(4.0), "field": [field] * 4, "label": ["red", None, "blue", "red"],
        "magnitude_g": nothing, "magnitude_r": nothing, "magnitude_i": nothing, "redshift": np.arange(4.0),
    }  # fmt: skip
    text = ("split", "shard", "field", "label")
    schema = [(name, pa.string() if name in text else pa.array(values).type) for name, values in columns.items()]
    parquet.write_table(pa.table(columns, schema=pa.schema(schema)), records.path / OBJECTS)


def test_the_best_position_that_is_known_is_given(records):
    ids = read_columns(records, "test", ("id",))["id"]
    write(records, ids=ids, ra=np.array([1.0, np.nan, 3.0, 4.0]), field="a")
    assert describe_objects(records, "test").colnames == ["id", "ra", "dec", "label", "redshift"]
    write(records, ids=ids, field="a")
    table = describe_objects(records, "test")
    assert table.colnames == ["id", "x", "y", "field", "label", "redshift"]
    assert list(table["label"].filled("")) == ["red", "", "blue", "red"]
    write(records, ids=ids)  # one field, without a name
    assert describe_objects(records, "test").colnames == ["id", "x", "y", "label", "redshift"]
    (records.path / OBJECTS).unlink()  # as records were before
    assert describe_objects(records, "test").colnames == ["id", "label", "redshift"]


def test_a_table_in_another_order_is_refused(records):
    ids = read_columns(records, "test", ("id",))["id"]
    write(records, ids=ids[::-1])
    with pytest.raises(AstrokerasError, match="is not that of the shards"):
        describe_objects(records, "test")
    (records.path / OBJECTS).unlink()
