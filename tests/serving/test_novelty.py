import numpy as np
import pytest
from astropy.table import Table

from astrokeras.config import EmbedConfig, PredictConfig
from astrokeras.embedding.embed import embed
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.saving import load_model
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.progress import not_shown
from astrokeras.records.directory import Records
from astrokeras.serving.novelty import Novelty
from astrokeras.serving.predict import predict


@pytest.fixture(scope="module")
def embeddings(served, tmp_path_factory):
    out = tmp_path_factory.mktemp("novelty") / "e.parquet"
    config = EmbedConfig(encoder=str(served / "classes"), data=str(served / "records"), out=str(out))
    embed(config, lambda line: None, not_shown)
    return out


def test_the_distance_is_that_to_the_labelled_training_objects(served, embeddings):
    novelty = Novelty.of(str(embeddings), str(served / "classes"))
    flux, label, _ = load_arrays(Records.load(served / "records"), "train")
    vectors = load_model(served / "classes/encoder.keras").predict(flux, verbose=0)
    known = vectors[label >= 0]
    assert novelty.gaussian.rows == len(known) < len(flux)
    np.testing.assert_allclose(novelty.gaussian.mean, known.mean(axis=0), atol=1e-4)
    inside, outside = novelty.of_vectors(known), novelty.of_vectors(known + 100)
    assert outside["novelty"].min() > inside["novelty"].max()
    assert set(outside["novelty_rank"].tolist()) == {1.0}
    assert 0.3 < np.median(inside["novelty_rank"]) < 0.7


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
    from tests.embedding.samples import sample  # noqa: PLC0415

    return sample(tmp_path / "other.parquet")
