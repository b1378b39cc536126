"""FAISS finds what the search in blocks finds."""

import sys

import numpy as np
import pytest

from astrokeras.config import SearchConfig
from astrokeras.embedding.faiss_neighbours import nearest_by_faiss
from astrokeras.embedding.neighbours import METRICS, nearest
from astrokeras.embedding.search import search
from astrokeras.errors import AstrokerasError
from astrokeras.survey.tables import read_table
from tests.embedding.samples import sample


def blocks(vectors, rows):
    return [(start, vectors[start : start + rows]) for start in range(0, len(vectors), rows)]


@pytest.fixture
def library():
    return pytest.importorskip("faiss", reason="FAISS is not installed (pip install 'astrokeras[faiss]')")


@pytest.mark.parametrize(("count", "rows"), [(1, 7), (9, 50), (300, 64), (20, 1000)])
@pytest.mark.parametrize(
    ("metric", "middle", "spread"),
    [
        ("cosine", 0.0, 1.0),
        ("cosine", 0.0, 1e30),
        ("euclidean", 0.0, 1.0),
        ("euclidean", 1e3, 1.0),
        ("euclidean", 0, 1e30),
    ],
)
def test_rows_and_distances_are_those_of_the_blocks(library, metric, count, rows, middle, spread):
    rng = np.random.default_rng(count)
    vectors = (middle + spread * rng.normal(size=(300, 12))).astype(np.float32)
    queries = np.concatenate([vectors[[3, 200]], (middle + spread * rng.normal(size=(2, 12))).astype(np.float32)])
    found, distances = nearest_by_faiss(queries, blocks(vectors, rows), count, metric)
    expected, wanted = nearest(queries, blocks(vectors, rows), count, metric)
    rounding = 1e-7 * max(middle, spread) if metric == "euclidean" else 1e-12
    np.testing.assert_allclose(distances, wanted, rtol=1e-6, atol=rounding)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("metric", METRICS)
def test_embeddings_of_zeros_do_no_harm(library, metric):
    vectors = np.zeros((30, 4), np.float32)
    found, distances = nearest_by_faiss(vectors[:2], blocks(vectors, 8), 3, metric)
    assert found.shape == (2, 3)
    np.testing.assert_array_equal(distances, 1.0 if metric == "cosine" else 0.0)


def test_the_command_finds_the_same(library, tmp_path):
    embedded = sample(tmp_path / "e.parquet")
    tables = []
    for engine in ("exact", "faiss"):
        out = tmp_path / f"{engine}.parquet"
        search(SearchConfig(str(embedded), str(out), id=("object-0007",), engine=engine), print)
        tables.append(read_table(out))
    assert list(tables[0]["id"]) == list(tables[1]["id"])
    np.testing.assert_allclose(tables[0]["distance"], tables[1]["distance"], rtol=1e-6)


def test_where_it_is_not_installed_a_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    embedded = sample(tmp_path / "e.parquet")
    config = SearchConfig(str(embedded), str(tmp_path / "t.csv"), id=("object-0007",), engine="faiss")
    with pytest.raises(AstrokerasError, match=r"--engine faiss cannot be used .*pip install 'astrokeras\[faiss\]'"):
        search(config, print)
