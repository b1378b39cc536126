import numpy as np
import pytest
from astropy.table import Table

from astrokeras.config import EmbedConfig, PredictConfig
from astrokeras.embedding.embed import embed
from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.gaussian import Gaussian, among
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.saving import load_model
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.progress import not_shown
from astrokeras.records.directory import RecordsDirectory
from astrokeras.serving.novelty import Novelty, held_out_distances
from astrokeras.serving.predict import predict
from tests.embedding.samples import sample, write


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
    assert novelty.gaussian.rows == len(known) < len(flux)
    np.testing.assert_allclose(novelty.gaussian.mean, known.mean(axis=0), atol=1e-4)
    inside, outside = novelty.of_vectors(known), novelty.of_vectors(known + 100)
    assert outside["novelty"].min() > inside["novelty"].max()
    assert set(outside["novelty_rank"].tolist()) == {1.0}


def test_what_is_like_the_known_objects_is_not_called_new(tmp_path):
    """With as many directions as objects, a Gaussian lies nearer to what it was fitted to than to anything else."""
    vectors = (np.random.default_rng(0).normal(size=(600, 64)) * np.geomspace(1, 1000, 64)).astype(np.float32)
    file = EmbeddingsFile.open(write(tmp_path / "e.parquet", vectors))
    chosen = np.arange(600) % 6 == 0
    novelty = Novelty(Gaussian.fit(among(file.blocks, chosen), 64), np.sort(held_out_distances(file, chosen)), "")
    rank = novelty.of_vectors(vectors[~chosen])["novelty_rank"]
    assert 0.4 < np.median(rank) < 0.6
    assert 0.02 < (rank > 0.95).mean() < 0.1
    fitted, others = (novelty.gaussian.distances(vectors[which]) for which in (chosen, ~chosen))
    assert (others > np.quantile(fitted, 0.95)).mean() > 0.3, "else it is for nothing"


def test_predictions_carry_it(served, embeddings, tmp_path):
    config = PredictConfig(
        run=str(served / "classes"), data=str(served / "records"), out=str(tmp_path / "p.ecsv"), novelty=str(embeddings)
    )
    predict(config, lambda line: None, not_shown)
    table = Table.read(tmp_path / "p.ecsv")
    order = np.argsort(np.asarray(table["novelty"]))
    assert np.all(np.diff(np.asarray(table["novelty_rank"])[order]) >= 0)
    assert table["novelty"].min() > 0


def test_other_embeddings_are_refused(served, embeddings, embedded_elsewhere, tmp_path):
    with pytest.raises(UsageError, match=r"are not by the encoder of .*astrokeras embed .* RECORDS"):
        Novelty.of(str(embedded_elsewhere), str(served / "classes"))
    with pytest.raises(AstrokerasError, match="there is no file"):
        Novelty.of(str(tmp_path / "none.parquet"), str(served / "classes"))


@pytest.fixture
def embedded_elsewhere(embeddings, tmp_path):
    return sample(tmp_path / "other.parquet")
