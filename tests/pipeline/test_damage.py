from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.arrays import Arrays
from astrokeras.pipeline.damage import damaged_shard, named_if_damaged
from astrokeras.pipeline.dataset import evaluation_batches, load_arrays, read_columns, training_batches
from astrokeras.pipeline.shards import INPUT_ERRORS
from astrokeras.records import example, tfrecord
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.tfrecord import read
from tests.synthetic import write_records
from tests.tampering import tamper


def test_damage_is_found_and_other_errors_are_left_alone(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 6, "val": 4})
    assert damaged_shard(records) is None
    with pytest.raises(KeyError), named_if_damaged(records, (KeyError,)):
        raise KeyError("something else")
    shard = Path(records.shards("val")[1])
    whole = shard.read_bytes()
    for content, what in (
        (whole[:-20], f"has {len(whole) - 20:,} bytes, expected {len(whole):,}"),
        (bytes([whole[0] ^ 1]) + whole[1:], "is damaged"),
        (None, "is missing"),
    ):
        shard.unlink()
        if content is not None:
            shard.write_bytes(content)
        expected = rf"^{shard} {what}.*'astrokeras inspect --verify {records.path}'.*repeat the command$"
        with pytest.raises(AstrokerasError, match=expected), named_if_damaged(records, (KeyError,)):
            raise KeyError("what reading it gave")


def encoded(records: RecordsDirectory, **changes) -> bytes:
    """A record of the directory with some of its features changed, or left out where they are None."""
    stamp = np.zeros((records.size, records.size, len(records.bands)), np.float32)
    magnitudes = np.zeros(len(records.bands), np.float32)
    features = {
        "id": b"odd", "image": stamp.tobytes(), "label": np.array([1]), "magnitudes": magnitudes,
        "magnitude_errors": magnitudes, "redshift": np.float64(1).tobytes(),
    }  # fmt: skip
    return example.encode({name: value for name, value in (features | changes).items() if value is not None})


def stamps(size: int) -> bytes:
    return np.zeros((size, size, 3), np.float32).tobytes()


ODD = {
    "nothing": (lambda records: b"", "it has no id"),
    "no message": (lambda records: b"\xff" * 40, "not a tf.train.Example"),
    "no image": (lambda records: encoded(records, image=None), "it has no image"),
    "smaller": (lambda records: encoded(records, image=stamps(8)), "its image has 768 bytes, expected 3,072"),
    "larger": (lambda records: encoded(records, image=stamps(32)), "its image has 12,288 bytes, expected 3,072"),
    "cut": (lambda records: encoded(records, image=stamps(16)[:-1]), "its image has 3,071 bytes"),
    "of numbers": (lambda records: encoded(records, image=np.zeros(768, np.float32)), "its image is of another type"),
    "two labels": (lambda records: encoded(records, label=np.array([0, 1])), "its label has 2 numbers, expected 1"),
    "bands": (lambda records: encoded(records, magnitudes=np.zeros(2, np.float32)), "magnitudes has 2 numbers"),
    "column": (lambda records: encoded(records, redshift=b"1"), "its redshift has 1 bytes, expected 8"),
}


@pytest.mark.parametrize(("make", "said"), ODD.values(), ids=ODD)
@pytest.mark.parametrize("all_of_them", [False, True])
def test_records_that_no_conversion_wrote_are_named(tmp_path: Path, make, said: str, all_of_them: bool):
    """Signed anew, so that no checksum tells; all of them, so that a batch of them has one size and looks right."""
    records = write_records(tmp_path / "records", counts={"train": 8, "val": 4})
    path = tmp_path / "shard"
    for shard in range(2):
        good = list(read(Path(records.shards("train")[shard])))
        tfrecord.write(path, [make(records)] * 4 if all_of_them else [*good[:2], make(records), good[3]])
        records = tamper(records.path, "train", shard, path.read_bytes())
    number = 0 if all_of_them else 2
    expected = rf"-train.tfrecord-00000-of-00003: record {number} was not written by .*{said}.*; convert the survey"
    with pytest.raises(AstrokerasError, match=expected) as caught, named_if_damaged(records, INPUT_ERRORS):
        load_arrays(records, "train")
        read_columns(records, "train")
    assert "\n" not in str(caught.value)
    with pytest.raises(AstrokerasError, match=expected), named_if_damaged(records, (ValueError,)):
        Arrays.load(records, ["train"], ["id", "label", "magnitudes", "redshift"])


@pytest.mark.parametrize("size", [8, 32])
def test_stamps_of_another_size_are_never_cut_up_or_joined(tmp_path: Path, size: int):
    """Four stamps of 8 pixels hold as many numbers as one of 16."""
    records = write_records(tmp_path / "records", counts={"train": 8}, shards=1)
    path = tmp_path / "shard"
    tfrecord.write(path, [encoded(records, image=stamps(size))] * 8)
    records = tamper(records.path, "train", 0, path.read_bytes())
    for stream in (
        evaluation_batches(records, "train", 4, fields=()),
        training_batches(records, 4, epochs=(0, 1), seed=0, fields=()),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError):
            list(stream.as_numpy_iterator())
