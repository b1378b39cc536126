"""Fine-tune every arm on the same draws of labels, measure on the same test objects, and write the comparison."""

import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.arms import Arm, make_arms
from astrokeras.evaluation.compare import Draw, Exam, Outcome, run_arm
from astrokeras.evaluation.hparams import write_experiment, write_trial
from astrokeras.evaluation.report import comparison_table, summarise, write_reports
from astrokeras.pipeline.augment import augmentation
from astrokeras.pipeline.budget import check_budget, draw, parse_budget
from astrokeras.pipeline.dataset import load_arrays, read_columns
from astrokeras.records.directory import Records
from astrokeras.training.classify import Schedule, Trainer
from astrokeras.training.files import write_atomically
from astrokeras.training.run import create_run, write_run
from astrokeras.training.strategy import check_batch_size, make_strategy
from astrokeras.training.tensorboard import TensorBoard

N_SAMPLE_STAMPS = 24


def finetune(config: FinetuneConfig, report: Callable[[str], None]) -> dict:
    """Run the comparison that `config` describes.

    Returns:
        ``rows`` (mean and spread of each arm and budget), ``winner`` and ``table`` (Markdown).

    Raises:
        AstrokerasError: records without enough labels, runs that are none, no arm left.
    """
    records = Records.load(config.records)
    strategy = make_strategy(config.devices)
    check_batch_size(config.batch_size, strategy)
    labels = _labels(records, "train")
    draws = _draws(config, labels)
    exams = _exams(records)
    arms = make_arms(config, records, report)
    out = create_run(config.out, overwrite=config.overwrite)
    write_run(out, "finetune", config, records)
    schedule = Schedule(config.mode, config.epochs, config.min_steps, config.batch_size, config.learning_rate)
    write_experiment(out / "tensorboard", arms, config)
    results, best = [], None
    for arm in arms:
        report(f"arm {arm.name}: {arm.backbone}, {config.mode}")
        trainer = Trainer(arm.build, len(records.classes), strategy, schedule, config.seed)
        outcomes = run_arm(
            arm, trainer, records, config, draws=draws, exams=exams, labels=labels, augment=augmentation(config.augment)
        )
        for number, (outcome, model) in enumerate(outcomes):
            result = _keep(out, arm, outcome, model, records, config, exams, first=number == 0)
            results.append(result)
            report(_line(arm, outcome))
    rows = summarise(results)
    best = _winner(results, rows)
    _copy_winner(out, best)
    table = comparison_table(rows, exams[0])
    result = {"rows": rows, "winner": best, "table": table}
    write_reports(out, rows, results, table, config, records)
    write_run(out, "finetune", config, records, {"rows": rows, "winner": best})
    report(f"comparison in {out}/comparison.html; watch it with tensorboard --logdir {out}/tensorboard")
    return result


def _labels(records: Records, split: str) -> np.ndarray:
    return read_columns(records, split)["label"] if split in records.splits else np.empty(0, np.int64)


def _draws(config: FinetuneConfig, labels: np.ndarray) -> list[Draw]:
    budgets = {text: parse_budget(text) for text in dict.fromkeys(config.budget)}
    for budget in budgets.values():
        check_budget(budget, labels)
    return [
        Draw(text, repeat, draw(labels, budget, config.seed, repeat))
        for repeat in range(config.repeats)
        for text, budget in budgets.items()
    ]


def _exams(records: Records) -> list[Exam]:
    """The test split and, for choosing the winner, the validation split where it has labels."""
    exams = []
    for split in ("test", "val"):
        labels = _labels(records, split)
        known = labels >= 0
        if known.any():
            exams.append(Exam(split, known, labels[known]))
        elif split == "test":
            raise AstrokerasError(
                f"the test split of {records.path} has no labelled object to measure on; "
                "convert with a larger share for it (--splits)"
            )
    return exams


def _keep(
    out: Path, arm: Arm, outcome: Outcome, model: keras.Model, records: Records, config: FinetuneConfig,
    exams: list[Exam], first: bool,
) -> dict:  # fmt: skip
    """Write the sub-directory and the TensorBoard run of one trained classifier; returns its line of results."""
    draw_ = outcome.draw
    place = f"{arm.name}/budget-{draw_.budget}/repeat-{draw_.repeat}"
    directory = out / place
    directory.mkdir(parents=True)
    write_atomically(directory / "model.keras", model.save)
    result = {
        "arm": arm.name, "init": arm.init, "backbone": arm.backbone, "budget": draw_.budget, "repeat": draw_.repeat,
        "labels": int(draw_.select.sum()), "directory": place, "seconds": round(outcome.seconds, 2),
        **{f"{split}_{name}": v for split, metrics in outcome.metrics.items() for name, v in metrics.items()},
    }  # fmt: skip
    write_run(directory, "classifier", config, records, result)
    board = TensorBoard(out / "tensorboard")
    for epoch in range(len(outcome.history.get("loss", []))):
        board.scalars(place, {f"train/{k}": v[epoch] for k, v in outcome.history.items()}, epoch)
    for split, metrics in outcome.metrics.items():
        board.scalars(place, {f"{split}/{name}": value for name, value in metrics.items()}, len(outcome.history))
    if first:
        board.graph(place, model)
        chosen = np.zeros_like(draw_.select)
        chosen[np.flatnonzero(draw_.select)[:N_SAMPLE_STAMPS]] = True
        board.stamps(place, load_arrays(records, "train", select=chosen)[0], records)
    write_trial(board, place, arm, outcome, config)
    board.close()
    return result


def _line(arm: Arm, outcome: Outcome) -> str:
    test = outcome.metrics["test"]
    return (
        f"{time.strftime('%H:%M:%S')}  {arm.name}, {outcome.draw.budget} labels, repeat {outcome.draw.repeat}: "
        f"balanced accuracy {test['balanced_accuracy']:.3f}, AUROC {test['auroc']:.3f} ({outcome.seconds:.1f} s)"
    )


def _winner(results: list[dict], rows: list[dict]) -> dict:
    """The classifier to export: of the last budget, the arm with the best validation mean, and its best repeat.

    Chosen on the validation split, so that the test metrics stay an honest estimate; only where the validation split
    has no labels does the test split decide, and ``chosen_on`` says so.
    """
    split = "val" if "val_balanced_accuracy" in results[0] else "test"
    key = f"{split}_balanced_accuracy"
    most = max(result["labels"] for result in results)
    candidates = [row for row in rows if row["labels"] == most]
    arm = max(candidates, key=lambda row: row[f"{key}_mean"])
    mine = [r for r in results if r["arm"] == arm["arm"] and r["budget"] == arm["budget"]]
    best = max(mine, key=lambda result: result[key])
    return {
        "arm": best["arm"],
        "budget": best["budget"],
        "repeat": best["repeat"],
        "directory": best["directory"],
        "chosen_on": split,
    }


def _copy_winner(out: Path, winner: dict) -> None:
    model = keras.saving.load_model(out / winner["directory"] / "model.keras", compile=False)
    write_atomically(out / "model.keras", model.save)
    write_atomically(out / "encoder.keras", model.get_layer("encoder").save)
