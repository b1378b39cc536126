import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.arm_network import Watch
from astrokeras.evaluation.finetune import finetune
from astrokeras.evaluation.optuna_search import STUDIES, import_optuna, tune
from astrokeras.evaluation.schedule import Schedule
from astrokeras.evaluation.schedule_search import About, Trial
from astrokeras.training.signals import Signals
from astrokeras.training.tensorboard import TensorBoard
from tests.evaluation.comparing import options, rows_of, silent
from tests.evaluation.test_schedule_search import CODES, DRAW, Told, compared

BASE = Schedule("full", 30, 200, 32, 1e-3)
PLACE = "run/budget-28/repeat-0"


class Studied(Told):
    """Answers the better, the nearer the rate is to 0.01."""

    def __init__(self, out: Path, count: int, *, fails: bool = False, augment: object = None) -> None:
        super().__init__(compared(tune=count), {})
        object.__setattr__(self.comparison, "engine", SimpleNamespace(board=TensorBoard))
        object.__setattr__(self.comparison, "augment", augment)
        self.arm, self.out, self.fails = SimpleNamespace(name="run"), out, fails

    def train(self, draw, schedule, about):
        self.calls.append(schedule.learning_rate)
        if self.fails:
            raise AstrokerasError("it diverged")
        self.number = 0
        self.right = {0: max(0.0, 1 - 20 * abs(schedule.learning_rate - 0.01))}
        return []


def tuned(out: Path, count: int, **changes) -> tuple[list[Trial], Studied]:
    pytest.importorskip("optuna")
    out.mkdir(exist_ok=True)
    trainer = Studied(out, count, **changes)
    before = [Trial(Schedule("frozen", 30, 200, 32, 1e-3), 28, {"balanced_accuracy": 1.0}), Trial(BASE, 28)]
    return tune(trainer, DRAW, before, About(Watch(Signals()), lambda n: None, out / PLACE)), trainer


def test_so_many_trials_are_made_of_the_best_mode_that_trains(tmp_path: Path):
    trials, trainer = tuned(tmp_path, 5, augment=object())
    assert len(trials) == 5 and len(trainer.calls) == 15
    for trial in trials:
        assert trial.schedule.mode == "full" and trial.held == (CODES >= 0).sum()
        assert 3e-5 <= trial.schedule.learning_rate <= 3e-2 and 1e-6 <= trial.schedule.weight_decay <= 1
        assert trial.schedule.depth in (0.25, 0.5, 0.75, 1.0) and trial.schedule.augmented in (0.0, 0.5, 1.0)
    for name in ("learning_rate", "weight_decay"):
        assert len({getattr(trial.schedule, name) for trial in trials}) == 5
    # Without an augmentation there is none to vary.
    trials, _ = tuned(tmp_path / "plain", 2)
    assert {trial.schedule.augmented for trial in trials} == {1.0}


def test_a_study_that_was_stopped_goes_on_as_an_undisturbed_one(tmp_path: Path):
    whole, _ = tuned(tmp_path / "whole", 7)
    first, _ = tuned(tmp_path / "halved", 3)
    then, trainer = tuned(tmp_path / "halved", 7)
    assert len(trainer.calls) == 4 * 3
    assert [one.schedule for one in then] == [one.schedule for one in whole]
    assert [one.scores for one in then] == [one.scores for one in whole]
    assert [one.schedule for one in first] == [one.schedule for one in whole[:3]]
    # What was begun when it was killed is not waited for.
    optuna = import_optuna()
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "halved" / STUDIES))
    )
    study = optuna.load_study(study_name=PLACE, storage=storage)
    study.ask()
    again, trainer = tuned(tmp_path / "halved", 7)
    assert not trainer.calls and [one.schedule for one in again] == [one.schedule for one in whole]


def test_every_trial_is_in_tensorboard(tmp_path: Path):
    trials, _ = tuned(tmp_path, 2)
    for number, trial in enumerate(trials):
        shown = EventAccumulator(str(tmp_path / "tensorboard" / PLACE / f"tune-{number:03d}")).Reload()
        assert "_hparams_/session_start_info" in shown.summary_metadata
        assert "held_out/balanced_accuracy" in shown.Tags()["tensors"]
        assert trial.scores["balanced_accuracy"] >= 0


def test_trials_that_fail_are_trials(tmp_path: Path):
    trials, _ = tuned(tmp_path, 3, fails=True)
    assert [trial.reason for trial in trials] == ["it diverged"] * 3
    again, trainer = tuned(tmp_path, 3, fails=True)
    assert [trial.reason for trial in again] == ["it diverged"] * 3 and not trainer.calls


@pytest.mark.parametrize("content", [b"\x00\xff\n", b"{}\n", b'{"op_code": 77}\n', b"[]\n"])
def test_a_damaged_file_of_studies_is_told_in_a_line(tmp_path: Path, content: bytes):
    pytest.importorskip("optuna")
    (tmp_path / STUDIES).write_bytes(content)
    with pytest.raises(AstrokerasError, match=r"optuna\.log is damaged"):
        tuned(tmp_path, 1)


def test_without_optuna_a_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"--tune needs Optuna: pip install 'astrokeras\[tune\]'"):
        finetune(options(tmp_path, tune=3), silent)


def test_a_comparison_is_tuned_and_says_what_was_chosen(place: Path, tmp_path: Path):
    pytest.importorskip("optuna")
    config = options(place, out=str(tmp_path / "out"), init=(str(place / "magnitudes"),), repeats=1, tune=2)
    finetune(config, silent)
    (row,) = rows_of(tmp_path / "out/repeats.csv")
    trials = rows_of(tmp_path / "out" / row["directory"] / "trials.csv")
    (chosen,) = [trial for trial in trials if trial["chosen"] == "True"]
    assert len(trials) == 3 and {trial["mode"] for trial in trials} == {"full"}
    for name in ("learning_rate", "weight_decay", "depth", "augmented"):
        assert row[name] == chosen[name]
    assert "2 further trials by Optuna" in (tmp_path / "out/comparison.md").read_text()
