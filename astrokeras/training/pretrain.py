"""Pre-training: pretext tasks on an encoder, from records to a run directory."""

import math
import shutil
import time
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
from astrokeras.training.checkpoint import Checkpoints
from astrokeras.training.engine import Engine, open_engine
from astrokeras.training.files import write_atomically
from astrokeras.training.optimizer import make_optimizer
from astrokeras.training.progress import head, line, show_epoch, summary, write_history
from astrokeras.training.run import check_same, create_run, write_run

# Small networks are bound by the overhead of a step; Keras can't do this with several replicas.
_STEPS_PER_EXECUTION = 8
_STAMPS_SHOWN = 16


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends a training whose loss is no number any more: it would not recover."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at the mean loss of the epoch so far, in which a NaN stays."""
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise AstrokerasError(
                f"the loss became {loss} at step {batch + 1} of the epoch; try a smaller --learning-rate, "
                "and look at the records with 'astrokeras inspect'"
            )


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
        steps_per_execution=min(_STEPS_PER_EXECUTION, steps) if engine.replicas.count == 1 else 1,
    )
    # A checkpoint can only be restored into an optimizer that has its variables.
    model.optimizer.build(model.trainable_variables)
    return model


class _Trainer:
    """One epoch of training or validation of a compiled model."""

    def __init__(self, model: PretextModel, config: PretrainConfig, source: Source) -> None:
        self.model, self.config, self.source = model, config, source
        self.asked = (config.batch_size, model.fields, model.n_draws, config.seed)

    def train(self, epoch: int) -> Scores:
        """Trains for an epoch; the loss and metrics over it, and the speed."""
        self.model.before_epoch("train", epoch, self.source, self.config.batch_size)
        batches = self.source.training(epoch, *self.asked)
        start = time.perf_counter()
        fitted = self.model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[StopOnNonFinite()])
        elapsed = time.perf_counter() - start
        scores = self._in_order({name: float(values[-1]) for name, values in fitted.history.items()})
        return {**scores, "images_per_second": len(batches) * self.config.batch_size / elapsed}

    def validate(self, epoch: int) -> Scores:
        """The loss and metrics over the validation split; empty if there is none."""
        count = self.source.records.counts.get("val", 0)
        if count == 0:
            return {}
        self.model.before_epoch("val", epoch, self.source, self.config.batch_size)
        batches = self.source.evaluation("val", *self.asked)
        padded = len(batches) * self.config.batch_size
        scores = {k: float(v) for k, v in self.model.evaluate(batches, verbose=0, return_dict=True).items()}
        # Keras divides the weighted sum by the number of examples, those of weight 0 included.
        scores["loss"] *= padded / count
        return self._in_order(scores)

    def _in_order(self, scores: Scores) -> Scores:
        """The scores as the tasks name them, bands from blue to red: Keras sorts them by name."""
        return {name: scores[name] for name in ("loss", *self.model.score_names)}


def _show_start(board: Board, config: PretrainConfig, source: Source, model: PretextModel) -> None:
    shown = np.zeros(source.records.count("train"), bool)
    shown[:_STAMPS_SHOWN] = True
    board.options("train", config)
    board.stamps("train", next(source.stamps("train", _STAMPS_SHOWN, (), shown))[0], source.records)
    board.graph("train", model.encoder)


def _open_run(config: PretrainConfig, records: Records) -> Path:
    """The run's directory: new, or for `resume` the one that was started with these options."""
    if config.epochs < 1:
        raise UsageError(f"--epochs {config.epochs}: expected at least 1")
    out = Path(config.out)
    if config.resume and out.is_dir() and any(out.iterdir()):
        check_same(out, config, records)
        return out
    return create_run(out, overwrite=config.overwrite, inputs=[config.records])


def pretrain(config: PretrainConfig, report: Callable[[str], None]) -> dict[str, Any]:
    """Pre-trains an encoder and writes the run directory.

    Writes ``run.json``, ``encoder.keras``, ``model.keras``, ``history.csv``, ``checkpoints/`` and
    ``tensorboard/``. The weights are those after the last epoch. There is no ``model.keras`` if no task predicts
    anything of one unaltered stamp.

    Args:
        config: the options.
        report: gets a line now and then.

    Returns:
        The result in ``run.json``: ``val`` scores, those of each baseline, ``epochs``, ``images_per_second``, and
        in ``legend`` what the scores are.

    Raises:
        AstrokerasError: the records, the run directory or the devices don't allow it, or the loss diverged.
        UsageError: an option is wrong.
    """
    # Before anything starts TensorFlow's devices.
    engine = open_engine(config)
    keras.utils.set_random_seed(config.seed)
    asked = parse_tasks(config.task)
    records = Records.load(config.records)
    breaks = {name: get_task(name).breaks for name in asked}
    augment = augmentation(config.augment, Facts.of(records), breaks)
    source = engine.source(records, config.size, augment, fields_of(asked))
    tasks = fit_tasks(asked, source, report)
    for note in (*engine.notes, *(note for task in tasks.values() for note in task.notes)):
        report(note)
    with engine.scope():
        model = _build(config, engine, source, tasks, augment, source.steps(config.batch_size))
    trainer = _Trainer(model, config, source)
    path = _open_run(config, records)
    write_run(path, "pretrain", config, records)
    checkpoints = Checkpoints(path / "checkpoints")
    with engine.scope():
        history = checkpoints.restore(model) if config.resume else []
    if history:
        report(f"resuming after epoch {len(history)}")
    if records.counts.get("val", 0) == 0:
        report(f"the validation split of {records.path} is empty: no validation")
        simple = {}
    else:
        simple = baselines(model, source, "val")
    for row in head(model.score_names, simple):
        report(row)
    board = engine.board(path / "tensorboard")
    _show_start(board, config, source, model)
    try:
        for epoch in range(len(history), config.epochs):
            scores = trainer.train(epoch)
            validation = {f"val_{name}": value for name, value in trainer.validate(epoch).items()}
            speed = scores.pop("images_per_second")
            row = {"epoch": epoch + 1, **scores, **validation, "images_per_second": speed}
            history.append(row)
            show_epoch(board, row, simple)
            checkpoints.save(model, history)
            write_history(path / "history.csv", history)
            report(line(row, config.epochs, model.score_names))
    except AstrokerasError:
        if not history:  # nothing is there to go on from, and the next try needs the place
            shutil.rmtree(path)
        raise
    finally:
        board.close()
    write_atomically(path / "encoder.keras", model.encoder.save)
    if (whole := predictor(model)) is not None:
        write_atomically(path / "model.keras", whole.save)
    legend = "; ".join(task.legend for task in tasks.values())
    return write_run(path, "pretrain", config, records, {**summary(history, simple), "legend": legend})["result"]
