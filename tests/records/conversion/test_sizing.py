"""The size of the stamps where each object has a file of its own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from astrokeras.config import ConvertConfig, configure
from astrokeras.errors import UsageError
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.example import decode
from astrokeras.records.tfrecord import read


def pictures(directory: Path, sides: list[int], **options: object) -> tuple[ConvertConfig, list[np.ndarray]]:
    rng, levels = np.random.default_rng(0), []
    for index, side in enumerate(sides):
        levels.append(rng.integers(0, 255, (side, side, 3), dtype=np.uint8))
        Image.fromarray(levels[-1]).save(directory / f"{index:02d}.png")
    given = {"images": str(directory / "{id}.png"), "bands": ("r", "g", "b"), "splits": "train=1", "workers": 1}
    return configure(ConvertConfig, out=str(directory / "out"), **{**given, **options}), levels


@pytest.mark.parametrize("side", [88, 21])
def test_without_a_size_the_whole_pictures_are_kept(tmp_path, side):
    config, levels = pictures(tmp_path, [side] * 5)
    said = []
    convert(config, report=said.append)
    records = RecordsDirectory.load(tmp_path / "out")
    assert records.size == side == records.conversion["size"]
    assert f"--size {side}: that of the images" in said
    assert not any("are kept of" in line for line in said)
    for example in map(decode, read(Path(records.shards("train")[0]))):
        stamp = np.frombuffer(example["image"], "<f4").reshape(side, side, 3)
        np.testing.assert_array_equal(stamp, levels[int(example["id"])])


def test_what_is_cut_off_is_said(tmp_path):
    config, levels = pictures(tmp_path, [88] * 4, size=64)
    said = []
    convert(config, report=said.append)
    assert "--size 64: the middle 64×64 pixels are kept of images of 88×88 pixels" in said
    (example, *_) = map(decode, read(Path(RecordsDirectory.load(tmp_path / "out").shards("train")[0])))
    stamp = np.frombuffer(example["image"], "<f4").reshape(64, 64, 3)
    np.testing.assert_array_equal(stamp, levels[int(example["id"])][12:76, 12:76])


def test_pictures_of_several_sizes_need_one(tmp_path):
    config, _ = pictures(tmp_path, [40, 50, 44])
    with pytest.raises(UsageError, match=r"from 40 to 50 pixels a side.*--size 40"):
        convert(config, report=lambda line: None)
