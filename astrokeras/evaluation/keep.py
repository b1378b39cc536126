"""What is kept of a fit: its directory, its run in TensorBoard, its line of results."""

import math
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.compare import Comparison, Draw, Measure
from astrokeras.evaluation.fit_predictions import save_predictions
from astrokeras.evaluation.fits import DONE, save_encoder, save_fit
from astrokeras.evaluation.fitting import FineTuneResult
from astrokeras.evaluation.hparams import write_trial
from astrokeras.evaluation.report import write_csv
from astrokeras.evaluation.schedule import FEWSHOT, Schedule
from astrokeras.evaluation.schedule_search import Trial
from astrokeras.evaluation.temperature import calibration_names, fitted_on_names
from astrokeras.evaluation.words import score_title
from astrokeras.training.board import Board
from astrokeras.training.history import write_history
from astrokeras.training.origins import lineage
from astrokeras.training.run_directory import load_run, write_run

TRIALS = "trials.csv"
_STAMPS_SHOWN = 24


def place_of(arm: Arm, draw: Draw) -> str:
    """Return the directory of a fit within that of the run."""
    return f"{arm.name}/budget-{draw.budget.replace('/', '-per-')}/repeat-{draw.repeat}"


def _line(arm: Arm, draw: Draw, mode: str, seconds: float, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "arm": arm.name, "init": arm.init, "started_from": ", ".join(lineage(arm.start.record)[1:]),
        "backbone": arm.backbone, "mode": mode, "budget": draw.budget, "repeat": draw.repeat, "labels": draw.count,
        "directory": place_of(arm, draw), "seconds": round(seconds, 2), "images_per_second": math.nan, "parameters": "",
        "status": status, "reason": reason,
    }  # fmt: skip


_CHOICES = ("learning_rate", "weight_decay", "statistics", "depth", "augmented", "chosen_by")
_NOTHING_CHOSEN = dict.fromkeys(_CHOICES, "")


def _chosen(outcome: FineTuneResult) -> dict[str, Any]:
    """Return how a fit was trained, and by how many labels that was chosen; nothing of one that was not trained."""
    if not outcome.trials:
        return _NOTHING_CHOSEN
    trial = next(one for one in outcome.trials if one.chosen)
    return _about(trial.schedule) | {"chosen_by": trial.held}


def _about(schedule: Schedule) -> dict[str, Any]:
    rate, decay = (schedule.learning_rate, schedule.weight_decay) if schedule.trains else ("", "")
    told = {"learning_rate": rate, "weight_decay": decay, "statistics": schedule.statistics}
    return told | {"depth": schedule.depth, "augmented": schedule.augmented}


def _trial(trial: Trial, measure: Measure) -> dict[str, Any]:
    """Return the line of a trial in the table of its fit."""
    told = {f"held_out_{name}": trial.scores.get(name, math.nan) for name in measure.scores}
    about = {"mode": trial.schedule.mode, **_about(trial.schedule), "held_out": trial.held, "chosen": trial.chosen}
    return about | {"reason": trial.reason} | told


def failed(arm: Arm, draw: Draw, mode: str, comparison: Comparison, reason: str) -> dict[str, Any]:
    """Return the line of a fit that came to nothing, for this reason; its scores are NaN."""
    scores = [f"{exam.split}_{name}" for exam in comparison.exams for name in comparison.measure.scores]
    others = [key for keys in calibration_names(comparison.targets).values() for key in keys]
    none = dict.fromkeys([*scores, *others], math.nan) | dict.fromkeys(fitted_on_names(comparison.targets).values(), "")
    return _line(arm, draw, mode, math.nan, "failed", reason) | _NOTHING_CHOSEN | none


def keep(
    out: Path, arm: Arm, outcome: FineTuneResult, model: keras.Model, comparison: Comparison, *, first: bool
) -> dict[str, Any]:
    """Write the sub-directory and the TensorBoard run of a fit; returns its line of results.

    ``run.json`` comes last: a directory without one counts as none.
    """
    draw, place = outcome.draw, place_of(arm, outcome.draw)
    directory = out / place
    # In frozen mode the encoder is that of the arm; of random weights there is one for each repeat.
    encoder = f"encoder-{draw.repeat}.keras" if arm.random else "encoder.keras"
    if outcome.schedule.mode == FEWSHOT:
        kept = save_encoder(directory, model, encoder)
        parameters = model.get_layer("encoder").count_params()
    else:
        kept = save_fit(directory, model, None if outcome.schedule.trains else encoder)
        parameters = model.count_params()
    result = _line(arm, draw, outcome.schedule.mode, outcome.seconds, DONE) | _chosen(outcome)
    if len(outcome.trials) > 1:
        write_csv(directory / TRIALS, [_trial(trial, comparison.measure) for trial in outcome.trials])
    result |= {f"{split}_{name}": v for split, scores in outcome.scores.items() for name, v in scores.items()}
    result |= outcome.calibration
    result |= {"images_per_second": round(outcome.images_per_second, 1), "parameters": parameters}
    save_predictions(directory, outcome.predictions, outcome.held_out)
    if outcome.history:
        write_history(directory / "history.csv", outcome.history)
    board = comparison.engine.board(out / "tensorboard")
    try:
        _show(board, place, outcome, model, comparison, first=first)
        costs = {"cost/seconds": outcome.seconds, "cost/parameters": float(parameters)}
        board.scalars(place, costs, len(outcome.history))
        write_trial(board, place, arm, outcome)
    finally:
        board.close()
    if outcome.others:
        kept["others"] = outcome.others
    kept["targets"] = load_run(out)["targets"]
    write_run(directory, "classifier", comparison.config, comparison.records, result, **kept)
    return result


def _show(
    board: Board, place: str, outcome: FineTuneResult, model: keras.Model, comparison: Comparison, *, first: bool
) -> None:
    for row in outcome.history:
        board.scalars(place, {f"train/{name}": v for name, v in row.items() if name != "epoch"}, row["epoch"])
    for split, scores in outcome.scores.items():
        board.scalars(place, {f"{split}/{name}": value for name, value in scores.items()}, len(outcome.history))
    if first:
        board.graph(place, model)
        shown = np.zeros_like(outcome.draw.select)
        shown[np.flatnonzero(outcome.draw.select)[:_STAMPS_SHOWN]] = True
        flux, _ = next(iter(comparison.source.stamps("train", _STAMPS_SHOWN, (), shown)))
        board.stamps(place, flux, comparison.records)


def line_of(which: str, result: dict[str, Any], measure: Measure, left: str) -> str:
    """Return how a fit went, for people."""
    fit = f"{which}: {result['arm']}, {result['budget']} labels, repeat {result['repeat']}"
    if result["status"] != DONE:
        return f"WARNING: {fit} failed: {result['reason']}" + (f"; {left}" if left else "")
    scores = ", ".join(f"{score_title(name)} {result[f'test_{name}']:.3f}" for name in measure.scores)
    said = f"{time.strftime('%H:%M:%S')}  {fit}: {scores} ({result['seconds']:.1f} s)"
    return said + (f"; {left}" if left else "")
