"""`KERAS_BACKEND=jax astrokeras pretrain`, in a process in which TensorFlow can't be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from astrokeras.config import PretrainConfig
from astrokeras.models.encoder import build_encoder
from astrokeras.models.saving import load_model
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.serving.trained import load_trained
from astrokeras.training.run_directory import write_run
from tests.synthetic import write_records
from tests.tiny import TINY

pytestmark = pytest.mark.long

_ROOT = Path(__file__).parents[3]
_WITHOUT_TENSORFLOW = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorboard"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Forbidden())
from astrokeras.cli import main
main(sys.argv[1:])
"""


def astrokeras(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-c", _WITHOUT_TENSORFLOW, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_pretrains_on_jax(tmp_path: Path):
    pytest.importorskip("jax")
    records = write_records(tmp_path / "records", counts={"train": 64, "val": 21})
    out = tmp_path / "run"
    # An encoder of TensorFlow's, whose BatchNormalization layers are synchronized, to go on from.
    (tmp_path / "first").mkdir()
    build_encoder(records, backbone=TINY).save(tmp_path / "first" / "encoder.keras")
    config = PretrainConfig(str(records.path), "", backbone=TINY)
    write_run(tmp_path / "first", "pretrain", config, records, {"epochs": 1})
    command = ["pretrain", str(records.path), "--out", str(out), "--batch-size", "16", "--epochs", "2", "--json"]
    command += ["--init", str(tmp_path / "first"), "--optimizer", "lamb", "--clip-norm", "1", "--average", "0.9"]
    command += ["--patience", "1", "--precision", "bfloat16"]
    done = astrokeras(*command, "--task", "magnitudes(loss=huber,weights=errors)", "--task", "masked_bands")
    assert done.returncode == 0, done.stderr
    assert "backend jax: one device, records in memory, no TensorBoard" in done.stderr
    result = json.loads(done.stdout)
    assert {"magnitudes_mae_r", "masked_bands_explained"} < set(result["val"])
    assert 0 <= result["input_wait"] < 1
    run = json.loads((out / "run.json").read_text())
    assert "jax" in run["versions"]
    assert "tensorflow" not in run["versions"]
    # What JAX has trained, TensorFlow reads.
    encoder = load_model(out / "encoder.keras")
    assert np.isfinite(encoder.predict(load_arrays(records, "val")[0], verbose=0)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", "RECORDS", "--out", "RUN", "--devices", "cpu:2"], "the jax backend takes the device it finds"),
        (["export", "RUN", "--out", "MODEL"], "needs TensorFlow, but Keras is set to jax; unset KERAS_BACKEND"),
    ],
)
def test_what_needs_tensorflow_says_so(arguments: list[str], message: str):
    pytest.importorskip("jax")
    done = astrokeras(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_fine_tunes_on_jax(tmp_path: Path):
    pytest.importorskip("jax")
    records = write_records(tmp_path / "records", counts={"train": 40, "val": 15, "test": 25})
    (tmp_path / "first").mkdir()
    build_encoder(records, backbone=TINY).save(tmp_path / "first" / "encoder.keras")
    config = PretrainConfig(str(records.path), "", backbone=TINY)
    write_run(tmp_path / "first", "pretrain", config, records, {"epochs": 1})
    out = tmp_path / "classes"
    command = ["finetune", str(records.path), "--out", str(out), "--init", str(tmp_path / "first"), "--repeats", "1"]
    command += ["--batch-size", "16", "--epochs", "2", "--min-steps", "4", "--task", "rotation", "--average", "0.9"]
    command += ["--trials", "2"]
    done = astrokeras(*command, "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert row["repeats"] == 1 and row["mode"] in ("frozen", "full")
    # What JAX has trained, TensorFlow serves.
    trained = load_trained(out)
    flux, labels, _ = load_arrays(records, "test")
    known = labels >= 0
    predicted = trained.model.predict(flux[known], verbose=0).argmax(axis=1)
    assert np.mean(predicted == labels[known]) == pytest.approx(row["test_accuracy_mean"], abs=1e-6)
