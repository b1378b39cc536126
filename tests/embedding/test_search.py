"""The most similar objects, as tables and as sheets."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from PIL import Image

import astrokeras as ak
from astrokeras.config import SearchConfig
from astrokeras.embedding.search import search, separation
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.picture import CAPTION, CELL, COLUMNS, HEAD
from astrokeras.survey.tables import read_table
from tests.embedding.samples import grouped, sample, write
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    return sample(tmp_path_factory.mktemp("search") / "e.parquet")


def found(embedded, out, **options):
    said = []
    result = search(SearchConfig(str(embedded), str(out), **options), said.append)
    return read_table(out), result, said


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_nearest_are_of_the_same_group(embedded, tmp_path, metric):
    table, result, _ = found(
        embedded, tmp_path / "t.parquet", id=("object-0004", "object-0000"), count=7, metric=metric
    )
    assert table.colnames == ["id", "ra", "dec", "query", "rank", "distance", "label", "split"]
    assert list(table["query"]) == ["object-0004"] * 7 + ["object-0000"] * 7
    assert list(table["rank"]) == [*range(1, 8)] * 2
    for name, group in (("object-0004", 1), ("object-0000", 0)):
        mine = table[table["query"] == name]
        assert (np.diff(mine["distance"]) >= 0).all()
        assert name not in mine["id"]
        assert {int(identifier[-4:]) % 3 for identifier in mine["id"]} == {group}
    assert (result["queries"], result["rows"], len(result["neighbours"])) == (2, 120, 10)


def test_together_is_one_list_about_the_mean(embedded, tmp_path):
    vectors, _ = grouped(120)
    table, *_ = found(
        embedded, tmp_path / "t.csv", id=("object-0001", "object-0005"), together=True, count=120, metric="euclidean"
    )
    assert len(table) == 118
    assert set(table["query"]) == {"object-0001 object-0005"}
    distances = np.linalg.norm(vectors - vectors[[1, 5]].mean(axis=0), axis=1)
    expected = [f"object-{i:04d}" for i in np.argsort(distances) if i not in (1, 5)]
    assert list(table["id"]) == expected


def test_by_position(embedded, tmp_path):
    ra, dec = np.linspace(150, 151, 120)[7], np.linspace(2, 3, 120)[7]
    near = f"{ra + 1 / 3600:.8f},{dec:.8f}"
    table, *_ = found(embedded, tmp_path / "t.parquet", position=(near,), id=("object-0007",), count=3)
    assert set(table["query"]) == {"object-0007"} and len(table) == 3
    with pytest.raises(AstrokerasError, match=r'no object within 0\.5"; the nearest, object-0007, is 1\.0" away'):
        found(embedded, tmp_path / "u.parquet", position=(near,), radius=0.5)


def test_separations_are_those_of_astropy():
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 50), rng.uniform(-90, 90, 50)
    ra[0], dec[0] = 0.0001, 89.9999
    sky = SkyCoord(ra, dec, unit="deg")
    for i in (0, 1):
        expected = sky[i].separation(sky).arcsec
        np.testing.assert_allclose(separation(ra[i], dec[i], ra, dec), expected, rtol=1e-9, atol=1e-7)


def test_queries_from_another_file(embedded, tmp_path):
    vectors, _ = grouped(3, seed=9)
    other = write(tmp_path / "other.parquet", vectors, ids=["x", "object-0001", "z"])
    table, *_ = found(embedded, tmp_path / "t.parquet", id=("x",), queries=str(other), count=5)
    assert {int(identifier[-4:]) % 3 for identifier in table["id"]} == {0}
    table, *_ = found(embedded, tmp_path / "all.parquet", queries=str(other), count=2)
    assert list(dict.fromkeys(table["query"])) == ["x", "object-0001", "z"], "all of its objects where none is named"
    narrow = write(tmp_path / "narrow.parquet", vectors[:, :4], ids=["x", "y", "z"])
    with pytest.raises(AstrokerasError, match="embeddings of 8 numbers"):
        found(embedded, tmp_path / "u.parquet", id=("x",), queries=str(narrow))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({}, UsageError, "what is to be found"),
        ({"id": ("object-00004",)}, AstrokerasError, "'object-00004' is unknown; did you mean object-000"),
        ({"position": ("150",)}, UsageError, "expected RA,DEC in degrees"),
        ({"position": ("150,nan",)}, UsageError, "expected RA,DEC in degrees"),
        ({"position": ("150,91",)}, UsageError, "expected RA,DEC in degrees"),
        ({"id": ("object-0000",), "sheet": "s.jpg"}, UsageError, "a name that ends in .png"),
        ({"id": ("object-0000",), "records": "r"}, UsageError, "--records goes with --sheet"),
    ],
)
def test_what_is_refused(embedded, tmp_path, options, kind, message):
    with pytest.raises(kind, match=message):
        found(embedded, tmp_path / "t.parquet", **options)
    assert not (tmp_path / "t.parquet").exists()


def test_without_positions(tmp_path):
    vectors, _ = grouped(3)
    path = write(tmp_path / "e.parquet", vectors, positions=np.full((3, 2), np.nan))
    with pytest.raises(AstrokerasError, match="has no positions; name the object by --id"):
        found(path, tmp_path / "t.parquet", position=("1,2",))


def test_a_sheet_has_a_row_for_each_query(tmp_path):
    records = write_records(tmp_path / "records", counts={"train": 30}, size=16)
    vectors, _ = grouped(32)
    ids = [f"train-{i}" for i in range(30)] + ["no stamp", "<b>"]
    about = {"records": {"path": str(records.path), "fingerprint": records.fingerprint}}
    embedded = write(tmp_path / "e.parquet", vectors, ids=ids, about=about)
    table, _, said = found(
        embedded, tmp_path / "t.parquet", id=("train-0", "no stamp"), count=5, sheet=str(tmp_path / "new/s.png")
    )
    assert len(table) == 10 and said == [f"contact sheet in {tmp_path}/new/s.png"]
    with Image.open(tmp_path / "new/s.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape == (HEAD + 2 * (CELL + CAPTION), COLUMNS * (CELL + 4), 3)
    cells = [pixels[HEAD : HEAD + CELL, column * (CELL + 4) :][:, :CELL] for column in range(7)]
    shown = [len(np.unique(cell)) > 2 for cell in cells]
    assert shown == [True, *(name.startswith("train") for name in table["id"][:5]), False]
    assert (pixels[HEAD + CELL + CAPTION :][:CELL, :CELL] == 128).all(), "an object without a stamp is grey"
    found(
        embedded, tmp_path / "u.parquet", id=("train-0",), count=20, sheet=str(tmp_path / "one.png"),
        records=str(records.path),
    )  # fmt: skip
    with Image.open(tmp_path / "one.png") as sheet:
        assert sheet.height == HEAD + 2 * (CELL + CAPTION), "one list goes on in further rows"


def test_without_records_there_is_a_table_all_the_same(embedded, tmp_path):
    table, _, said = found(embedded, tmp_path / "t.parquet", id=("object-0000",), sheet=str(tmp_path / "s.png"))
    assert len(table) == 20
    assert "names no records" in said[0] and not (tmp_path / "s.png").exists()


def test_in_python_neighbours_are_a_table(embedded, tmp_path):
    table = ak.search(embedded, tmp_path / "t.ecsv", id="object-0003", count=2)
    assert list(table["rank"]) == [1, 2]
