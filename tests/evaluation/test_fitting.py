import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, Stopped
from astrokeras.evaluation.arm_network import Watch
from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.compare import Comparison
from astrokeras.evaluation.fitting import ArmTrainer
from astrokeras.evaluation.predictions import predict
from astrokeras.evaluation.prepare import prepare
from astrokeras.models.encoder import build_encoder
from astrokeras.models.side import BASE, SIDE
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.engines.base import open_engine
from astrokeras.training.initial import Asked, Start, find_start
from astrokeras.training.signals import Signals
from tests.evaluation.comparing import options, silent
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("blobs")
    write_records(path / "records", counts={"train": 90, "test": 45})
    return path


def compared(path: Path, **changes) -> Comparison:
    config = options(path, budget=("all",), repeats=1, **changes)
    records = RecordsDirectory.load(config.records)
    return prepare(config, records, open_engine(config), None, silent)


def trainer_of(comparison: Comparison, *, random: bool = True) -> ArmTrainer:
    start = find_start(Asked("scratch"), comparison.records, silent)
    if not random:
        keras.utils.set_random_seed(3)
        encoder = build_encoder(comparison.records, backbone="compact")
        copy = keras.models.clone_model(encoder)

        def build() -> keras.Model:
            again = keras.models.clone_model(copy)
            again.set_weights(encoder.get_weights())
            return again

        start = Start(start.network, {"kind": "run"}, build)
    return ArmTrainer(Arm("scratch", "scratch", start), comparison)


@pytest.fixture
def watch() -> Watch:
    return Watch(Signals())


def weights(trainer: ArmTrainer) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(one)) for one in trainer.network.model.variables]


def test_every_start_is_the_same_start(path: Path, tmp_path: Path, watch: Watch):
    comparison = compared(path, mode="full", augment="none", epochs=2)
    trainer = trainer_of(comparison)
    (draw,) = comparison.draws
    trainer.start(7, trainer.schedules[0])
    first = weights(trainer)
    trained = []
    for _ in range(2):
        trainer.fit(draw, watch, tmp_path)
        trained.append(weights(trainer))
        assert any(not np.array_equal(a, b) for a, b in zip(first, trained[-1], strict=True))
        trainer.start(7, trainer.schedules[0])
        assert all(np.array_equal(a, b) for a, b in zip(first, weights(trainer), strict=True))
        assert int(trainer.network.model.optimizer.iterations) == 0
    for a, b in zip(*trained, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    trainer.start(8, trainer.schedules[0])
    kernels = [w for a, w in zip(first, weights(trainer), strict=True) if not np.array_equal(a, w)]
    assert len(kernels) > 3  # the encoder's and the head's


def test_training_learns_what_the_colour_gives_away(path: Path, tmp_path: Path, watch: Watch):
    comparison = compared(path, mode="full", min_steps=80, epochs=4, average=0.9)
    done = trainer_of(comparison).fit(comparison.draws[0], watch, tmp_path)
    assert [row["epoch"] for row in done.history] == [1, 2, 3, 4]
    assert done.history[-1]["loss"] < done.history[0]["loss"]
    assert done.scores["test"]["accuracy"] > 0.9


def test_frozen_fits_leave_the_encoder_alone_and_what_is_served_is_what_was_measured(
    path: Path, tmp_path: Path, watch: Watch
):
    comparison = compared(path, mode="frozen")
    trainer = trainer_of(comparison, random=False)
    trainer.start(0, trainer.schedules[0])
    before = trainer.network.model.encoder.get_weights()
    done = trainer.fit(comparison.draws[0], watch, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(before, trainer.network.model.encoder.get_weights(), strict=True))
    exam = comparison.exams[0]
    with trainer.trained() as served:
        whole = predict(served, comparison.source, exam.split, 16, exam.select)
    scores = comparison.targets["class"].scores(exam.fields["class"], whole)
    assert scores == pytest.approx(done.scores["test"], abs=1e-4)


def test_what_is_measured_and_saved_is_float32_and_the_average(path: Path, tmp_path: Path, watch: Watch):
    comparison = compared(path, mode="full", average=0.9, precision="bfloat16", augment="none")
    start = find_start(Asked("scratch"), comparison.records, silent)
    trainer = ArmTrainer(Arm("scratch", "scratch", start), comparison, "bfloat16")
    assert "mixed_bfloat16" in str(trainer.network.model.encoder.get_config())
    trainer.fit(comparison.draws[0], watch, tmp_path)
    trained = trainer.network.model.encoder.get_weights()
    with trainer.trained() as served:
        assert "mixed" not in str(served.get_config())
        kept = served.get_layer("encoder").get_weights()
        averages = trainer.network.model.encoder.get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(trained, kept, strict=True))
    for a, b in zip(averages, kept, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("random", [False, True])
def test_a_side_network_is_trained_beside_an_encoder_that_stays(path: Path, tmp_path: Path, watch: Watch, random: bool):
    comparison = compared(path, mode="side", min_steps=20, epochs=2, augment="none")
    trainer = trainer_of(comparison, random=random)
    trainer.start(0, trainer.schedules[0])
    base, side = (trainer.network.model.encoder.get_layer(name) for name in (BASE, SIDE))
    before = base.get_weights(), side.get_weights()
    done = trainer.fit(comparison.draws[0], watch, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(before[0], base.get_weights(), strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(before[1], side.get_weights(), strict=True))
    assert float(trainer.network.model.encoder.get_layer("embedding").logit) != 0
    # It goes on from the head that was fitted to what the frozen encoder gives.
    assert done.history[0]["loss"] < np.log(2) and done.history[-1]["loss"] < done.history[0]["loss"]
    # A second fit begins as the first one did.
    trainer.start(0, trainer.schedules[0])
    assert all(np.array_equal(a, b) for a, b in zip(before[1], side.get_weights(), strict=True))


def test_a_training_that_diverges_says_so_and_the_next_one_is_as_if_nothing_had_been(
    path: Path, tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
):
    comparison = compared(path, mode="full", augment="none")
    trainer = trainer_of(comparison)
    (draw,) = comparison.draws
    expected = trainer.fit(draw, watch, tmp_path).scores
    with monkeypatch.context() as patch:
        begin = trainer.network.rate.begin

        def spoil(steps: int) -> None:
            begin(steps)
            trainer.network.rate.rise.assign(np.nan)

        patch.setattr(trainer.network.rate, "begin", spoil)
        with pytest.raises(AstrokerasError, match="the training diverged; try a smaller --learning-rate"):
            trainer.fit(draw, watch, tmp_path)
    assert (tmp_path / "nonfinite.json").is_file()
    assert trainer.fit(draw, watch, tmp_path).scores == expected


def test_a_signal_ends_a_fit(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    comparison = compared(path, mode="full", augment="none", epochs=2)
    trainer = trainer_of(comparison)
    monkeypatch.setattr(Signals, "caught", True)
    with pytest.raises(Stopped, match="after 3 of 9 fits; the same command with --resume goes on"):
        trainer.fit(comparison.draws[0], Watch(Signals(), place="3 of 9 fits"), tmp_path)


def test_a_pretext_task_beside_a_target_is_trained_too(path: Path, tmp_path: Path, watch: Watch):
    comparison = compared(path, mode="full", task=("rotation",), task_weight=("0.3",), augment="none")
    assert comparison.weights == {"class": 1.0, "rotation": 0.3}
    trainer = trainer_of(comparison)
    trainer.start(0, trainer.schedules[0])
    before = trainer.network.model.heads["rotation"].get_weights()
    done = trainer.fit(comparison.draws[0], watch, tmp_path)
    assert {"loss", "class_loss", "class_accuracy", "rotation_loss", "rotation_accuracy"} < set(done.history[0])
    assert set(done.scores["test"]) == {"accuracy", "balanced_accuracy", "macro_f1", "auroc"}
    after = trainer.network.model.heads["rotation"].get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    with trainer.trained() as served:
        assert served.output_shape == (None, 2)


def test_two_devices_equal_one(path: Path, tmp_path: Path, watch: Watch):
    """But for dropout, which differs, and which there is none of in two phases."""
    histories = []
    for devices in ("auto", "cpu:2"):
        comparison = compared(path, mode="two-phase", devices=devices, augment="none", optimizer="sgd")
        trainer = trainer_of(comparison, random=False)
        histories.append(trainer.fit(comparison.draws[0], watch, tmp_path))
    one, two = histories
    for a, b in zip(one.history, two.history, strict=True):
        assert b == pytest.approx(a, rel=1e-3, abs=1e-5)
    assert two.scores["test"]["auroc"] == pytest.approx(one.scores["test"]["auroc"], abs=0.02)


def test_a_side_network_trains_on_two_devices(path: Path, tmp_path: Path, watch: Watch):
    comparison = compared(path, mode="side", devices="cpu:2")
    trainer = trainer_of(comparison, random=False)
    trainer.start(0, trainer.schedules[0])
    before = weights(trainer)
    done = trainer.fit(comparison.draws[0], watch, tmp_path)
    assert np.isfinite([row["loss"] for row in done.history]).all() and len(done.history) == 1
    assert any(not np.array_equal(a, b) for a, b in zip(before, weights(trainer), strict=True))
    with trainer.trained() as served:
        assert np.isfinite(predict(served, comparison.source, "test", 16)).all()


def test_options_of_the_optimizer_are_those_of_every_training():
    shared = {field.name for field in dataclasses.fields(FinetuneConfig)}
    assert {"optimizer", "weight_decay", "warm_up", "schedule", "clip_norm", "average", "precision"} <= shared
