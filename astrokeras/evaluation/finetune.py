"""Fine-tune every arm on the same draws of labels, measure on the same test objects, and write the comparison."""

import contextlib
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.arms import Arm, make_arms
from astrokeras.evaluation.budget import check_budget, draw, parse_budget
from astrokeras.evaluation.classify import ClassifierTrainer, Schedule
from astrokeras.evaluation.compare import Draw, EvaluationSet, FineTuneResult, draws_of, run_arm
from astrokeras.evaluation.fits import load_fit, save_fit
from astrokeras.evaluation.hparams import write_trial
from astrokeras.evaluation.pace import Pace, works_of
from astrokeras.evaluation.report import comparison_table, summarise, write_reports
from astrokeras.files import write_atomically
from astrokeras.models.normalization import freeze_normalization
from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.pipeline.dataset import load_arrays, read_columns
from astrokeras.records.directory import Records
from astrokeras.training.distribution.strategy import check_batch_size, make_strategy
from astrokeras.training.initial import lineage
from astrokeras.training.place import Place
from astrokeras.training.progress import write_history
from astrokeras.training.run_directory import load_run, write_run
from astrokeras.training.tensorboard import TensorBoard
from astrokeras.training.trainer import Bar, no_bar

N_SAMPLE_STAMPS = 24


def finetune(config: FinetuneConfig, report: Callable[[str], None], bar: Bar = no_bar) -> dict:
    """Run the comparison that `config` describes.

    Args:
        config: the options.
        report: gets a line now and then.
        bar: shows how far a fit is, see `training.trainer.Trainer`.

    Returns:
        ``rows`` (mean and spread of each arm and budget), ``winner`` and ``table`` (Markdown).

    Raises:
        AstrokerasError: records without enough labels, runs that are none, no arm left.
    """
    with Place(config.out).held() as place, contextlib.ExitStack() as told:
        return _finetune(config, report, bar, place, told)


def _finetune(
    config: FinetuneConfig, report: Callable[[str], None], bar: Bar, place: Place, told: contextlib.ExitStack
) -> dict:
    _refuse_ignored(config)
    records = Records.load(config.records)
    strategy = make_strategy(config.devices)
    check_batch_size(config.batch_size, strategy)
    labels = _labels(records, "train")
    draws = _draws(config, labels)
    exams = _exams(records, report)
    arms = make_arms(config, records, report)
    augment = augmentation(config.augment, SurveyInfo.of(records))
    runs = [init for init in config.init if init not in ("scratch", "imagenet")]
    weights = [config.imagenet_weights] if config.imagenet_weights else []
    out = place.begin(overwrite=config.overwrite, inputs=[config.records, *runs, *weights])
    told.enter_context(place.telling(report))
    write_run(out, "finetune", config, records)
    schedule = Schedule(config.mode, config.epochs, config.min_steps, config.batch_size, config.learning_rate)
    results: list[dict] = []
    pace = Pace([work for arm in arms for work in _works(arm, schedule, draws, exams)])
    report(
        f"{len(pace.works)} fits: {len(arms)} arms ({', '.join(arm.name for arm in arms)}), "
        f"{len(dict.fromkeys(config.budget))} budgets, {config.repeats} repeats"
    )
    try:
        for arm in arms:
            own = schedule.of(arm.random)
            report(f"arm {arm.name}: {arm.backbone}, {own.mode}")
            trainer = ClassifierTrainer(arm.build, len(records.classes), strategy, own, config.seed)
            outcomes = run_arm(
                arm, trainer, records, config, draws=draws, exams=exams, labels=labels, augment=augment,
                shown=lambda steps: bar(", ".join(filter(None, (pace.current(), pace.left()))), steps),
            )  # fmt: skip
            for number, (outcome, model) in enumerate(outcomes):
                results.append(_keep(out, arm, outcome, model, records, config, first=number == 0))
                which = pace.current()
                pace.advance()
                report(_line(which, arm, outcome, pace.left()))
    except AstrokerasError:
        if not results:
            place.drop()
        raise
    rows = summarise(results)
    winner = _winner(results, rows)
    if winner["chosen_on"] == "test":
        report(
            "WARNING: the validation split lacks labels of several classes, so the winner was chosen on the test "
            "split: its test metrics are too good"
        )
    _copy_winner(out, winner, config.max_model_bytes)
    write_reports(out, rows, results, exams[0], config, records)
    starts = {arm.name: arm.start for arm in arms}
    write_run(out, "finetune", config, records, {"rows": rows, "winner": winner, "starts": starts})
    result = {"rows": rows, "winner": winner, "table": comparison_table(rows, exams[0])}
    place.publish()
    out = Path(config.out)
    report(f"comparison in {out}/comparison.html; watch it with tensorboard --logdir {out}/tensorboard")
    return result


def _refuse_ignored(config: FinetuneConfig) -> None:
    """Refuse options that nothing in this call would look at."""
    default = {field.name: field.default for field in dataclasses.fields(FinetuneConfig)}
    idle = {
        "no imagenet arm (--init imagenet)": ("imagenet_backbone", "imagenet_weights")
        if "imagenet" not in config.init
        else (),
        "no scratch arm (--init scratch)": ("backbone",) if "scratch" not in config.init else (),
        "nothing that trains for steps (--mode frozen)": ("epochs", "min_steps", "learning_rate", "augment")
        if config.mode == "frozen"
        else (),
    }
    for reason, names in idle.items():
        for name in names:
            if getattr(config, name) != default[name]:
                raise UsageError(f"--{name.replace('_', '-')} was given, but there is {reason}")


def _labels(records: Records, split: str) -> np.ndarray:
    """Return the labels of a split, [N], -1 for none.

    Raises:
        AstrokerasError: one is the number of no class.
    """
    labels = read_columns(records, split, ("label",))["label"] if split in records.splits else np.empty(0, np.int64)
    if (odd := labels[(labels < -1) | (labels >= len(records.classes))]).size:
        raise AstrokerasError(
            f"the {split} split of {records.path} has the label {odd[0]}, but {len(records.classes)} classes; convert "
            "the survey again"
        )
    return labels


def _draws(config: FinetuneConfig, labels: np.ndarray) -> list[Draw]:
    budgets = {text: parse_budget(text) for text in dict.fromkeys(config.budget)}
    for budget in budgets.values():
        check_budget(budget, labels)
    return [
        Draw(text, repeat, draw(labels, budget, config.seed, repeat))
        for repeat in range(config.repeats)
        for text, budget in budgets.items()
    ]


def _exams(records: Records, report: Callable[[str], None]) -> list[EvaluationSet]:
    """Return the test split and, for choosing the winner, the validation split where it has labels of several classes.

    Raises:
        AstrokerasError: the test split has no labels, or those of one class only.
    """
    exams = []
    for split in ("test", "val"):
        labels = _labels(records, split)
        known = labels >= 0
        present = np.unique(labels[known])
        if len(present) == 1:
            only = records.classes[present[0]]
            what = f"the labelled objects of the {split} split of {records.path} are all {only!r}"
            if split == "test":
                raise AstrokerasError(
                    f"{what}, which any classifier can get right; convert with a larger share for it (--splits)"
                )
            report(f"WARNING: {what}: not fit to choose the winner by")
        elif known.any():
            exams.append(EvaluationSet(split, known, labels[known]))
        elif split == "test":
            raise AstrokerasError(
                f"the test split of {records.path} has no labelled object to measure on; "
                "convert with a larger share for it (--splits)"
            )
    return exams


def _keep(
    out: Path, arm: Arm, outcome: FineTuneResult, model: keras.Model, records: Records, config: FinetuneConfig,
    first: bool,
) -> dict:  # fmt: skip
    """Write the sub-directory and the TensorBoard run of one trained classifier; returns its line of results."""
    draw_ = outcome.draw
    place = f"{arm.name}/budget-{draw_.budget}/repeat-{draw_.repeat}"
    directory = out / place
    directory.mkdir(parents=True)
    # In frozen mode the encoder is that of the arm; of random weights there is one for each repeat.
    encoder = f"encoder-{draw_.repeat}.keras" if arm.random else "encoder.keras"
    kept = save_fit(directory, model, encoder if outcome.mode == "frozen" else None)
    result = {
        "arm": arm.name, "init": arm.init, "started_from": ", ".join(lineage(arm.start)[1:]), "backbone": arm.backbone,
        "mode": outcome.mode, "budget": draw_.budget, "repeat": draw_.repeat,
        "labels": int(draw_.select.sum()), "directory": place, "seconds": round(outcome.seconds, 2),
        **{f"{split}_{name}": v for split, metrics in outcome.metrics.items() for name, v in metrics.items()},
    }  # fmt: skip
    write_run(directory, "classifier", config, records, result, **kept)
    board = TensorBoard(out / "tensorboard")
    history = [
        dict(zip(outcome.history, values, strict=True)) for values in zip(*outcome.history.values(), strict=True)
    ]
    for epoch, row in enumerate(history, start=1):
        board.scalars(place, {f"train/{name}": value for name, value in row.items()}, epoch)
    if history:
        write_history(directory / "history.csv", [{"epoch": i, **row} for i, row in enumerate(history, start=1)])
    for split, metrics in outcome.metrics.items():
        board.scalars(place, {f"{split}/{name}": value for name, value in metrics.items()}, len(history))
    if first:
        board.graph(place, model)
        chosen = np.zeros_like(draw_.select)
        chosen[np.flatnonzero(draw_.select)[:N_SAMPLE_STAMPS]] = True
        board.stamps(place, load_arrays(records, "train", select=chosen, size=model.input_shape[1])[0], records)
    write_trial(board, place, arm, outcome)
    board.close()
    return result


def _works(arm: Arm, schedule: Schedule, draws: list[Draw], exams: list[EvaluationSet]) -> list[float]:
    own = schedule.of(arm.random)
    return works_of(own, arm.random, draws_of(own.mode, arm.random, draws), exams)


def _line(which: str, arm: Arm, outcome: FineTuneResult, left: str) -> str:
    test, draw_ = outcome.metrics["test"], outcome.draw
    return (
        f"{time.strftime('%H:%M:%S')}  {which}: {arm.name}, {draw_.budget} labels, repeat {draw_.repeat}: "
        f"balanced accuracy {test['balanced_accuracy']:.3f}, AUROC {test['auroc']:.3f} ({outcome.seconds:.1f} s)"
        + (f"; {left}" if left else "")
    )


def _winner(results: list[dict], rows: list[dict]) -> dict:
    """Return the classifier to export: of the last budget, the arm with the best validation mean, and its best repeat.

    Chosen on the validation split, so that the test metrics stay an honest estimate; only where the validation split
    lacks labels of several classes does the test split decide, and ``chosen_on`` says so.
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


def _copy_winner(out: Path, winner: dict, max_bytes: int) -> None:
    directory = out / winner["directory"]
    model = load_fit(directory, load_run(directory), max_bytes)
    # Who goes on from it decides anew what is trained.
    freeze_normalization(model, frozen=False)
    write_atomically(out / "model.keras", model.save)
    write_atomically(out / "encoder.keras", model.get_layer("encoder").save)
