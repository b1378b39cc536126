"""A longer search for how a fit is trained, by Optuna (Akiba et al. 2019, arXiv 1907.10902), as ``--tune`` asks for it.

Each fit has a study of its own, by its place, in one file of the run directory, so that a comparison that was stopped
goes on within a fit.
"""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.compare import Draw
from astrokeras.evaluation.schedule import Schedule
from astrokeras.evaluation.schedule_search import About, Trial, judge, parts_of_draw

if TYPE_CHECKING:
    from astrokeras.evaluation.fitting import ArmTrainer

STUDIES = "optuna.log"
"""The file of all studies in a run directory."""

_RATES = (0.03, 30.0)  # times --learning-rate
_DECAYS = (1e-6, 1.0)
_DEPTHS = (0.25, 0.5, 0.75, 1.0)
_SHARES = (0.0, 0.5, 1.0)


def import_optuna() -> Any:
    """Return Optuna, which keeps silent.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import optuna  # noqa: PLC0415 - installed by those alone who ask for it
    except ImportError:
        raise UsageError("--tune needs Optuna: pip install 'astrokeras[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def tune(trainer: "ArmTrainer", draw: Draw, trials: list[Trial], about: About) -> list[Trial]:
    """Return further trials on a draw, as many as the options ask for.

    Rate, decay, share of the stamps that are augmented and share of the layers that are trained are suggested by what
    came of the trials before (a tree-structured Parzen estimator, Bergstra et al. 2011). The mode is that of the best
    trial so far that trains anything.

    Args:
        trainer: of the arm.
        draw: of the labels.
        trials: those so far.
        about: what looks at it.

    Raises:
        AstrokerasError: the file of the studies is damaged.
        Stopped: a signal came; what was tried is kept.
    """
    optuna, comparison = import_optuna(), trainer.comparison
    place = about.directory.relative_to(trainer.out).as_posix()
    trained = [trial for trial in trials if trial.schedule.trains]
    base = max(trained, key=lambda trial: trial.rank(comparison.measure)).schedule
    study = _study(optuna, trainer.out / STUDIES, place, maximize=comparison.measure.sign > 0)
    found = [_kept(old, trainer.out) for old in study.trials if "schedule" in old.user_attrs][: comparison.config.tune]
    for number, trial in enumerate(found):
        _show(trainer, f"{place}/tune-{number:03d}", trial)
    for number in range(len(found), comparison.config.tune):
        # A sampler of its own for each, so that a study that goes on suggests what an undisturbed one would.
        seed = comparison.config.seed + 1000 * draw.repeat + number
        study.sampler = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=min(10, number + 1, 5))
        asked = study.ask()
        trial = Trial(_suggested(asked, base, trainer))
        for part, held in parts_of_draw(comparison, draw):
            judge(trainer, trial, draw.count, part, held, about)
        _tell(optuna, study, asked, trial, comparison.measure.main)
        _show(trainer, f"{place}/tune-{number:03d}", trial)
        found.append(trial)
    return found


def _study(optuna: Any, path: Path, place: str, *, maximize: bool) -> Any:
    """Return the study of a fit; what was begun and not ended counts as failed.

    Raises:
        AstrokerasError: the file is damaged.
    """
    try:
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
        study = optuna.create_study(
            storage=storage, study_name=place, direction="maximize" if maximize else "minimize", load_if_exists=True
        )
        for old in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(old.number, state=optuna.trial.TrialState.FAIL)
    except Exception as error:  # the file may be anything, and so may what is said of it
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise AstrokerasError(f"{path} is damaged ({reason}); begin again with --overwrite") from error
    return study


def _suggested(asked: Any, base: Schedule, trainer: "ArmTrainer") -> Schedule:
    config = trainer.comparison.config
    low, high = (config.learning_rate * factor for factor in _RATES)
    changes = {
        "learning_rate": asked.suggest_float("learning_rate", low, high, log=True),
        "weight_decay": asked.suggest_float("weight_decay", *_DECAYS, log=True),
    }
    if not base.side:
        changes["depth"] = asked.suggest_categorical("depth", _DEPTHS)
    if trainer.comparison.augment is not None:
        changes["augmented"] = asked.suggest_categorical("augmented", _SHARES)
    return dataclasses.replace(base, **changes)


def _tell(optuna: Any, study: Any, asked: Any, trial: Trial, main: str) -> None:
    asked.set_user_attr("schedule", dataclasses.asdict(trial.schedule))
    asked.set_user_attr("scores", trial.scores)
    asked.set_user_attr("held", trial.held)
    asked.set_user_attr("reason", trial.reason)
    score = trial.scores.get(main, math.nan)
    if math.isnan(score):
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(asked, score)


def _kept(old: Any, out: Path) -> Trial:
    """Return a trial of an earlier life.

    Raises:
        AstrokerasError: what stands there of it is damaged.
    """
    try:
        noted = old.user_attrs
        scores = {str(name): float(value) for name, value in noted.get("scores", {}).items()}
        return Trial(Schedule(**noted["schedule"]), int(noted.get("held", 0)), scores, str(noted.get("reason", "")))
    except (TypeError, ValueError, AttributeError) as error:
        raise AstrokerasError(f"{out / STUDIES} is damaged ({error}); begin again with --overwrite") from None


def _show(trainer: "ArmTrainer", run: str, trial: Trial) -> None:
    """Write a trial to TensorBoard."""
    board, schedule = trainer.comparison.engine.board(trainer.out / "tensorboard"), trial.schedule
    try:
        names = ("mode", "learning_rate", "weight_decay", "depth", "augmented", "statistics")
        board.trial(run, {"arm": trainer.arm.name, **{name: getattr(schedule, name) for name in names}})
        board.scalars(run, {f"held_out/{name}": value for name, value in trial.scores.items()}, 0)
    finally:
        board.close()
