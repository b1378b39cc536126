"""Pre-training: pretext tasks on an encoder, from records to a run directory."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from astrokeras.config import PretrainConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import CannotWrite, write_atomically
from astrokeras.models.joined import encoders_of
from astrokeras.models.recast import recast
from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.pipeline.damage import named_if_damaged
from astrokeras.pipeline.source import Source
from astrokeras.progress import Progress, not_shown
from astrokeras.records.directory import RecordsDirectory
from astrokeras.shipped_encoders.card import is_shipped
from astrokeras.tasks.base import Curves, Scores
from astrokeras.tasks.model import TaskModel, baselines, check_weights, predictor
from astrokeras.tasks.registry import fields_of, fit_tasks, get_task, parse_tasks
from astrokeras.training.board import Board
from astrokeras.training.build import ModelParts, find_precision
from astrokeras.training.checkpoints.checkpoint import Checkpoints, History, Moment
from astrokeras.training.engines.base import Engine, open_engine
from astrokeras.training.history import head, line, show_closer, show_epoch, summary, write_history
from astrokeras.training.imagenet import WORDS
from astrokeras.training.initial import Asked, Start, find_start
from astrokeras.training.leaks import check_leaks
from astrokeras.training.nonfinite import NONFINITE, explain_nonfinite
from astrokeras.training.optimizers.optimizer import Rate, check_optimizer
from astrokeras.training.origins import check_same_start
from astrokeras.training.place import Place
from astrokeras.training.precision_trial import check_precision
from astrokeras.training.run_directory import check_same, is_empty, write_run
from astrokeras.training.signals import Signals
from astrokeras.training.stopping import BestWeights, check_patience, is_over
from astrokeras.training.trainer import NonFinite, Trainer

_STAMPS_SHOWN = 16


def _show_start(board: Board, config: PretrainConfig, source: Source, model: TaskModel) -> None:
    shown = np.zeros(source.records.count("train"), bool)
    shown[:_STAMPS_SHOWN] = True
    board.options("train", config)
    board.stamps("train", next(source.stamps("train", _STAMPS_SHOWN, (), shown))[0], source.records)
    board.graph("train", model.encoder)


def _earlier(config: PretrainConfig, records: RecordsDirectory, place: Place) -> dict[str, Any] | None:
    """Return the ``run.json`` of the run to go on with, which was started with these options; None if there is none.

    Raises:
        AstrokerasError: it was another, or `out` is taken.
        UsageError: options differ; after a divergence the learning rate may be smaller.
    """
    out = place.path
    if config.resume and not is_empty(out):
        run = check_same(out, config, records, ("learning_rate",) if (out / NONFINITE).exists() else ())
        was = run["options"]["learning_rate"]
        if config.learning_rate > was:
            raise UsageError(
                f"cannot resume {out} with a larger --learning-rate (was {was:g}, is {config.learning_rate:g}): a run "
                "that diverged goes on with a smaller one"
            )
        return run
    place.check(overwrite=config.overwrite, inputs=_inputs(config))
    return None


def _claim(
    place: Place, config: PretrainConfig, start: Start, records: RecordsDirectory, held: contextlib.ExitStack
) -> dict[str, Any] | None:
    """Keep other runs out of the directory, which all workers share; the run to go on with, see `_earlier`."""
    held.enter_context(place.held())
    earlier = _earlier(config, records, place)
    if earlier:
        check_same_start(place.path, earlier.get("init"), start.record)
    return earlier


def _begin(
    place: Place, config: PretrainConfig, earlier: dict[str, Any] | None, held: contextlib.ExitStack,
    report: Callable[[str], None],
) -> str:  # fmt: skip
    """Return where to write."""
    path = place.path if earlier else place.begin(overwrite=config.overwrite, inputs=_inputs(config))
    held.enter_context(place.telling(report))
    return str(path)


def _say_nothing(line: str) -> None:
    """Report nothing, as the workers after the first do."""


def _inputs(config: PretrainConfig) -> list[str]:
    """Return what the run reads."""
    start = config.imagenet_weights if config.init in WORDS or is_shipped(config.init) else config.init
    return [config.records, *([start] if start else [])]


def _check(config: PretrainConfig, source: Source) -> None:
    """Refuse records and options that can't be meant, before any work is done."""
    if source.records.counts.get("train", 0) == 0:
        raise AstrokerasError(f"no records to train on in the training split of {source.records.path}")
    check_optimizer(config, config.epochs * source.steps(config.batch_size))
    check_precision(config.precision)
    check_patience(config.patience, source.records)


def _resolved(parts: ModelParts, model: TaskModel, precision: dict[str, Any]) -> dict[str, Any]:
    """Return what the options that leave a choice became, for ``run.json``."""
    return {
        "augment": str(parts.augment) if parts.augment else "none",
        "size": parts.source.size,
        "stretch": encoders_of(model.encoder)[0].get_layer("stretch").kind,
        "replicas": parts.engine.replicas.count,
        "steps_per_epoch": parts.source.steps(parts.config.batch_size),
        "steps_per_execution": model.steps_per_execution,
        "precision": precision,
    }


def _changed(earlier: dict[str, Any] | None, config: PretrainConfig, moment: Moment) -> list[dict[str, Any]]:
    """Return what a run was gone on with that it was not started with."""
    if earlier is None:
        return []
    changed, rate = earlier.get("changed", []), earlier["options"]["learning_rate"]
    if rate != config.learning_rate:
        where = {"epoch": moment.epoch, "step": moment.step}
        changed = [*changed, {**where, "learning_rate": {"was": rate, "is": config.learning_rate}}]
    return changed


def pretrain(config: PretrainConfig, report: Callable[[str], None], progress: Progress = not_shown) -> dict[str, Any]:
    """Return Pre-train an encoder and writes the run directory.

    Writes ``run.json``, ``encoder.keras``, ``model.keras``, ``history.csv``, ``checkpoints/`` and
    ``tensorboard/``. The weights are those after the last epoch, or with ``patience`` those of the best; with
    ``average`` their average. There is no ``model.keras`` if no task predicts
    anything of one unaltered stamp.

    Args:
        config: the options.
        report: gets a line now and then.
        progress: shows how far an epoch is, see `Trainer`.

    Returns:
        The result in ``run.json``: ``val`` scores, those of each baseline, ``epochs``, ``images_per_second``,
        ``input_wait``, and in ``legend`` what the scores are. Empty on all workers but the first.

    Raises:
        AstrokerasError: the records, the run directory or the devices don't allow it, or the loss is not finite.
        UsageError: an option is wrong.
        Stopped: by a signal; the state is saved.
    """
    if config.epochs < 1:
        raise UsageError(f"--epochs {config.epochs}: expected at least 1")
    # Before anything starts TensorFlow's devices.
    engine = open_engine(config)
    keras.utils.set_random_seed(config.seed)
    records = RecordsDirectory.load(config.records)
    if not engine.workers.first:
        report, progress = _say_nothing, not_shown
    try:
        damage = named_if_damaged(records, engine.input_errors, "--resume goes on")
        with damage, engine.workers.guard(), contextlib.ExitStack() as held:
            return _pretrain(config, engine, records, report, progress, held)
    except CannotWrite as error:
        raise AstrokerasError(f"{error}; when that is mended, the same command with --resume goes on") from error


def _restored(
    checkpoints: Checkpoints, model: TaskModel, config: PretrainConfig, source: Source,
    report: Callable[[str], None],
) -> Moment | None:  # fmt: skip
    """Return where the last whole checkpoint was written, to which the model goes back; None if there is none.

    Raises:
        AstrokerasError: its manifest, which may be anybody's, is not one of such a run.
    """
    moment = checkpoints.restore(model)
    if moment is None:
        return None
    steps, scores = source.steps(config.batch_size), {"loss", *model.score_names}
    of_epoch = {"epoch", "images_per_second", *scores}
    if source.records.counts.get("val", 0):
        of_epoch |= {f"val_{name}" for name in scores}
    of_training = {"images_per_second", *scores}
    done = [of_training <= moment.trained.keys()] if moment.trained is not None else []
    if not (
        moment.epoch <= config.epochs
        and moment.step <= steps * (moment.epoch < config.epochs)
        and (moment.step == steps) == (moment.trained is not None)
        and all([*done, *(of_epoch <= row.keys() for row in moment.history)])
    ):
        raise AstrokerasError(
            f"the checkpoint after {moment} in {checkpoints.directory} is not one of {config.epochs} epochs of {steps} "
            "steps with these tasks; start again with --overwrite"
        )
    report(f"resuming after {moment}")
    return moment


def _baselines(model: TaskModel, source: Source, report: Callable[[str], None]) -> dict[str, Scores]:
    if source.records.counts.get("val", 0) == 0:
        report(f"the validation split of {source.records.path} is empty: no validation")
        return {}
    return baselines(model, source, "val")


def _parts(
    config: PretrainConfig, start: Start, engine: Engine, records: RecordsDirectory, report: Callable[[str], None]
) -> ModelParts:
    """Return what the network is made of, the tasks fitted to the records."""
    asked = parse_tasks(config.task)
    weights = dict(zip(asked, check_weights(list(asked), config.task_weight), strict=True))
    broken_by = {name: get_task(name).broken_by for name in asked}
    augment = augmentation(config.augment, SurveyInfo.of(records), broken_by)
    source = engine.source(records, config.size, augment, fields_of(asked))
    _check(config, source)
    tasks = fit_tasks(asked, source, report)
    for note in (*engine.notes, *(note for task in tasks.values() for note in task.notes)):
        report(note)
    steps = source.steps(config.batch_size)
    return ModelParts(
        config, start.build, engine, source, tasks, weights, augment, config.epochs * steps,
        at_once=min(steps, config.checkpoint_every or steps),
    )  # fmt: skip


def _pretrain(
    config: PretrainConfig, engine: Engine, records: RecordsDirectory, report: Callable[[str], None],
    progress: Progress, held: contextlib.ExitStack,
) -> dict[str, Any]:  # fmt: skip
    workers, place = engine.workers, Place(config.out)
    start = find_start(Asked.of(config), records, report)
    check_leaks(records, {config.init: start.record}, report, allow=config.allow_leaks)
    config = dataclasses.replace(config, **start.network)
    earlier = workers.share(lambda: _claim(place, config, start, records, held))
    parts = _parts(config, start, engine, records, report)
    source, tasks = parts.source, parts.tasks
    precision = find_precision(parts, earlier, report)
    with engine.scope():
        model = parts.build(precision["precision"], Rate(config))
    path = Path(workers.share(lambda: _begin(place, config, earlier, held, report)))
    checkpoints = Checkpoints(path / "checkpoints", workers)
    with engine.scope():
        moment = _restored(checkpoints, model, config, source, report) if earlier else None
    begun = moment or Moment([])
    further = {
        "init": start.record,
        "resolved": _resolved(parts, model, precision),
        "changed": _changed(earlier, config, begun),
    }
    workers.share(lambda: write_run(path, "pretrain", config, records, **further))
    simple = _baselines(model, source, report) if workers.first else {}
    for row in head(model.score_names, simple):
        report(row)
    board = engine.board(path / "tensorboard")
    try:
        if workers.first:
            _show_start(board, config, source, model)
        with Signals() as signals:
            meter, fed = engine.meter(model), engine.fed(source)
            best = BestWeights(Checkpoints(checkpoints.directory / "best", workers)) if config.patience else None
            trainer = Trainer(
                model, config, source, checkpoints, signals, meter=meter, progress=progress, workers=workers, fed=fed,
                best=best, every=config.checkpoint_every,
            )  # fmt: skip
            if moment is None:
                trainer.save(begun)
            elif trainer.best:
                trainer.best.forget_after(moment.epoch)
            history = _train(trainer, engine, begun, board, simple, path, report)
    finally:
        board.close()
    kept, looked = _write_models(path, trainer, engine, history, report)

    def finish() -> dict[str, Any]:
        _show_closer(engine.board(path / "tensorboard"), looked, len(history))
        result = summary(history, simple, kept)
        result["val"] |= looked.get("val", ({}, {}))[0]
        result["beaten_by"] = model.beaten_by(result["val"], simple)
        result["legend"] = "; ".join(task.legend for task in tasks.values())
        written = write_run(path, "pretrain", config, records, result, **further)
        place.publish()
        return written["result"]

    result = workers.share(finish)
    return result if workers.first else {}


def _show_closer(board: Board, looked: dict[str, tuple[Scores, Curves]], epoch: int) -> None:
    try:
        show_closer(board, looked, epoch)
    finally:
        board.close()


def _write_models(
    path: Path, trainer: Trainer, engine: Engine, history: History, report: Callable[[str], None]
) -> tuple[int, dict[str, tuple[Scores, Curves]]]:
    """Return the encoder and what predicts the tasks' targets, in float32.

    Returns:
        The epoch, from 1, whose weights they have, and what `TaskModel.look_closer` says of them.
    """
    model, kept = trainer.model, len(history)
    weights = model.averaged()
    if trainer.best:
        with engine.scope():
            kept = trainer.best.restore(model, history)
        weights = contextlib.nullcontext()  # they were the average when they were written
        report(f"the weights are those of epoch {kept}, which has the lowest validation loss")

    def write() -> None:
        write_atomically(path / "encoder.keras", encoder.save)
        if (whole := predictor(model, encoder)) is not None:
            write_atomically(path / "model.keras", whole.save)

    with weights:  # until they are written: the model's own heads are
        encoder = recast(model.encoder, "float32")
        trainer.workers.share(write)
        validated = trainer.source.records.counts.get("val", 0)
        looked = model.look_closer(trainer.source, "val", trainer.config.batch_size) if validated else {}
    return kept, looked


def _train(
    trainer: Trainer, engine: Engine, moment: Moment, board: Board, simple: dict[str, Scores], path: Path,
    report: Callable[[str], None],
) -> History:  # fmt: skip
    """Return all epochs from a moment on; the history of all there are."""
    model, config = trainer.model, trainer.config
    workers = trainer.workers
    if moment.history and workers.first:  # the file may lack the last epoch
        write_history(path / "history.csv", moment.history)
    while moment.epoch < config.epochs and not is_over(moment.history, config.patience):
        trainer.stop_if_asked(moment)
        try:
            moment = trainer.epoch(moment)
        except NonFinite as error:
            raise explain_nonfinite(error, trainer, engine.scope, path) from error
        if workers.first:
            write_history(path / "history.csv", moment.history)
        show_epoch(board, moment.history[-1], simple)
        report(line(moment.history[-1], config.epochs, model.score_names))
    return moment.history
