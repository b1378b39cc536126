"""Integers that float64 does not hold, from the catalogue to what reads the records."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from astropy.table import Table

from astrokeras.pipeline.arrays import decode_record
from astrokeras.pipeline.dataset import read_columns
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import RecordsDirectory
from tests.sky import config_for, noise_image, tan_header, write_image

BIG = [2**53 + 1, 2**53, -(2**62) - 1]


def test_large_integers_are_carried_whole(tmp_path: Path):
    for band in "gr":
        write_image(tmp_path / f"A_{band}.fits", noise_image(0), tan_header((96, 80)))
    table = Table({"id": ["a", "b", "c\x0bd", "c"], "field": ["A"] * 4, "x": [40.0, 41, 42, 43], "y": [40.0] * 4})
    table["big"] = [*BIG[:2], 0, BIG[2]]
    table["small"] = [1, 2, 3, 4]
    table.write(tmp_path / "c.parquet")
    config = config_for(
        tmp_path, catalog=str(tmp_path / "c.parquet"), columns=("big", "small"), splits="train=1", x_column="x",
        y_column="y", out=str(tmp_path / "out"), size=16, workers=1,
    )  # fmt: skip
    convert(config, report=lambda line: None)
    records = RecordsDirectory.load(tmp_path / "out")
    assert (records.columns, records.integer_columns) == (("big", "small"), ("big",))
    found = read_columns(records, "train")
    order = np.argsort(found["id"])
    assert found["big"][order].tolist() == BIG
    assert found["small"][order].tolist() == [1.0, 2.0, 4.0]
    for serialized in tf.data.TFRecordDataset([str(path) for path in (tmp_path / "out").glob("*.tfrecord-*")]):
        example = tf.train.Example.FromString(serialized.numpy()).features.feature
        row = "abc".index(example["id"].bytes_list.value[0].decode())
        assert example["big"].int64_list.value[0] == BIG[row]
        assert decode_record(records, serialized.numpy(), ("big",))["big"] == BIG[row]
    rejects = Table.read(tmp_path / "out" / "rejects.ecsv")
    assert [(row["id"], row["reason"]) for row in rejects] == [("c\\x0bd", "bad_id")]
