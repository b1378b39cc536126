import resource
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from astrokeras.config import PretrainConfig
from astrokeras.files import CannotWrite
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.tensorboard import TensorBoard
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 2})


def test_everything_can_be_read_back(records: RecordsDirectory, tmp_path: Path):
    board = TensorBoard(tmp_path)
    board.scalars("validation", {"mae": 0.5}, 1)
    board.scalars("validation", {"mae": 0.25}, 2)
    board.options("train", PretrainConfig(records="here", out="there"))
    board.stamps("train", np.full((2, 16, 16, 3), np.nan, np.float32), records)
    flux = keras.Input((4, 4, 3), name="flux")
    board.graph("train", keras.Model(flux, keras.layers.Conv2D(2, 3, name="convolution")(flux)))
    board.close()
    validation = EventAccumulator(str(tmp_path / "validation")).Reload()
    points = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in validation.Tensors("mae")]
    assert points == [(1, 0.5), (2, 0.25)]
    train = EventAccumulator(str(tmp_path / "train")).Reload()
    assert b'"optimizer": "adamw"' in train.Tensors("options")[0].tensor_proto.string_val[0]
    width, height, *images = tf.make_ndarray(train.Tensors("stamps")[0].tensor_proto)
    assert (int(width), int(height), len(images)) == (16, 16, 2)
    assert any("convolution" in node.name for node in train.Graph().node)


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond 100 bytes, which is like a disk that is full."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, former[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_what_cannot_be_written_is_told_in_a_line(tmp_path: Path, small_files: None):
    board = TensorBoard(tmp_path / "board")
    with pytest.raises(CannotWrite, match=rf"^cannot write {tmp_path}/board: File too large$"):
        for step in range(9):
            board.scalars("train", {"loss": 1.0}, step)
            board.flush()
