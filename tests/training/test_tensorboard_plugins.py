"""What the projector reads, with names that would like to be more than names."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.plugins.custom_scalar import layout_pb2

from astrokeras.training.board import Chart, Embedded
from astrokeras.training.tensorboard_plugins import layout, write_projector


def test_a_row_stays_a_row_and_a_cell_a_cell(tmp_path: Path):
    names = ["plain", "two\nlines", "a\tb", "", "\x1b[2J\u202e", "x" * 500]
    pictures = np.zeros((6, 4, 4, 3), np.uint8)
    pictures[3] = 255
    write_projector(tmp_path, Embedded(np.eye(6, 3), {"id": names, "na\tme": names}, pictures))
    head, *lines = (tmp_path / "metadata.tsv").read_text().splitlines()
    assert head == "id\tna\\x09me"
    assert [line.split("\t") for line in lines[:4]] == [
        ["plain"] * 2, ["two\\x0alines"] * 2, ["a\\x09b"] * 2, ["–"] * 2
    ]  # fmt: skip
    assert len(lines) == 6 and all(line.count("\t") == 1 and len(line) < 200 for line in lines)
    assert all(line.replace("\t", "").isprintable() for line in lines)
    sprite = np.asarray(Image.open(tmp_path / "sprite.png"))
    assert sprite.shape == (12, 12, 3)
    assert sprite[4:8, 0:4].min() == 255 and sprite.sum() == 255 * 4 * 4 * 3  # the fourth one, in the second row


def test_many_dimensions_become_fifty_that_keep_the_distances(tmp_path: Path):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(80, 20)) @ rng.normal(size=(20, 300))
    vectors[0, 0] = np.nan
    write_projector(tmp_path, Embedded(vectors, {"id": ["a"] * 80}, np.zeros((80, 2, 2, 3), np.uint8)))
    found = np.loadtxt(tmp_path / "vectors.tsv", delimiter="\t")
    assert found.shape == (80, 50)
    apart = np.linalg.norm(vectors[1] - vectors[2])
    assert np.linalg.norm(found[1] - found[2]) == pytest.approx(apart, rel=1e-2)


def test_a_tag_is_itself_and_no_pattern():
    event = layout({"First": [Chart("a (b)", ("a (b)",)), Chart("with limits", ("v",), ("low", "high"))]})
    assert b"^a\\ \\(b\\)$" in event or b"^a \\(b\\)$" in event
    assert layout_pb2.MarginChartContent.Series(value="v", lower="low", upper="high").SerializeToString() in event
