"""Fine-tune every arm on the same draws of labels, measure on the same test objects, and write the comparison."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, Stopped, UsageError
from astrokeras.evaluation.arm_network import Watch, parts_of
from astrokeras.evaluation.arms import Arm, make_arms, singles_of
from astrokeras.evaluation.compare import Comparison, Draw, Measure
from astrokeras.evaluation.comparison_page import write_pages
from astrokeras.evaluation.ensembles import EnsembleTrainer
from astrokeras.evaluation.fewshot_trainer import FewshotTrainer, refuse_for_fewshot
from astrokeras.evaluation.fits import DONE, finished_fits, load_fit, load_shared_encoder, targets_record
from astrokeras.evaluation.fitting import ArmTrainer
from astrokeras.evaluation.keep import failed, keep, line_of, place_of
from astrokeras.evaluation.label_table import UNMATCHED, write_unmatched
from astrokeras.evaluation.optuna_search import import_optuna
from astrokeras.evaluation.out_of_fold import steps_out_of_fold
from astrokeras.evaluation.pace import Pace, works_of
from astrokeras.evaluation.prepare import prepare
from astrokeras.evaluation.regrouping import sets_of
from astrokeras.evaluation.report import comparison_table, summarise, write_reports
from astrokeras.evaluation.schedule import FEWSHOT, SEARCH, UNTRAINED
from astrokeras.evaluation.schedule_search import FOLDS, mode_of, schedules_of, shortened
from astrokeras.evaluation.shared_features import SharedFeatures
from astrokeras.evaluation.simple_methods import baseline_rows, rows_of_others
from astrokeras.evaluation.slices import slice_columns
from astrokeras.files import CannotWrite, write_atomically
from astrokeras.pipeline.damage import named_if_damaged
from astrokeras.progress import Progress, not_shown
from astrokeras.records.directory import RecordsDirectory
from astrokeras.shipped_encoders.card import is_shipped
from astrokeras.training.build import find_precision
from astrokeras.training.distribution.worker_cluster import MULTI_WORKER
from astrokeras.training.engines.base import Engine, open_engine
from astrokeras.training.imagenet import WORDS, is_imagenet
from astrokeras.training.leaks import check_leaks
from astrokeras.training.optimizers.optimizer import check_optimizer
from astrokeras.training.origins import check_same_start
from astrokeras.training.place import Place
from astrokeras.training.run_directory import check_same, is_empty, load_run, write_run
from astrokeras.training.signals import Signals

_OF_STEPS = (
    "epochs", "min_steps", "learning_rate", "optimizer", "weight_decay", "warm_up", "schedule", "clip_norm", "average",
    "precision", "augment", "tune", "task", "task_weight", "target_weight",
)  # fmt: skip


def finetune(config: FinetuneConfig, report: Callable[[str], None], progress: Progress = not_shown) -> dict:
    """Run the comparison that `config` describes.

    A fit that fails is a line of the comparison that says so, and the others go on.

    Args:
        config: the options.
        report: gets a line now and then.
        progress: shows how far a fit is, see `training.trainer.Trainer`.

    Returns:
        ``rows`` (mean and spread of each arm and budget), ``baselines`` (the same of simple methods), ``winner``,
        ``verdict`` (a sentence) and ``table`` (Markdown).

    Raises:
        AstrokerasError: records without enough labels, runs that are none, no arm left, no fit that did not fail.
        Stopped: by a signal; what is done is kept.
    """
    _refuse_ignored(config)
    engine = open_engine(config)  # before anything starts TensorFlow's devices
    records = RecordsDirectory.load(config.records)
    slice_columns(records, config.slice_by)  # refuse what there is not before anything is trained
    damage = named_if_damaged(records, engine.input_errors, "--resume goes on")
    try:
        with Place(config.out).held() as place, damage, contextlib.ExitStack() as told:
            return _finetune(config, engine, records, report, progress, place, told)
    except CannotWrite as error:
        raise AstrokerasError(f"{error}; when that is mended, the same command with --resume goes on") from error


def _finetune(
    config: FinetuneConfig, engine: Engine, records: RecordsDirectory, report: Callable[[str], None],
    progress: Progress, place: Place, told: contextlib.ExitStack,
) -> dict:  # fmt: skip
    arms = make_arms(config, records, report)
    comparison = prepare(config, records, engine, arms[0].start.network["size"], report)
    starts = {init: start.record for arm in arms for init, start in arm.singles.items()}
    sets = sets_of(records, comparison.table) if config.split_column else None
    check_leaks(records, starts, report, allow=config.allow_leaks, sets=sets)
    _check_steps(comparison)
    earlier = _earlier(config, records, arms, place)
    for note in engine.notes:
        report(note)
    precision = _precision(arms, comparison, earlier, report)
    inputs = [config.records, *(init for init in starts if init not in WORDS and not is_shipped(init))]
    inputs += [path for path in (config.imagenet_weights, config.labels) if path]
    out = place.path if earlier else place.begin(overwrite=config.overwrite, inputs=inputs)
    told.enter_context(place.telling(report))
    further = {
        "starts": {arm.name: arm.start.record for arm in arms},
        "targets": targets_record(comparison.targets),
        "resolved": {"precision": precision},
    }
    write_run(out, "finetune", config, records, **further)
    if comparison.table is not None and (unmatched := comparison.table.unmatched):
        write_atomically(out / UNMATCHED, lambda path: write_unmatched(path, unmatched))
        report(f"the ids of {config.labels} that no record has are listed in {config.out}/{UNMATCHED}")
    results = _Fits(arms, comparison, precision["precision"], out, report, progress).run(resume=earlier is not None)
    if not any(result["status"] == DONE for result in results):
        raise AstrokerasError(
            f"no fit has finished; the first one failed: {results[0]['reason']} (what there is, is in {out}; start "
            "again with --overwrite)"
        )
    rows = summarise(results, comparison.measure)
    comparison = dataclasses.replace(comparison, baselines=(*baseline_rows(comparison), *rows_of_others(out, results)))
    winner = _winner(results, rows, comparison.measure)
    if winner["chosen_on"] == "test":
        report(
            "WARNING: the validation split lacks labels of several classes, so the winner was chosen on the test "
            "split: its test metrics are too good"
        )
    encoder = _copy_winner(out, winner, config.max_model_bytes)
    write_reports(out, rows, results, comparison)
    seen = write_pages(out, rows, results, comparison, winner, encoder, report)
    result = {"rows": rows, "winner": winner, "baselines": list(comparison.baselines), **seen}
    write_run(out, "finetune", config, records, result, **further)
    result["table"] = comparison_table(rows, comparison)
    place.publish()
    report(f"comparison in {config.out}/comparison.html; watch it with tensorboard --logdir {config.out}/tensorboard")
    return result


def _refuse_ignored(config: FinetuneConfig) -> None:
    """Refuse options that nothing in this call would look at."""
    default = {field.name: field.default for field in dataclasses.fields(FinetuneConfig)}
    inits = {one for init in config.init for one in singles_of(init)}
    idle = {
        "no imagenet arm (--init imagenet)": ("imagenet_backbone", "imagenet_weights")
        if not any(map(is_imagenet, inits))
        else (),
        "no arm that chooses bands (--init imagenet:rgb)": ("imagenet_bands",) if "imagenet:rgb" not in inits else (),
        "no scratch arm (--init scratch)": ()
        if "scratch" in inits or (len(config.backbone) > 1 and any(map(is_imagenet, inits)))
        else ("backbone",),
        f"nothing that trains for steps (--mode {config.mode})": _OF_STEPS if config.mode in UNTRAINED else (),
        f"no search (--mode {config.mode})": ("trials",) if config.mode != SEARCH else (),
    }
    if config.labels is None:
        idle["no table of labels (--labels)"] = ("id_column", "split_column")
    for reason, names in idle.items():
        for name in names:
            if getattr(config, name) != default[name]:
                raise UsageError(f"--{name.replace('_', '-')} was given, but there is {reason}")
    _refuse_untrained(config, inits)
    if config.split_column and config.task:
        raise UsageError("--task: pretext tasks learn from the splits of the records, not those of --split-column")
    if config.tune:
        import_optuna()
        if config.learning_rate <= 0:
            raise UsageError("--tune: rates are tried around --learning-rate, which has to be above 0")
    if config.devices == MULTI_WORKER:
        raise UsageError(
            f"--devices {MULTI_WORKER}: this command runs on one machine (pretrain runs on several); expected auto, "
            "cpu:N or gpu:N"
        )


def _refuse_untrained(config: FinetuneConfig, inits: set[str]) -> None:
    """Refuse what modes in which nothing is trained can't do."""
    if config.mode == FEWSHOT:
        refuse_for_fewshot(config)
    if config.mode in UNTRAINED and "imagenet:adapter" in inits:
        raise UsageError(
            f"--init imagenet:adapter: with --mode {config.mode} its adapter would learn nothing; take another mode, "
            "or imagenet, which mixes the bands as it begins"
        )


def _check_steps(comparison: Comparison) -> None:
    """Refuse options of the optimizer that cannot be meant, before any work is done."""
    schedules = schedules_of(comparison.config, random=False)
    for draw in comparison.draws:
        for schedule in schedules:
            if schedule.trains:
                tried = shortened(schedule, draw.count) if len(schedules) > 1 or comparison.config.tune else schedule
                check_optimizer(comparison.config, tried.steps_for(draw.count - draw.count // FOLDS))


def _earlier(config: FinetuneConfig, records: RecordsDirectory, arms: list[Arm], place: Place) -> dict[str, Any] | None:
    """Return the ``run.json`` of the comparison to go on with; None if there is none.

    Raises:
        UsageError: it was started with other options.
        AstrokerasError: on other records, or from other weights.
    """
    if not config.resume or is_empty(place.path):
        return None
    run = check_same(place.path, config, records)
    starts = run.get("starts") or {}
    if list(starts) != [arm.name for arm in arms]:
        raise AstrokerasError(
            f"cannot resume {place.path}: its arms are {', '.join(starts)}, now they are "
            f"{', '.join(arm.name for arm in arms)}"
        )
    for arm in arms:
        check_same_start(place.path, starts[arm.name], arm.start.record)
    return run


def _precision(
    arms: list[Arm], comparison: Comparison, earlier: dict[str, Any] | None, report: Callable[[str], None]
) -> dict[str, Any]:
    """Return what all arms compute in; ``auto`` tries the first one."""
    arm = arms[0]
    schedules = schedules_of(comparison.config, arm.random)
    schedule = next((one for one in schedules if one.trains), schedules[0])
    return find_precision(parts_of(arm, comparison, schedule), earlier, report)


class _Fits:
    """All fits of a comparison, one after the other."""

    def __init__(
        self, arms: list[Arm], comparison: Comparison, precision: str, out: Path, report: Callable[[str], None],
        progress: Progress,
    ) -> None:  # fmt: skip
        self.arms, self.comparison, self.precision = arms, comparison, precision
        # What an arm takes the mean of is fitted before it, whether it is an arm of its own or not.
        self.fitted = {one.name: one for arm in arms for one in (*_members(arm), arm)}
        self.shared = SharedFeatures(self.fitted.values())
        self.out, self.report, self.progress = out, report, progress
        self.pace = Pace([])

    def _draws(self, arm: Arm) -> list[Draw]:
        return self.comparison.draws_for(self.comparison.config.mode, arm.random)

    def run(self, *, resume: bool) -> list[dict[str, Any]]:
        """Return the line of every fit, in the order of arms and draws; what is whole already is not done again.

        Raises:
            Stopped: a signal came.
        """
        config = self.comparison.config
        fitted = self.fitted.values()
        places = [place_of(arm, draw) for arm in fitted for draw in self._draws(arm)]
        done = finished_fits(self.out, places, config, self.comparison.records) if resume else {}
        missing = {arm.name: [draw for draw in self._draws(arm) if place_of(arm, draw) not in done] for arm in fitted}
        self.pace = Pace([work for arm in fitted for work in self._works(arm, missing[arm.name])])
        self.report(
            f"{len(places)} fits: {len(self.arms)} arms ({', '.join(arm.name for arm in self.arms)}), "
            f"{len(dict.fromkeys(config.budget))} budgets, {config.repeats} repeats"
            + (f"; {len(done)} are there already" if resume else "")
        )
        with Signals() as signals:
            for arm in fitted:
                if missing[arm.name]:
                    done |= self._arm(arm, missing[arm.name], signals)
        return [done[place_of(arm, draw)] for arm in self.arms for draw in self._draws(arm)]

    def _works(self, arm: Arm, draws: list[Draw]) -> list[float]:
        config, exams = self.comparison.config, self.comparison.exams
        schedules = schedules_of(config, arm.random)
        further = functools.partial(steps_out_of_fold, self.comparison, schedules)
        return works_of(schedules, arm.random, draws, exams, config.tune, further)

    def _arm(self, arm: Arm, draws: list[Draw], signals: Signals) -> dict[str, dict[str, Any]]:
        """Return the lines of the fits of an arm, by place."""
        lines, trainer = {}, None
        mode = mode_of(self.comparison.config, arm.random)
        how = f"the mean of {' and '.join(member.name for member in arm.members)}" if arm.members else mode
        self.report(f"arm {arm.name}: {arm.backbone}, {how}")
        for draw in draws:
            which, place = self.pace.current(), place_of(arm, draw)
            watch = Watch(signals, self._shown, f"{self.pace.done} of {len(self.pace.works)} fits")
            watch.stop_if_asked()
            try:
                with _exhaustion_told(self.comparison.engine):
                    trainer = trainer or self._trainer(arm)
                    lines[place] = self._fit(trainer, draw, watch, place, first=not lines)
            except (Stopped, CannotWrite):
                raise
            except AstrokerasError as error:
                lines[place] = failed(arm, draw, mode, self.comparison, str(error))
            self.pace.advance()
            self.report(line_of(which, lines[place], self.comparison.measure, self.pace.left()))
        return lines

    def _trainer(self, arm: Arm) -> ArmTrainer | EnsembleTrainer:
        if arm.members:
            return EnsembleTrainer(arm, self.comparison, self.out)
        kind = FewshotTrainer if self.comparison.config.mode == FEWSHOT else ArmTrainer
        return kind(arm, self.comparison, self.precision, self.out, self.shared)

    def _fit(
        self, trainer: ArmTrainer | EnsembleTrainer, draw: Draw, watch: Watch, place: str, *, first: bool
    ) -> dict[str, Any]:
        directory = self.out / place
        directory.mkdir(parents=True, exist_ok=True)
        outcome = trainer.fit(draw, watch, directory)
        with trainer.trained() as model:
            return keep(self.out, trainer.arm, outcome, model, self.comparison, first=first)

    def _shown(self, steps: int) -> contextlib.AbstractContextManager[Callable[[int], None]]:
        return self.progress(", ".join(filter(None, (self.pace.current(), self.pace.left()))), steps)


def _members(arm: Arm) -> list[Arm]:
    """Return what an arm takes the mean of, and what that takes the mean of, in the order of their fits."""
    return [one for member in arm.members for one in (*_members(member), member)]


@contextlib.contextmanager
def _exhaustion_told(engine: Engine) -> Any:
    """Within it, a device that runs out of memory is an `AstrokerasError`."""
    try:
        yield
    except engine.exhausted as error:
        raise AstrokerasError("the device ran out of memory; try a smaller --batch-size") from error


def _winner(results: list[dict], rows: list[dict], measure: Measure) -> dict:
    """Return the network to export: of the largest budget, the arm with the best validation mean, and its best repeat.

    Chosen on the validation split, so that the test metrics stay an honest estimate; only where the validation split
    lacks labels of several classes does the test split decide, and ``chosen_on`` says so.
    """
    results = [result for result in results if result["status"] == DONE]
    split = "val" if f"val_{measure.main}" in results[0] else "test"
    key = f"{split}_{measure.main}"

    def rank(line: dict, name: str) -> float:
        return -math.inf if math.isnan(line[name]) else measure.sign * line[name]

    most = max(result["labels"] for result in results)
    candidates = [row for row in rows if row["labels"] == most and row["repeats"]]
    arm = max(candidates, key=lambda row: rank(row, f"{key}_mean"))
    mine = [r for r in results if r["arm"] == arm["arm"] and r["budget"] == arm["budget"]]
    best = max(mine, key=lambda result: rank(result, key))
    return {name: best[name] for name in ("arm", "budget", "repeat", "mode", "directory")} | {"chosen_on": split}


def _copy_winner(out: Path, winner: dict, max_bytes: int) -> keras.Model:
    """Write the network of the winner into the run directory, of ``fewshot`` the encoder alone; returns its encoder."""
    directory = out / winner["directory"]
    if winner["mode"] == FEWSHOT:
        encoder = load_shared_encoder(directory, load_run(directory), max_bytes)
        write_atomically(out / "encoder.keras", encoder.save)
        return encoder
    model = load_fit(directory, load_run(directory), max_bytes)
    # Who goes on from it decides anew what is trained. A model does not tell the models within it.
    for layer in model._flatten_layers():
        layer.trainable = True
    write_atomically(out / "model.keras", model.save)
    encoder = model.get_layer("encoder")
    write_atomically(out / "encoder.keras", encoder.save)
    return encoder
