"""A loss that is no number: which step, which stamps, and how it goes on."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from keras import KerasTensor, ops

from astrokeras.config import PretrainConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.pipeline.dataset import read_columns
from astrokeras.pipeline.source import POSITION
from astrokeras.pipeline.stream import Stream
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.pretext.magnitudes import Magnitudes
from astrokeras.training.checkpoints.checkpoint import Moment
from astrokeras.training.pretrain import pretrain
from astrokeras.training.run_directory import load_run
from astrokeras.training.trainer import Trainer
from tests.synthetic import write_records
from tests.tiny import TINY

BATCH = 16


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 160}, missing=0.0)


def config_for(records: RecordsDirectory, out: Path, **options: object) -> PretrainConfig:
    options = {"epochs": 1, "batch_size": BATCH, "backbone": TINY, **options}
    return PretrainConfig(records=str(records.path), out=str(out), **options)


@pytest.fixture
def spoiled(records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable], int]:
    """Changes the loss of two stamps; gives the step of the first epoch in which the first of them comes."""
    batches = Stream(records).training(0, BATCH, (POSITION,), 0, seed=0)
    places = np.concatenate([batch[POSITION].numpy() for (batch,) in batches])
    chosen = places[[5 * BATCH + 2, 5 * BATCH + 7]]
    marks = read_columns(records, "train")["magnitudes"][chosen, 1]
    plain = Magnitudes.loss

    def spoil(change: Callable[[KerasTensor, KerasTensor], KerasTensor]) -> list[str]:
        def loss(self: Magnitudes, target: dict[str, KerasTensor], prediction: KerasTensor) -> KerasTensor:
            spoiled = ops.any(ops.equal(target["magnitudes"][:, 1:2], marks), axis=-1)
            return change(spoiled, plain(self, target, prediction))

        monkeypatch.setattr(Magnitudes, "loss", loss)
        return [f"train-{place}" for place in chosen]

    return spoil


def checkpoints(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "checkpoints").glob("*.json"))


def test_stamps_whose_loss_is_not_finite_are_named(
    records: RecordsDirectory, spoiled: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ids = spoiled(lambda spoiled, loss: ops.where(spoiled, float("inf"), loss))
    out = tmp_path / "run"
    message = rf"became inf at step 6 of epoch 1: 2 of the 16 stamps .*\({ids[0]}, {ids[1]}; .*--overwrite"
    with pytest.raises(AstrokerasError, match=message):
        pretrain(config_for(records, out), lambda _: None)
    told = json.loads((out / "nonfinite.json").read_text())
    assert told["ids"] == ids
    assert told["by_themselves"]
    assert (told["epoch"], told["step"]) == (1, 6)
    assert checkpoints(out) == ["epoch-00000-step-00000000.json"]


def test_no_checkpoint_holds_weights_that_are_not_finite(
    records: RecordsDirectory, spoiled: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The loss is finite, but its gradient is not, so that the step ruins the weights."""
    spoiled(lambda spoiled, loss: loss + ops.where(spoiled, ops.sqrt(0.0 * loss), 0.0))
    out = tmp_path / "run"
    with pytest.raises(AstrokerasError, match=r"the weights became .* at step 6 of epoch 1, .*\(step 5 of epoch 1\)"):
        pretrain(config_for(records, out, checkpoint_every=1), lambda _: None)
    assert checkpoints(out) == ["epoch-00000-step-00000004.json", "epoch-00000-step-00000005.json"]
    assert len(json.loads((out / "nonfinite.json").read_text())["ids"]) == BATCH


def test_no_best_epoch_has_weights_that_are_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The last step of the epoch ruins them, which no loss of the training shows."""
    train, out = Trainer._train, tmp_path / "run"

    def ruined(self: Trainer, moment: Moment) -> dict[str, float]:
        scores = train(self, moment)
        bias = self.model.trainable_variables[-1]
        bias.assign(bias * float("nan"))
        return scores

    monkeypatch.setattr(Trainer, "_train", ruined)
    records = write_records(tmp_path / "records", counts={"train": 32, "val": 8})
    with pytest.raises(AstrokerasError, match=r"the weights became .* at step 2 of epoch 1"):
        pretrain(config_for(records, out, patience=1), lambda _: None)
    assert not list((out / "checkpoints").glob("best/*"))


def test_a_training_that_diverged_goes_on_with_a_smaller_rate(records: RecordsDirectory, tmp_path: Path):
    """The weights become too large before they become infinite, so that the last checkpoint is of no use."""
    config = config_for(records, tmp_path / "run", learning_rate=1e30, checkpoint_every=1)
    with pytest.raises(
        AstrokerasError, match=r"(loss|weights) became .* at step [2-5] .* \(the start\): .* --resume .*1e\+30"
    ):
        pretrain(config, lambda _: None)
    again = dataclasses.replace(config, resume=True, learning_rate=1e-3)
    with pytest.raises(UsageError, match=r"--batch-size was 16 and is 8$"):
        pretrain(dataclasses.replace(again, batch_size=8), lambda _: None)
    with pytest.raises(UsageError, match=r"a larger --learning-rate \(was 1e\+30, is 2e\+30\)"):
        pretrain(dataclasses.replace(again, learning_rate=2e30), lambda _: None)
    lines = []
    pretrain(again, lines.append)
    assert lines[0] == "resuming after the start"
    run = load_run(tmp_path / "run", finished=True)
    assert run["options"]["learning_rate"] == 1e-3
    assert run["changed"] == [{"epoch": 0, "step": 0, "learning_rate": {"was": 1e30, "is": 1e-3}}]
