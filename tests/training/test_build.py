"""The options of a pre-training, all together: what unit tests say of each has to hold of a run."""

import dataclasses
import json
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from astrokeras.config import ExportConfig, FinetuneConfig, PretrainConfig
from astrokeras.errors import Stopped
from astrokeras.evaluation.finetune import finetune
from astrokeras.models.encoder import build_encoder
from astrokeras.models.saving import load_model
from astrokeras.pipeline.dataset import load_arrays
from astrokeras.records.directory import RecordsDirectory
from astrokeras.serving.export import export
from astrokeras.tasks.base import Scores
from astrokeras.training import precision_trial
from astrokeras.training.checkpoints.checkpoint import Moment
from astrokeras.training.pretrain import pretrain
from astrokeras.training.run_directory import load_run, write_run
from astrokeras.training.trainer import Trainer
from tests.synthetic import write_records
from tests.tiny import TINY

# Validation losses of the epochs; with a patience of 1 the third is the last, and the second is kept.
LOSSES = (3.0, 1.0, 2.0, 0.5)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with records and a run to start from that went on from ImageNet weights, as far as it says."""
    path = tmp_path_factory.mktemp("options")
    records = write_records(path / "records", counts={"train": 48, "val": 16, "test": 20})
    (path / "first").mkdir()
    build_encoder(records, backbone=TINY).save(path / "first" / "encoder.keras")
    config = PretrainConfig(str(records.path), str(path / "first"), backbone=TINY)
    write_run(path / "first", "pretrain", config, records, {"epochs": 1}, init={"kind": "imagenet"})
    return path


def options(place: Path, name: str) -> PretrainConfig:
    return PretrainConfig(
        str(place / "records"), str(place / name), init=str(place / "first"), epochs=len(LOSSES), batch_size=16,
        learning_rate=0.01, optimizer="lamb", clip_norm=0.5, average=0.9, patience=1, precision="auto",
    )  # fmt: skip


def run(config: PretrainConfig, monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> list[list[np.ndarray]]:
    """Pre-trains with those losses; the weights of the encoder at each validation."""
    validated, whole = [], Trainer._validate

    def validate(self: Trainer, moment: Moment) -> Scores:
        if moment.epoch == stop_at:
            signal.raise_signal(signal.SIGTERM)
            return whole(self, moment)
        validated.append(self.model.encoder.get_weights())
        return dict.fromkeys(("loss", *self.model.score_names), LOSSES[moment.epoch])

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_validate", validate)
        patch.setattr(precision_trial, "seconds_per_step", lambda fits: dict(zip(fits, (2.0, 1.0), strict=True)))
        pretrain(config, lambda _: None)
    return validated


@pytest.fixture(scope="module")
def kept(place: Path) -> list[np.ndarray]:
    """The weights that the run ``all`` validated in its best epoch."""
    with pytest.MonkeyPatch.context() as patch:
        validated = run(options(place, "all"), patch)
    assert len(validated) == 3
    return validated[1]


def weights(path: Path) -> list[np.ndarray]:
    return load_model(path / "encoder.keras").get_weights()


def test_the_average_of_the_best_epoch_is_kept(place: Path, kept: list[np.ndarray]):
    for ours, theirs in zip(weights(place / "all"), kept, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    written = load_run(place / "all", finished=True)
    assert (written["result"]["epochs"], written["result"]["epoch_kept"]) == (3, 2)
    assert written["result"]["val"]["loss"] == 1.0
    assert written["resolved"]["precision"]["precision"] == "bfloat16"
    assert written["resolved"]["precision"]["trial"]["speedup"] == 2.0
    assert written["options"]["backbone"] == TINY
    assert written["init"]["path"] == str(place / "first")
    assert written["init"]["init"] == {"kind": "imagenet"}


def test_a_resumed_run_ends_the_same_and_tries_no_precision(
    place: Path, kept: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
):
    config = options(place, "resumed")
    with pytest.raises(Stopped):
        run(config, monkeypatch, stop_at=1)
    # It ended while the average was in use, but the weights to go on with are the others.
    monkeypatch.setattr(precision_trial, "choose_precision", None)
    run(dataclasses.replace(config, resume=True), monkeypatch)
    for ours, theirs in zip(weights(place / "resumed"), kept, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    first, second = (load_run(place / name)["resolved"] for name in ("all", "resumed"))
    assert first == second


def test_what_was_trained_in_half_precision_is_served_in_float32(place: Path, kept: list[np.ndarray]):
    with zipfile.ZipFile(place / "all" / "encoder.keras") as file:
        assert "mixed" not in file.read("config.json").decode()
    config = FinetuneConfig(
        str(place / "records"), str(place / "classes"), init=(str(place / "all"),), repeats=1, mode="frozen"
    )
    lines: list[str] = []
    result = finetune(config, lines.append)
    assert result["rows"][0]["arm"] == "all-from-first-from-imagenet"
    assert "The training of all-from-first-from-imagenet went on from first, imagenet" in result["table"]
    assert not any("WARNING" in line for line in lines if "the test split has only" not in line)
    flux = load_arrays(RecordsDirectory.load(place / "records"), "test")[0]
    exported = tf.saved_model.load(export(ExportConfig(str(place / "classes"), str(place / "served")))["path"])
    out = exported.signatures["serving_default"](flux=tf.constant(flux))
    np.testing.assert_allclose(
        out["embedding"], load_model(place / "all" / "encoder.keras").predict(flux, verbose=0), atol=1e-6
    )
    starts = json.loads((place / "classes" / "run.json").read_text())["starts"]
    assert starts["all-from-first-from-imagenet"]["init"]["init"]["kind"] == "imagenet"
