import numpy as np
import pytest
from astropy.table import Table
from sklearn.neighbors import NearestNeighbors

from astrokeras.config import EmbedConfig, PredictConfig
from astrokeras.embedding.embed import embed
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.saving import load_model
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.progress import not_shown
from astrokeras.records.directory import RecordsDirectory
from astrokeras.serving import novelty as module
from astrokeras.serving.novelty import Novelty
from astrokeras.serving.predict import predict
from tests.embedding.samples import sample


@pytest.fixture(scope="module")
def embeddings(served, tmp_path_factory):
    out = tmp_path_factory.mktemp("novelty") / "e.parquet"
    config = EmbedConfig(encoder=str(served / "classes"), data=str(served / "records"), out=str(out))
    embed(config, lambda line: None, not_shown)
    return out


def test_the_distance_is_that_to_the_labelled_training_objects(served, embeddings):
    novelty = Novelty.of(str(embeddings), str(served / "classes"))
    flux, label, _ = load_arrays(RecordsDirectory.load(served / "records"), "train")
    vectors = load_model(served / "classes/encoder.keras").predict(flux, verbose=0)
    known = vectors[label >= 0]
    assert len(novelty.vectors) == len(known) < len(flux)
    nearest = NearestNeighbors(metric="cosine").fit(known)
    far, _ = nearest.kneighbors(vectors, 5)
    own, _ = nearest.kneighbors(known, 6)  # each is the nearest to itself
    found = novelty.of_vectors(vectors)
    np.testing.assert_allclose(found["novelty"], far[:, -1], atol=1e-5)
    np.testing.assert_allclose(novelty.ranked, np.sort(own[:, -1]), atol=1e-5)
    # Two that are the fifth nearest of each other have the same distance, but for rounding.
    least, most = ((np.sort(own[:, -1]) < far[:, -1:] + slack).mean(axis=1) for slack in (-1e-5, 1e-5))
    assert (found["novelty_rank"] >= least - 1e-6).all()
    assert (found["novelty_rank"] <= most + 1e-6).all()
    assert (most - least).mean() < 0.02
    assert set(novelty.of_vectors(-known)["novelty_rank"].tolist()) == {1.0}


def test_what_is_like_the_known_objects_is_not_called_new():
    vectors = (np.random.default_rng(0).normal(1, 1, (600, 64)) * np.geomspace(1, 1000, 64)).astype(np.float32)
    rank = Novelty.among(vectors[::6]).of_vectors(np.delete(vectors, np.s_[::6], axis=0))["novelty_rank"]
    assert 0.4 < np.median(rank) < 0.6
    assert 0.01 < (rank > 0.95).mean() < 0.12


def test_of_very_many_some_are_compared(monkeypatch, served, embeddings):
    all_of_them = Novelty.of(str(embeddings), str(served / "classes"))
    monkeypatch.setattr(module, "_MOST", 7)
    some = Novelty.of(str(embeddings), str(served / "classes"))
    assert len(some.vectors) == 7 < len(all_of_them.vectors)
    np.testing.assert_array_equal(some.vectors[[0, -1]], all_of_them.vectors[[0, -1]])


def test_too_few_are_refused():
    with pytest.raises(AstrokerasError, match="it has 5 known objects, expected 6 or more"):
        Novelty.among(np.ones((5, 3)))


def test_predictions_carry_it(served, embeddings, tmp_path):
    config = PredictConfig(
        run=str(served / "classes"), data=str(served / "records"), out=str(tmp_path / "p.ecsv"), novelty=str(embeddings)
    )
    predict(config, lambda line: None, not_shown)
    table = Table.read(tmp_path / "p.ecsv")
    order = np.argsort(np.asarray(table["novelty"]))
    assert np.all(np.diff(np.asarray(table["novelty_rank"])[order]) >= 0)
    assert table["novelty"].min() >= 0


def test_other_embeddings_are_refused(served, embeddings, embedded_elsewhere, tmp_path):
    with pytest.raises(UsageError, match=r"are not by the encoder of .*astrokeras embed .* RECORDS"):
        Novelty.of(str(embedded_elsewhere), str(served / "classes"))
    with pytest.raises(AstrokerasError, match="there is no file"):
        Novelty.of(str(tmp_path / "none.parquet"), str(served / "classes"))


@pytest.fixture
def embedded_elsewhere(embeddings, tmp_path):
    return sample(tmp_path / "other.parquet")
