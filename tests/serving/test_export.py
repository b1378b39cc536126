import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from astropy.table import Table

from astrokeras.config import ExportConfig, PredictConfig
from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.progress import not_shown
from astrokeras.records.directory import RecordsDirectory
from astrokeras.serving.export import export
from astrokeras.serving.predict import predict
from astrokeras.serving.served import ServedModel
from astrokeras.tasks.targets.class_ import Class

pytestmark = pytest.mark.long

# What a server does: TensorFlow alone, no Keras, no astrokeras.
CLIENT = '''
import sys
class Without:
    """A finder that finds neither Keras nor astrokeras, as where they are not installed."""
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        hidden = name.split(".")[0] in ("keras", "astrokeras")
        return None if hidden else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
import numpy as np
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
serve = loaded.signatures["serving_default"]
out = {k: v.numpy() for k, v in serve(flux=tf.constant(np.load(sys.argv[2]))).items()}
assert not {"keras", "astrokeras"} & {name.split(".")[0] for name in sys.modules}, "Keras was imported"
np.savez(sys.argv[3], **out)
'''


def test_a_process_with_tensorflow_alone_gets_the_numbers_of_predict(served, tmp_path):
    result = export(ExportConfig(run=str(served / "classes"), out=str(tmp_path / "models/blobs")))
    assert result["version"] == 1
    records = RecordsDirectory.load(served / "records")
    flux, _, ids = load_arrays(records, "test")
    np.save(tmp_path / "flux.npy", flux)
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    arguments = [result["path"], str(tmp_path / "flux.npy"), str(tmp_path / "out.npz")]
    subprocess.run([sys.executable, str(script), *arguments], check=True, cwd=tmp_path, capture_output=True)
    out = np.load(tmp_path / "out.npz", allow_pickle=True)  # text of any length is an object array

    config = PredictConfig(
        run=str(served / "classes"), data=str(served / "records"), out=str(tmp_path / "p.fits"), split="test"
    )
    predict(config, print, not_shown)
    table = Table.read(tmp_path / "p.fits")
    assert list(table["id"]) == list(ids)
    expected = np.stack([table["p_blue"], table["p_red"]], axis=1)
    np.testing.assert_allclose(out["probabilities"], expected, atol=1e-6)
    assert [name.decode() for name in out["class_name"]] == list(table["class"])
    assert [name.decode() for name in out["class_names"][0]] == ["blue", "red"]


def test_versions_count_up_and_are_never_replaced(served, tmp_path):
    config = ExportConfig(run=str(served / "classes"), out=str(tmp_path / "m"))
    assert [export(config)["version"] for _ in range(2)] == [1, 2]
    assert export(ExportConfig(config.run, config.out, version=7))["version"] == 7
    with pytest.raises(AstrokerasError, match="exists already"):
        export(ExportConfig(config.run, config.out, version=2))
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["1", "2", "7"]
    extra = json.loads((tmp_path / "m/1/assets.extra/astrokeras.json").read_text())
    assert extra["bands"] == ["g", "r", "i"]


def test_what_is_written_is_checked_before_it_is_put_in_place(served, tmp_path, monkeypatch):
    """`--check` sees what only loaders without Keras see: variables under a second handle, and another model."""
    config = ExportConfig(run=str(served / "classes"), out=str(tmp_path / "m"), check=True)
    assert export(config)["checked"]

    class WithLayers(ServedModel):
        def __init__(self, model, targets):
            super().__init__(model, targets)
            self.weights = []
            self.layers = model.layers

    class Doubled(ServedModel):
        def __init__(self, model, targets):
            super().__init__(keras.models.clone_model(model), targets)

    class Renamed(ServedModel):
        def __init__(self, model, targets):
            super().__init__(model, {"class": Class(targets["class"].names[::-1])})

    for kind, said in [
        (WithLayers, "cannot be served.*[Cc]ould not find variable"),
        (Doubled, "does not answer as .*embedding of serving_default is off by"),
        (Renamed, "class_name of serving_default has other names"),
    ]:
        monkeypatch.setattr("astrokeras.serving.export.ServedModel", kind)
        with pytest.raises(AstrokerasError, match=said):
            export(config)
        assert [p.name for p in (tmp_path / "m").iterdir()] == ["1"]


def test_a_damaged_run_is_named(served, tmp_path):
    good = json.loads((served / "classes/run.json").read_text())
    shutil.copytree(served / "classes", tmp_path / "run")

    def of(changes):
        return {"class": {"target": "class", "config": good["targets"]["class"]["config"] | changes}}

    for changes in [
        {"records": None},
        {"result": "none"},
        {"targets": None},
        {"targets": {"class": 7}},
        {"targets": of({"names": None})},
        {"targets": of({"names": ["blue", None]})},
        {"targets": {"class": {"target": "clas", "config": {}}}},
        {"records": {**good["records"], "bands": "gri"}},
        {"records": {**good["records"], "unit": None}},
        {"records": {**good["records"], "conversion": None}},
        {"targets": of({"names": ["blue", "green", "red"]})},
        {"records": {**good["records"], "bands": ["g", "r"]}},
    ]:
        (tmp_path / "run/run.json").write_text(json.dumps({**good, **changes}))
        with pytest.raises(AstrokerasError, match=r"run.json is damaged|its model is none of the"):
            export(ExportConfig(run=str(tmp_path / "run"), out=str(tmp_path / "m")))
    assert not (tmp_path / "m").exists()


def test_only_a_classifier_can_be_exported(served, tmp_path):
    with pytest.raises(AstrokerasError, match="not a run directory"):
        export(ExportConfig(run=str(served / "records"), out=str(tmp_path / "m")))
    assert not (tmp_path / "m").exists()
