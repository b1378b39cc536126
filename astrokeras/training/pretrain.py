"""Pre-training: pretext tasks on an encoder, from records to a run directory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from astrokeras.config import PretrainConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.encoder import build_encoder
from astrokeras.pipeline.augment import Chain, Facts, augmentation
from astrokeras.pipeline.source import Source
from astrokeras.pretext.base import Scores, Task
from astrokeras.pretext.model import PretextModel, baselines, check_weights, predictor
from astrokeras.pretext.registry import fields_of, fit_tasks, get_task, parse_tasks
from astrokeras.records.directory import Records
from astrokeras.training.board import Board
from astrokeras.training.checkpoint import Checkpoints, History, Moment
from astrokeras.training.damage import named_if_damaged
from astrokeras.training.engine import Engine, open_engine
from astrokeras.training.files import CannotWrite, write_atomically
from astrokeras.training.loop import Bar, NonFinite, Trainer, no_bar
from astrokeras.training.nonfinite import NONFINITE, explain
from astrokeras.training.optimizer import make_optimizer
from astrokeras.training.progress import head, line, show_epoch, summary, write_history
from astrokeras.training.run import check_out, check_same, create_run, write_run
from astrokeras.training.signals import Signals

# Small networks are bound by the overhead of a step; Keras can't do this with several replicas.
_STEPS_PER_EXECUTION = 8
_STAMPS_SHOWN = 16


def _steps_per_execution(config: PretrainConfig, steps: int) -> int:
    """As many as are worth it, but checkpoints lie between executions."""
    return min(_STEPS_PER_EXECUTION, steps, config.checkpoint_every or steps)


def _build(
    config: PretrainConfig, engine: Engine, source: Source, tasks: dict[str, Task], augment: Chain | None, steps: int
) -> PretextModel:
    """The model, ready to train; inside the scope of the strategy."""
    weights = check_weights(list(tasks), config.task_weight)
    for task in tasks.values():
        task.replicas = engine.replicas
    encoder = build_encoder(
        source.records, backbone=config.backbone, size=config.size, resize=config.resize, stretch=config.stretch
    )
    weights = dict(zip(tasks, weights, strict=True))
    model = PretextModel(encoder, tasks, weights, augment=None if engine.augments else augment)
    model.compile(
        optimizer=make_optimizer(config.learning_rate, config.epochs * steps),
        jit_compile=engine.jit_compile,
        steps_per_execution=_steps_per_execution(config, steps) if engine.replicas.count == 1 else 1,
    )
    # A checkpoint can only be restored into an optimizer that has its variables.
    model.optimizer.build(model.trainable_variables)
    return model


def _show_start(board: Board, config: PretrainConfig, source: Source, model: PretextModel) -> None:
    shown = np.zeros(source.records.count("train"), bool)
    shown[:_STAMPS_SHOWN] = True
    board.options("train", config)
    board.stamps("train", next(source.stamps("train", _STAMPS_SHOWN, (), shown))[0], source.records)
    board.graph("train", model.encoder)


def _earlier(config: PretrainConfig, records: Records) -> dict[str, Any] | None:
    """The ``run.json`` of the run to go on with, which was started with these options; None if there is none.

    Raises:
        AstrokerasError: it was another, or `out` is taken.
    """
    out = Path(config.out)
    if config.resume and out.is_dir() and any(out.iterdir()):
        # After a divergence a smaller rate is what mends it.
        return check_same(out, config, records, ("learning_rate",) if (out / NONFINITE).exists() else ())
    check_out(out, overwrite=config.overwrite, inputs=[config.records])
    return None


def _resolved(model: PretextModel, source: Source, augment: Chain | None, engine: Engine, steps: int) -> dict[str, Any]:
    """What the options that leave a choice became, for ``run.json``."""
    return {
        "augment": str(augment) if augment else "none",
        "size": source.size,
        "stretch": model.encoder.get_layer("stretch").kind,
        "replicas": engine.replicas.count,
        "steps_per_epoch": steps,
        "steps_per_execution": model.steps_per_execution,
    }


def _changed(earlier: dict[str, Any] | None, config: PretrainConfig, moment: Moment) -> list[dict[str, Any]]:
    """What a run was gone on with that it was not started with."""
    if earlier is None:
        return []
    changed, rate = earlier.get("changed", []), earlier["options"]["learning_rate"]
    if rate != config.learning_rate:
        where = {"epoch": moment.epoch, "step": moment.step}
        changed = [*changed, {**where, "learning_rate": {"was": rate, "is": config.learning_rate}}]
    return changed


def pretrain(config: PretrainConfig, report: Callable[[str], None], bar: Bar = no_bar) -> dict[str, Any]:
    """Pre-trains an encoder and writes the run directory.

    Writes ``run.json``, ``encoder.keras``, ``model.keras``, ``history.csv``, ``checkpoints/`` and
    ``tensorboard/``. The weights are those after the last epoch. There is no ``model.keras`` if no task predicts
    anything of one unaltered stamp.

    Args:
        config: the options.
        report: gets a line now and then.
        bar: shows how far an epoch is, see `Trainer`.

    Returns:
        The result in ``run.json``: ``val`` scores, those of each baseline, ``epochs``, ``images_per_second``,
        ``input_wait``, and in ``legend`` what the scores are.

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
    records = Records.load(config.records)
    try:
        with named_if_damaged(records, engine.input_errors):
            return _pretrain(config, engine, records, report, bar)
    except CannotWrite as error:
        raise AstrokerasError(f"{error}; when that is mended, the same command with --resume goes on") from error


def _pretrain(
    config: PretrainConfig, engine: Engine, records: Records, report: Callable[[str], None], bar: Bar
) -> dict[str, Any]:
    earlier = _earlier(config, records)
    asked = parse_tasks(config.task)
    breaks = {name: get_task(name).breaks for name in asked}
    augment = augmentation(config.augment, Facts.of(records), breaks)
    source = engine.source(records, config.size, augment, fields_of(asked))
    tasks = fit_tasks(asked, source, report)
    for note in (*engine.notes, *(note for task in tasks.values() for note in task.notes)):
        report(note)
    steps = source.steps(config.batch_size)
    with engine.scope():
        model = _build(config, engine, source, tasks, augment, steps)
    path = Path(config.out)
    if earlier is None:
        create_run(path, overwrite=config.overwrite, inputs=[config.records])
    checkpoints = Checkpoints(path / "checkpoints")
    with engine.scope():
        moment = checkpoints.restore(model) if earlier else None
    if moment:
        report(f"resuming after {moment}")
    start = moment or Moment([])
    further = {
        "resolved": _resolved(model, source, augment, engine, steps),
        "changed": _changed(earlier, config, start),
    }
    write_run(path, "pretrain", config, records, **further)
    if records.counts.get("val", 0) == 0:
        report(f"the validation split of {records.path} is empty: no validation")
        simple = {}
    else:
        simple = baselines(model, source, "val")
    for row in head(model.score_names, simple):
        report(row)
    board = engine.board(path / "tensorboard")
    try:
        _show_start(board, config, source, model)
        with Signals() as signals:
            trainer = Trainer(model, config, source, checkpoints, signals, engine.meter(model), bar)
            if moment is None:
                trainer.save(start)
            history = _train(trainer, engine, start, board, simple, path, report)
    finally:
        board.close()
    write_atomically(path / "encoder.keras", model.encoder.save)
    if (whole := predictor(model)) is not None:
        write_atomically(path / "model.keras", whole.save)
    legend = "; ".join(task.legend for task in tasks.values())
    result = {**summary(history, simple), "legend": legend}
    return write_run(path, "pretrain", config, records, result, **further)["result"]


def _train(
    trainer: Trainer, engine: Engine, moment: Moment, board: Board, simple: dict[str, Scores], path: Path,
    report: Callable[[str], None],
) -> History:  # fmt: skip
    """All epochs from a moment on; the history of all there are."""
    model, config = trainer.model, trainer.config
    if moment.history:  # the file may lack the last epoch
        write_history(path / "history.csv", moment.history)
    while moment.epoch < config.epochs:
        trainer.stop_if_asked(moment)
        try:
            moment = trainer.epoch(moment)
        except NonFinite as error:
            raise explain(error, trainer, engine.scope, path) from error
        write_history(path / "history.csv", moment.history)
        show_epoch(board, moment.history[-1], simple)
        report(line(moment.history[-1], config.epochs, model.score_names))
    return moment.history
