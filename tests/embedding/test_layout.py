"""Every method lays groups out apart; what is chosen at random is chosen by the seed."""

import importlib.util

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.layout import METHODS, lay_out
from astrokeras.errors import AstrokerasError, UsageError
from tests.embedding.samples import grouped, sample, write

UMAP = importlib.util.find_spec("umap") is not None


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return EmbeddingsFile.open(sample(tmp_path_factory.mktemp("layout") / "e.parquet", rows=90))


@pytest.mark.parametrize("method", METHODS)
def test_groups_lie_apart(file, method):
    if method == "umap" and not UMAP:
        pytest.skip("umap-learn is not installed")
    said = []
    with threadpool_limits(1):  # threads that wait for busy processors take minutes
        found = lay_out(file, method, perplexity=10, neighbours=8, report=said.append)
        again = lay_out(file, method, perplexity=10, neighbours=8, report=said.append)
    assert found.rows.tolist() == list(range(90)) and found.places.shape == (90, 2) and not said
    centres = np.stack([found.places[group::3].mean(axis=0) for group in range(3)])
    nearest = np.linalg.norm(found.places[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == np.arange(90) % 3).mean() > 0.95
    np.testing.assert_array_equal(again.places, found.places)


def test_a_sample_is_that_of_the_seed(file):
    said = []
    one, same, other = (lay_out(file, "pca", sample=20, seed=seed, report=said.append) for seed in (1, 1, 2))
    assert len(one.rows) == 20 and (np.diff(one.rows) > 0).all()
    np.testing.assert_array_equal(one.rows, same.rows)
    assert not np.array_equal(one.rows, other.rows)
    whole = lay_out(file, "pca", report=said.append)
    np.testing.assert_array_equal(one.places, whole.places[one.rows])
    assert said == ["20 of 90 objects, chosen at random, are laid out"] * 3


def test_embeddings_of_one_number(tmp_path):
    vectors, _ = grouped(9, width=3)
    file = EmbeddingsFile.open(write(tmp_path / "e.parquet", vectors[:, :1]))
    found = lay_out(file, "pca", report=print)
    np.testing.assert_array_equal(found.places[:, 1], 0)
    assert found.axes[1] == ""


def test_too_few_objects_for_a_method(file):
    with pytest.raises(UsageError, match="t-SNE of 90 objects with --perplexity 90: expected fewer"):
        lay_out(file, "tsne", perplexity=90, report=print)


@pytest.mark.skipif(UMAP, reason="umap-learn is installed")
def test_umap_is_asked_for_where_it_is_missing(file):
    with pytest.raises(AstrokerasError, match=r"--method umap cannot be used .*pip install 'astrokeras\[umap\]'"):
        lay_out(file, "umap", report=print)
