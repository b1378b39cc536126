"""What --overwrite and two runs on one directory do to a training: nothing that was there is lost or mixed."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from astrokeras.config import FinetuneConfig, PretrainConfig
from astrokeras.errors import AstrokerasError
from astrokeras.evaluation import finetune as finetuning
from astrokeras.evaluation.finetune import finetune
from astrokeras.locking import Locked
from astrokeras.records.metadata import signed
from astrokeras.training.checkpoints.checkpoint import Moment
from astrokeras.training.place import Place
from astrokeras.training.pretrain import pretrain
from astrokeras.training.run_directory import load_run
from astrokeras.training.trainer import Trainer
from tests.synthetic import write_records
from tests.tiny import TINY


def silent(_: str) -> None:
    pass


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with records, a short pre-training and a comparison."""
    path = tmp_path_factory.mktemp("overwriting")
    write_records(path / "records", counts={"train": 40, "val": 20, "test": 20})
    pretrain(pretraining(path), silent)
    finetune(comparison(path), silent)
    return path


def pretraining(path: Path, **options: object) -> PretrainConfig:
    base = {"task": ("rotation",), "epochs": 2, "batch_size": 16, "backbone": TINY}
    config = PretrainConfig(str(path / "records"), str(path / "run"), **base)
    return dataclasses.replace(config, **options)


def comparison(path: Path, **options: object) -> FinetuneConfig:
    base = {"backbone": (TINY,), "budget": ("8",), "repeats": 1, "mode": "frozen"}
    config = FinetuneConfig(str(path / "records"), str(path / "classes"), **base)
    return dataclasses.replace(config, **options)


def test_a_pretraining_keeps_the_old_run_until_the_new_one_is_whole(folder: Path, monkeypatch: pytest.MonkeyPatch):
    before, lines = content(folder / "run"), []
    config = pretraining(folder, overwrite=True, seed=1)
    whole = Trainer.epoch

    def interrupted(self: Trainer, moment: Moment) -> Moment:
        assert content(folder / "run") == before
        if moment.epoch == 1:
            raise KeyboardInterrupt
        return whole(self, moment)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pretrain(config, lines.append)
    assert content(folder / "run") == before
    assert f"{folder}/run stays as it is until the new run is complete, which is written to {folder}/.run.new" in lines
    assert lines[-1] == f"{folder}/run is as it was; what there is of the new run is in {folder}/.run.new"
    with pytest.raises(AstrokerasError, match="an unfinished run that was to take the place of"):
        pretrain(pretraining(folder, seed=1), silent)
    with pytest.raises(AstrokerasError, match=r"cannot resume .*\.run\.new with other options: --seed was 1 and is 0"):
        pretrain(pretraining(folder, resume=True), silent)
    lines.clear()
    pretrain(pretraining(folder, resume=True, seed=1), lines.append)
    assert "resuming after epoch 1" in lines
    assert load_run(folder / "run", finished=True)["seed"] == 1
    assert not list(folder.glob(".run.*"))


def test_a_comparison_keeps_the_old_one_until_the_new_one_is_whole(folder: Path, monkeypatch: pytest.MonkeyPatch):
    before, lines = content(folder / "classes"), []
    config = comparison(folder, overwrite=True, repeats=2)

    def failing(*_: object) -> None:
        assert content(folder / "classes") == before
        raise AstrokerasError("the disk is full")

    for late, left in (("make_arms", []), ("write_reports", [folder / ".classes.new"])):
        with monkeypatch.context() as patch:
            patch.setattr(finetuning, late, lambda *_, **__: failing())
            with pytest.raises(AstrokerasError, match="the disk is full"):
                finetune(config, lines.append)
        assert content(folder / "classes") == before
        assert list(folder.glob(".classes.*")) == left
    assert lines[-1] == f"{folder}/classes is as it was; what there is of the new run is in {folder}/.classes.new"
    finetune(config, lines.append)
    assert load_run(folder / "classes", finished=True)["options"]["repeats"] == 2
    assert lines[-1].startswith(f"comparison in {folder}/classes/comparison.html")
    assert not list(folder.glob(".classes.*"))
    fits = [path for path in (folder / "classes").rglob("repeat-*") if "tensorboard" not in path.parts]
    assert len(fits) == 2


@pytest.mark.parametrize("options", [{"overwrite": True}, {"resume": True}, {}])
def test_a_directory_in_use_is_left_alone(folder: Path, options: dict):
    with Place(folder / "run").held(), Place(folder / "new").held():
        for out in ("run", "new"):
            with pytest.raises(Locked, match=rf"^another run is at work on {folder}/{out} \(process "):
                pretrain(pretraining(folder, out=str(folder / out), **options), silent)
            if "resume" not in options:
                with pytest.raises(Locked, match="another run is at work on"):
                    finetune(comparison(folder, out=str(folder / out), **options), silent)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"step": 99}, "step 99 of epoch 1"),
        ({"step": 2}, "step 2 of epoch 1"),
        ({"history": [{"epoch": 1}]}, "epoch 1"),
        ({"step": 1, "trained": {"loss": 0.5}}, "step 1 of epoch 1"),
    ],
)
def test_a_checkpoint_of_another_kind_of_run_is_not_gone_on_from(
    folder: Path, tmp_path: Path, changes: dict, where: str
):
    """Signed, as somebody would who means it: two epochs of two steps with a validation."""
    run = shutil.copytree(folder / "run", tmp_path / "run")
    manifest = min((run / "checkpoints").glob("*.json"))
    content = signed({**json.loads(manifest.read_text()), "history": [], "step": 0, **changes})
    name = f"epoch-{len(content['history']):05d}-step-{content['step']:08d}"
    shutil.copy(manifest.with_suffix(".npz"), tmp_path / "state")
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    shutil.copy(tmp_path / "state", run / "checkpoints" / f"{name}.npz")
    (run / "checkpoints" / f"{name}.json").write_text(json.dumps(content))
    seed = load_run(run)["seed"]
    message = rf"^the checkpoint after {where} in .* is not one of 2 epochs of 2 steps with these tasks"
    with pytest.raises(AstrokerasError, match=message):
        pretrain(pretraining(folder, out=str(run), resume=True, seed=seed), silent)
