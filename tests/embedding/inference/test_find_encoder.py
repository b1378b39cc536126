import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest

from astrokeras.config import FinetuneConfig
from astrokeras.embedding.inference.find_encoder import find_encoder
from astrokeras.embedding.inference.network import loaded
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.finetune import finetune
from tests.tiny import TINY


@pytest.fixture(scope="module")
def tuned(embedded, tmp_path_factory):
    """A fine-tuning run in frozen mode."""
    out = tmp_path_factory.mktemp("tuned") / "run"
    options = {"backbone": (TINY,), "repeats": 1, "mode": "frozen"}
    finetune(FinetuneConfig(records=str(embedded / "records"), out=str(out), **options), print)
    return out


def test_a_file_says_what_stamps_it_takes(embedded):
    encoder = find_encoder(str(embedded / "encoder.keras"))
    assert (encoder.side, encoder.n_bands, encoder.width, encoder.kind) == (16, 3, 32, "asinh")
    assert encoder.records is None
    assert len(encoder.about["sha256"]) == 64


def test_a_run_brings_its_encoder_and_so_does_one_of_its_repeats(tuned, embedded):
    flux = np.random.default_rng(0).normal(50, 10, (4, 16, 16, 3)).astype(np.float32)
    whole = find_encoder(str(tuned))
    (repeat,) = {file.parent for file in tuned.rglob("run.json")} - {tuned}
    part = find_encoder(str(repeat))
    assert whole.records["bands"] == part.records["bands"] == ["g", "r", "i"]
    expected = keras.models.load_model(tuned / "encoder.keras", compile=False).predict(flux, verbose=0)
    for encoder in (whole, part):
        np.testing.assert_allclose(loaded(encoder.network)(flux)["embedding"], expected, atol=1e-5)


def test_what_is_no_encoder_gets_a_line(embedded, tuned, tmp_path):
    (tmp_path / "text.keras").write_text("hello")
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "other.keras")
    shutil.copytree(tuned, tmp_path / "without", ignore=shutil.ignore_patterns("encoder.keras"))
    shutil.copytree(tuned, tmp_path / "odd")
    content = json.loads((tuned / "run.json").read_text())
    (tmp_path / "odd/run.json").write_text(json.dumps({**content, "records": None}))
    for name, kind, said in [
        ("nothing", UsageError, "no such run directory, no such file .* and no such encoder .*sdss-gri-compact"),
        ("text.keras", AstrokerasError, "cannot read the model"),
        ("other.keras", AstrokerasError, "cannot read the model"),
        ("without", AstrokerasError, "has no encoder.keras"),
        ("odd", AstrokerasError, "run.json is damaged"),
    ]:
        with pytest.raises(kind, match=said):
            find_encoder(str(tmp_path / name))
    with pytest.raises(AstrokerasError, match="not a run directory"):
        find_encoder(str(embedded / "records"))


def test_an_encoder_that_changes_under_the_work_is_noticed(embedded, tmp_path):
    shutil.copy(embedded / "encoder.keras", tmp_path)
    network = find_encoder(str(tmp_path / "encoder.keras")).network
    model = keras.models.load_model(tmp_path / "encoder.keras", compile=False)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    model.save(tmp_path / "encoder.keras")
    with pytest.raises(AstrokerasError, match="is not what the work began with"):
        network.load()


def test_an_encoder_that_comes_with_the_package_is_found_by_its_name():
    found = find_encoder("sdss-gri-compact")
    assert (found.side, found.n_bands, found.width, found.kind) == (88, 3, 128, "display")
    assert found.about == {"name": "sdss-gri-compact", "sha256": found.network.sha256}
    assert found.records == {"bands": ["i", "r", "g"], "unit": "display"}
    with pytest.raises(AstrokerasError, match="is not the encoder that the work began with"):
        dataclasses.replace(found.network, sha256="0").load()
