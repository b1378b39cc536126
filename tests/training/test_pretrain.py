import csv
import dataclasses
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.stats import mad_std
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from astrokeras.config import PretrainConfig
from astrokeras.errors import AstrokerasError, Stopped, UsageError
from astrokeras.models.saving import load_model
from astrokeras.pipeline import held
from astrokeras.pipeline.dataset import load_arrays, read_columns
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training import pretrain as module
from astrokeras.training.checkpoints.checkpoint import Moment
from astrokeras.training.place import Place
from astrokeras.training.pretrain import pretrain
from astrokeras.training.run_directory import load_run
from astrokeras.training.trainer import SPEEDS, Trainer
from tests.synthetic import write_records
from tests.tiny import TINY

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 160, "val": 21})


@pytest.fixture(scope="module")
def undisturbed(
    records: RecordsDirectory, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PretrainConfig, dict, list[str]]:
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    options = {"epochs": 6, "batch_size": 16, "learning_rate": 3e-3, "backbone": TINY}
    config = PretrainConfig(records=str(records.path), out=str(out), **options)
    lines = []
    return config, pretrain(config, lines.append), lines


def weights(run: str | Path) -> list[np.ndarray]:
    return load_model(Path(run) / "model.keras").get_weights()


def differing(config: PretrainConfig, **options: object) -> PretrainConfig:
    return dataclasses.replace(config, **options)


def first_epoch(run: str) -> dict[str, float]:
    with (Path(run) / "history.csv").open() as file:
        return {name: float(value) for name, value in next(csv.DictReader(file)).items()}


def stop_after(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the training of a later epoch fail, as if the machine had gone down."""
    whole: Callable = Trainer.epoch

    def interrupted(self: Trainer, moment: Moment) -> Moment:
        if moment.epoch == epoch:
            raise KeyboardInterrupt
        return whole(self, moment)

    monkeypatch.setattr(Trainer, "epoch", interrupted)


def fill_the_disk(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets no checkpoint of this name be written whole."""
    savez = np.savez

    def full(path: Path, **arrays: np.ndarray) -> None:
        if name in path.name:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        savez(path, **arrays)

    monkeypatch.setattr(np, "savez", full)


def test_beats_the_mean_and_writes_everything(undisturbed: tuple[PretrainConfig, dict, list[str]]):
    config, result, lines = undisturbed
    out = Path(config.out)
    assert result["val"]["mae"] < 0.7 * result["baseline_mean"]["mae"]
    names = [f"{name}{band}" for name in ("mae", "bias", "nmad") for band in ("", "_g", "_r", "_i")]
    assert list(result["val"]) == ["loss", *names]
    assert list(result["baseline_linear"]) == names
    assert result["epochs"] == 6
    assert load_run(out, finished=True)["result"] == result
    assert {path.name for path in out.iterdir()} == {
        *("run.json", "encoder.keras", "model.keras", "history.csv", "checkpoints", "tensorboard")
    }
    with (out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert float(rows[-1]["val_mae_r"]) == result["val"]["mae_r"]
    head, mean, linear, *_, last = lines
    assert head.split() == ["epoch", "loss", "val", "loss", "mae", "mae_g", "mae_r", "mae_i", "images/s", "waiting"]
    for line, scores in ((mean, "baseline_mean"), (linear, "baseline_linear")):
        assert line.split()[2:] == [f"{result[scores][name]:.3f}" for name in ("mae", "mae_g", "mae_r", "mae_i")]
    assert last.split()[0] == "6/6"
    assert last.split()[3:-2] == [f"{result['val'][name]:.3f}" for name in ("mae", "mae_g", "mae_r", "mae_i")]
    assert len({len(line.rstrip()) for line in (head, last)}) == 1


def test_reported_scores_are_those_of_the_saved_model(
    records: RecordsDirectory, undisturbed: tuple[PretrainConfig, dict, list[str]]
):
    config, result, _ = undisturbed
    flux = load_arrays(records, "val")[0]
    truth = read_columns(records, "val")["magnitudes"]
    found = load_model(Path(config.out) / "model.keras").predict(flux, verbose=0)
    error = np.abs(found - truth)
    # 21 objects in batches of 16: the padding must not count.
    assert np.nanmean(error) == pytest.approx(result["val"]["mae"], rel=1e-4)
    assert np.nanmean(error[:, 1]) == pytest.approx(result["val"]["mae_r"], rel=1e-4)
    assert result["val"]["bias_r"] == pytest.approx(np.nanmean(found[:, 1] - truth[:, 1]), abs=1e-4)
    scatter = mad_std(found[:, 1] - truth[:, 1], ignore_nan=True)
    assert result["val"]["nmad_r"] == pytest.approx(scatter, rel=1e-3)
    deviation = np.nanstd(read_columns(records, "train")["magnitudes"], axis=0)
    loss = np.nansum(error / deviation, axis=1).mean() / 3
    assert loss == pytest.approx(result["val"]["loss"], rel=1e-4)


def test_an_averaged_model_is_averaged_to_the_end(records: RecordsDirectory, tmp_path: Path):
    """Head and encoder are those that were validated, though no checkpoint of the best epoch holds them."""
    out = tmp_path / "run"
    options = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-2, "schedule": "constant", "average": 0.999}
    options["backbone"] = TINY
    result = pretrain(PretrainConfig(records=str(records.path), out=str(out), **options), lambda _: None)
    found = load_model(out / "model.keras").predict(load_arrays(records, "val")[0], verbose=0)
    error = np.abs(found - read_columns(records, "val")["magnitudes"])
    assert np.nanmean(error) == pytest.approx(result["val"]["mae"], rel=1e-4)


def test_the_encoder_is_the_one_in_the_model(undisturbed: tuple[PretrainConfig, dict, list[str]]):
    encoder = load_model(Path(undisturbed[0].out) / "encoder.keras")
    inside = load_model(Path(undisturbed[0].out) / "model.keras").get_layer("encoder")
    for ours, theirs in zip(encoder.get_weights(), inside.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_baselines_are_in_the_same_charts(undisturbed: tuple[PretrainConfig, dict, list[str]]):
    config, _, _ = undisturbed
    board = Path(config.out) / "tensorboard"
    tags = {}
    for run in ("train", "validation", "baseline-mean", "baseline-linear"):
        events = EventAccumulator(str(board / run)).Reload()
        tags[run] = set(events.Tags()["tensors"])
        assert [event.step for event in events.Tensors("mae_r")] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "mae", "mae_g"} <= tags["validation"] & tags["train"]
    scores = {f"{name}{band}" for name in ("mae", "bias", "nmad") for band in ("", "_g", "_r", "_i")}
    assert tags["baseline-mean"] == scores
    by_magnitude = {f"by magnitude/{name}" for name in scores if "_" in name}
    assert tags["baseline-linear"] == scores | by_magnitude
    assert tags["validation"] == scores | by_magnitude | {"loss"}
    # The steps of these curves are magnitudes.
    truth = read_columns(RecordsDirectory.load(config.records), "val")["magnitudes"][:, 1]
    bins, counts = np.unique(np.floor(truth[np.isfinite(truth)]), return_counts=True)
    events = EventAccumulator(str(board / "validation")).Reload().Tensors("by magnitude/nmad_r")
    assert [event.step for event in events] == bins[counts >= 5].tolist() != []


def test_a_run_that_finds_the_disk_full_goes_on_and_ends_the_same_to_the_bit(
    undisturbed: tuple[PretrainConfig, dict, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = differing(undisturbed[0], out=str(tmp_path / "run"))
    with monkeypatch.context() as patch:
        fill_the_disk("epoch-00005", patch)
        with pytest.raises(AstrokerasError, match=r"^cannot write .*epoch-00005.*: No space left on device; .*resume"):
            pretrain(config, lambda _: None)
    with monkeypatch.context() as patch:
        # Nothing is done before it is known that there is a place for it.
        patch.setattr(module, "fit_tasks", None)
        with pytest.raises(AstrokerasError, match="is not empty"):
            pretrain(config, lambda _: None)
    with pytest.raises(UsageError, match="--seed was 0 and is 1"):
        pretrain(differing(config, resume=True, seed=1), lambda _: None)
    lines = []
    pretrain(differing(config, resume=True), lines.append)
    assert lines[0] == "resuming after epoch 4"
    for ours, theirs in zip(weights(config.out), weights(undisturbed[0].out), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_choices_that_were_left_open_are_written_down(undisturbed: tuple[PretrainConfig, dict, list[str]]):
    assert load_run(undisturbed[0].out)["resolved"] == {
        **{"augment": "dihedral", "size": 16, "stretch": "asinh", "replicas": 1},
        **{"steps_per_epoch": 10, "steps_per_execution": 8, "precision": {"precision": "float32"}},
    }


def test_a_signal_while_validating_costs_no_training(
    undisturbed: tuple[PretrainConfig, dict, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = differing(undisturbed[0], out=str(tmp_path / "run"))
    validate = Trainer._validate

    def signalled(self: Trainer, moment: Moment) -> dict[str, float]:
        signal.raise_signal(signal.SIGINT)
        return validate(self, moment)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_validate", signalled)
        with pytest.raises(Stopped, match=r"^stopped by SIGINT after step 10 of epoch 1; ") as stopped:
            pretrain(config, lambda _: None)
    assert stopped.value.exit_code == 130
    stop_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(differing(config, resume=True), lambda _: None)
    one, two = first_epoch(undisturbed[0].out), first_epoch(config.out)
    assert {name for name in one if one[name] != two[name]} <= set(SPEEDS)


@pytest.mark.parametrize(
    ("splits", "where", "saved"),
    [
        ({"val": 8}, "step 2 of epoch 1", "epoch-00000-step-00000002.json"),
        ({}, "epoch 1", "epoch-00001-step-00000000.json"),
    ],
)
def test_a_signal_just_after_the_look_for_one_stops_where_the_state_is_saved(
    splits: dict[str, int], where: str, saved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    records = write_records(tmp_path / "records", counts={"train": 32, **splits})
    pausing = Trainer.pausing

    def signalled(self: Trainer) -> bool:
        answer = pausing(self)
        signal.raise_signal(signal.SIGTERM)
        return answer

    config = PretrainConfig(
        records=str(records.path), out=str(tmp_path / "run"), epochs=2, batch_size=16, backbone=TINY
    )
    monkeypatch.setattr(Trainer, "pausing", signalled)
    with pytest.raises(Stopped, match=f"^stopped by SIGTERM after {where}; "):
        pretrain(config, lambda _: None)
    assert (tmp_path / "run" / "checkpoints" / saved).is_file()


def test_a_run_is_not_overwritten_where_its_weights_lie(undisturbed: tuple[PretrainConfig, dict, list[str]]):
    config = differing(undisturbed[0], overwrite=True, init="imagenet")
    config = differing(config, imagenet_weights=str(Path(config.out) / "notop.weights.h5"))
    with pytest.raises(UsageError, match=r"is where .*notop\.weights\.h5 lies, which the run reads"):
        module._earlier(config, RecordsDirectory.load(config.records), Place(config.out))


def test_a_shard_that_is_damaged_on_the_way_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(held, "_BUFFER_BYTES", 0)  # otherwise so few records are read once
    records = write_records(tmp_path / "records", counts={"train": 40})
    shard = Path(records.shards("train")[1])

    def damage(line: str) -> None:
        if line.split(maxsplit=1)[0] == "1/2":
            content = bytearray(shard.read_bytes())
            content[-100] ^= 1
            shard.write_bytes(content)

    config = PretrainConfig(records=str(records.path), out=str(tmp_path / "run"), epochs=2, batch_size=8, backbone=TINY)
    with pytest.raises(AstrokerasError, match=rf"^{shard} is damaged.*inspect --verify"):
        pretrain(config, damage)


def test_two_replicas_equal_one_device(
    undisturbed: tuple[PretrainConfig, dict, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = differing(undisturbed[0], out=str(tmp_path / "run"), devices="cpu:2")
    stop_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, lambda _: None)
    one, two = first_epoch(undisturbed[0].out), first_epoch(config.out)
    assert set(one) == set(two)
    for name in ("loss", "mae", "mae_g", "mae_r", "mae_i"):
        assert two[name] == pytest.approx(one[name], rel=1e-3), name
        assert two[f"val_{name}"] == pytest.approx(one[f"val_{name}"], rel=1e-2), name


def test_a_converted_survey_is_learned(sample_records: Path, tmp_path: Path):
    config = PretrainConfig(records=str(sample_records), out=str(tmp_path / "run"), epochs=5, batch_size=16)
    result = pretrain(config, lambda _: None)
    assert result["val"]["mae"] < 0.7 * result["baseline_mean"]["mae"]


def test_without_validation(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 20})
    lines = []
    config = PretrainConfig(
        records=str(records.path), out=str(tmp_path / "run"), epochs=1, batch_size=16, backbone=TINY
    )
    result = pretrain(config, lines.append)
    assert result["val"] == {}
    assert "no validation" in lines[0]


@pytest.mark.parametrize("counts", [{"train": 0, "val": 5}, {"val": 5}])
def test_without_anything_to_train_on_nothing_is_begun(counts: dict[str, int], tmp_path: Path):
    records = write_records(tmp_path / "records", counts=counts)
    for task in ("rotation", "magnitudes", "photometry"):
        config = PretrainConfig(records=str(records.path), out=str(tmp_path / "run"), task=(task,))
        with pytest.raises(AstrokerasError, match=r"^no records to train on in the training split of "):
            pretrain(config, lambda _: None)
    assert not (tmp_path / "run").exists()


def test_several_tasks_at_once_without_a_catalogue(records: RecordsDirectory, tmp_path: Path):
    out = tmp_path / "run"
    tasks = {"task": ("contrastive(temperature=0.2)", "rotation"), "task_weight": ("1", "0.5")}
    config = PretrainConfig(records=str(records.path), out=str(out), epochs=2, batch_size=16, backbone=TINY, **tasks)
    lines = []
    result = pretrain(config, lines.append)
    names = ("contrastive_loss", "contrastive_retrieval", "contrastive_spread", "rotation_loss", "rotation_accuracy")
    assert list(result["val"]) == ["loss", *names]
    assert result["val"]["loss"] == pytest.approx(
        result["val"]["contrastive_loss"] + 0.5 * result["val"]["rotation_loss"], rel=1e-4
    )
    assert result["legend"].count(";") == 2
    # Neither says anything of one stamp alone.
    assert not (out / "model.keras").exists()
    assert load_model(out / "encoder.keras").output_shape[-1] == 32
    # Rotation forbids the default augmentation, which would turn the stamps.
    for option, message in (({"augment": "dihedral"}, "orientation"), ({"task_weight": ("1",)}, "--task-weight 1")):
        with pytest.raises(UsageError, match=message):
            pretrain(differing(config, out=str(tmp_path / "refused"), **option), lines.append)
