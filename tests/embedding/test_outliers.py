"""Each method finds what lies apart."""

import dataclasses

import numpy as np
import pytest

from astrokeras.config import AnomaliesConfig
from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.outliers import oddness, reduced
from astrokeras.errors import AstrokerasError
from tests.embedding.samples import grouped, write

CONFIG = AnomaliesConfig("e.parquet", "a.csv")
ODD = [5, 50, 119]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    vectors, _ = grouped(120)
    vectors[ODD] += 25 * np.eye(8)[[4, 5, 6]].astype(np.float32)
    return EmbeddingsFile.open(write(tmp_path_factory.mktemp("outliers") / "e.parquet", vectors))


def normal(chosen):
    return None if chosen == "all" else ~np.isin(np.arange(120), ODD)


@pytest.mark.parametrize("method", ["gaussian", "forest", "lof"])
@pytest.mark.parametrize("chosen", ["all", "others"])
def test_what_lies_apart_is_oddest(file, method, chosen):
    config = dataclasses.replace(CONFIG, method=method, false_alarms=0.05, seed=1)
    found = oddness(file, config, normal(chosen), lambda line: None)
    assert found.scores.shape == (120,)
    assert set(np.argsort(found.scores)[-3:]) == set(ODD)
    assert (found.chances is not None) == (method == "gaussian")
    if chosen == "others":
        assert (found.scores[ODD] > found.threshold).all()
    if method != "gaussian":
        usual = found.scores if chosen == "all" else np.delete(found.scores, ODD)
        assert (usual > found.threshold).mean() == pytest.approx(0.05, abs=0.01)


def test_thresholds_of_the_gaussian(file):
    said = []
    chi = oddness(file, CONFIG, None, said.append)
    own = oddness(file, dataclasses.replace(CONFIG, threshold="scores", false_alarms=0.1), None, said.append)
    np.testing.assert_array_equal(chi.scores, own.scores)
    assert (own.scores > own.threshold).sum() == 12
    assert len(said) == 0, "120 objects are enough for 8 numbers"
    low = oddness(file, dataclasses.replace(CONFIG, low_variance=0.5), None, said.append)
    assert low.threshold < chi.threshold and "directions hold 0.5 of the variance" in said[0]


def test_few_objects_are_said_to_be_few(tmp_path):
    vectors, _ = grouped(30)
    said = []
    oddness(EmbeddingsFile.open(write(tmp_path / "e.parquet", vectors)), CONFIG, None, said.append)
    assert "30 normal objects give a rough covariance of 8 numbers" in said[0]
    with pytest.raises(AstrokerasError, match="30 normal objects, expected more than --neighbours 30"):
        config = dataclasses.replace(CONFIG, method="lof", neighbours=30)
        oddness(EmbeddingsFile.open(tmp_path / "e.parquet"), config, None, said.append)


def test_the_reduced_objects_are_those_of_the_file(file):
    found = reduced(file)
    assert found.shape == (120, 8) and found.dtype == np.float32
    vectors = np.concatenate([block for _, block in file.blocks()])
    apart = np.linalg.norm(vectors[0] - vectors[1])
    assert np.linalg.norm(found[0] - found[1]) == pytest.approx(apart, rel=1e-4), (
        "eight components turn and lose nothing"
    )
