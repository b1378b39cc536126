"""What the page of a map is given."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from astrokeras.config import MapConfig
from astrokeras.embedding.layout import Layout
from astrokeras.embedding.map_page import densities, on_grid, page_data, spread
from astrokeras.embedding.stamp_pictures import StampPictures
from astrokeras.embedding.table import Objects
from tests.embedding.samples import grouped, write
from tests.synthetic import write_records


def test_places_keep_their_shape():
    places = np.array([[-1.0, 10], [3, 12], [1, 11]])
    grid = on_grid(places)
    assert grid.dtype == np.uint16
    assert grid[:2, 0].tolist() == [0, 65535]
    across, up = np.ptp(grid.astype(float), axis=0)
    assert up / across == pytest.approx(0.5, abs=1e-4)
    assert grid[2].tolist() == pytest.approx([32767.5] * 2, abs=1)
    assert len(np.unique(on_grid(np.ones((4, 2))))) == 1


def test_densities_count_and_the_top_is_up():
    grid = np.array([[0, 0]] * 9 + [[65535, 65535]], np.uint16)
    level = densities(grid)
    assert level[-1, 0] == 255 and 0 < level[0, -1] < 255
    assert np.count_nonzero(level) == 2


def test_stamps_are_spread_over_the_map():
    rng = np.random.default_rng(0)
    crowd = rng.integers(0, 2000, (5000, 2))
    alone = rng.integers(30000, 65536, (50, 2))
    grid = np.concatenate([crowd, alone]).astype(np.uint16)
    chosen = spread(grid, 400, rng)
    assert len(np.unique(chosen)) == len(chosen) == 400
    assert (np.diff(chosen) > 0).all()
    assert set(range(5000, 5050)) <= set(chosen.tolist()), "those that lie alone are all there"
    assert spread(grid, 10_000, rng).tolist() == list(range(5050))


def test_more_objects_than_points(tmp_path):
    vectors, _ = grouped(50)
    objects = Objects.load(write(tmp_path / "e.parquet", vectors))
    layout = Layout(np.arange(10, 50), vectors[10:, :2].astype(float), ("a", "b"))
    said = []
    data = page_data(MapConfig("e", "o", points=7), objects, layout, [], None, said.append)
    assert len(data["ids"]) == 7 and set(data["ids"]) <= set(objects.ids[10:])
    assert data["density"]["side"] == 512
    assert "40 objects of e.parquet; 7 of them, chosen at random" in data["about"]
    rows = [objects.ids.tolist().index(name) for name in data["ids"]]
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(data["ra"]), "<f8"), objects.ra[rows])
    whole = page_data(MapConfig("e", "o"), objects, layout, [], None, said.append)
    assert whole["density"] is None and whole["ids"] == objects.ids[10:].tolist() and not said


def test_stamps_stand_in_the_sprite(tmp_path):
    records = write_records(tmp_path / "records", counts={"train": 8}, size=16)
    vectors, _ = grouped(10)
    ids = ["no stamp", *(f"train-{i}" for i in range(8)), "none"]
    objects = Objects.load(write(tmp_path / "e.parquet", vectors, ids=ids))
    layout = Layout(np.arange(10), vectors[:, :2].astype(float), ("a", "b"))
    pictures, said = StampPictures(records), []
    data = page_data(MapConfig("e", "o", stamp_size=16, stamps=5), objects, layout, [], pictures, said.append)
    stamps = data["stamps"]
    of = np.frombuffer(base64.b64decode(stamps["of"]), "<i4")
    assert len(of) == stamps["count"] == 5 and set(of) <= set(range(1, 9))
    with Image.open(io.BytesIO(base64.b64decode(stamps["jpeg"]))) as sprite:
        pixels = np.asarray(sprite).astype(float)
    assert pixels.shape == (stamps["lines"] * 16, stamps["columns"] * 16, 3) == (32, 48, 3)
    expected = pictures.pictures([ids[i] for i in of])
    cell = pixels[16:, 16:32]
    assert [np.abs(cell - picture).mean() for picture in expected].index(
        min(np.abs(cell - picture).mean() for picture in expected)
    ) == 4, "the fifth stands in the second row and column"
    others = Objects.load(write(tmp_path / "other.parquet", vectors))
    assert page_data(MapConfig("e", "o"), others, layout, [], pictures, said.append)["stamps"] is None
    assert "none of the objects is in" in said[0]
