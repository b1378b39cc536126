import dataclasses
from pathlib import Path

import numpy as np
import pytest

from astrokeras.records.conversion.result import ShardInfo, TaskResult, load, look_at, save
from astrokeras.records.tfrecord import Shard


@pytest.fixture
def done(tmp_path: Path) -> TaskResult:
    for name in ("parts", "results"):
        (tmp_path / name).mkdir()
    image = tmp_path / "image"
    image.write_bytes(b"pixels")
    return TaskResult(
        index=3,
        parts={"train": ShardInfo("train-3", Shard(2, 99, "00c0ffee"), [1, 0], [2, 1])},
        kept=np.array([7, 4]),
        measured=np.array([[20.5, np.nan], [21.0, 3.0]]),
        rejected=np.array([5]),
        codes=np.array([1], dtype=np.int32),
        why=[("edge", "over the edge"), ("bad_pixels", "Größe")],
        sky=np.array([[1.5, np.nan]]),
        noise=np.array([[0.1, 0.2]]),
        inputs=[{"path": str(image), "bytes": 6, "crc32c": "00000000"}],
        seen={str(image): look_at(image), str(tmp_path / "absent"): None},
    )


def test_load_undoes_save(done: TaskResult, tmp_path: Path):
    path = tmp_path / "results" / "000003.npz"
    save(done, path, "this work")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    found = load(path, "this work")
    for field in dataclasses.fields(TaskResult):
        np.testing.assert_equal(getattr(found, field.name), getattr(done, field.name))
    assert load(path, "other work") is None
    assert load(tmp_path / "results" / "000004.npz", "this work") is None


def test_what_is_cut_is_none(done: TaskResult, tmp_path: Path):
    path = tmp_path / "results" / "000003.npz"
    save(done, path, "this work")
    content = path.read_bytes()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        assert load(path, "this work") is None


def test_a_file_that_changes_comes_or_goes_is_noticed(done: TaskResult, tmp_path: Path):
    assert done.unchanged
    (tmp_path / "absent").write_bytes(b"")
    assert not done.unchanged
    (tmp_path / "absent").unlink()
    assert done.unchanged
    (tmp_path / "image").unlink()
    assert not done.unchanged
