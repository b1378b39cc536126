"""Pre-training: a pretext task on an encoder, from records to a run directory."""

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
from astrokeras.pipeline.augment import Facts, augmentation
from astrokeras.pipeline.dataset import (
    evaluation_batches,
    load_arrays,
    steps_per_epoch,
    training_batches,
)
from astrokeras.pretext.base import Scores, Task
from astrokeras.pretext.registry import get_task
from astrokeras.records.directory import Records
from astrokeras.training.checkpoint import Checkpoints
from astrokeras.training.files import write_atomically
from astrokeras.training.optimizer import make_optimizer
from astrokeras.training.progress import head, line, show_epoch, summary, write_history
from astrokeras.training.run import check_same, create_run, write_run
from astrokeras.training.strategy import check_batch_size, make_strategy
from astrokeras.training.tensorboard import TensorBoard

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


def _build(config: PretrainConfig, records: Records, task: Task) -> tuple[keras.Model, keras.Model]:
    """The encoder, and the encoder with the task's head."""
    encoder = build_encoder(
        records, backbone=config.backbone, size=config.size, resize=config.resize, stretch=config.stretch
    )
    flux = keras.Input(encoder.input_shape[1:], dtype="float32", name="flux")
    return encoder, keras.Model(flux, task.head(encoder(flux)), name=config.task)


def _compile(model: keras.Model, config: PretrainConfig, task: Task, steps: int, replicas: int) -> None:
    """Makes the model ready to train; inside the scope of the strategy."""
    model.compile(
        optimizer=make_optimizer(config.learning_rate, config.epochs * steps),
        loss=task.loss(),
        # Weighted, because Keras gives other metrics no weights, and then the padding would count.
        weighted_metrics=task.metrics(),
        # XLA makes convolutions several times slower on CPUs.
        jit_compile=False,
        steps_per_execution=min(_STEPS_PER_EXECUTION, steps) if replicas == 1 else 1,
    )
    # A checkpoint can only be restored into an optimizer that has its variables.
    model.optimizer.build(model.trainable_variables)


class _Trainer:
    """One epoch of training or validation of a compiled model."""

    def __init__(self, model: keras.Model, config: PretrainConfig, records: Records, task: Task) -> None:
        self.model, self.config, self.records, self.task = model, config, records, task
        self.steps = steps_per_epoch(records.count("train"), config.batch_size)
        self.augment = augmentation(config.augment, Facts.of(records), {config.task: task.breaks})

    def train(self, epoch: int) -> Scores:
        """Trains for an epoch; the loss and metrics over it, and the speed."""
        batches = training_batches(
            self.records,
            self.config.batch_size,
            epochs=(epoch, epoch + 1),
            seed=self.config.seed,
            fields=self.task.fields,
            size=self.config.size,
            augment=self.augment,
        ).map(lambda flux, fields: (flux, self.task.target(fields)))
        start = time.perf_counter()
        fitted = self.model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[StopOnNonFinite()])
        elapsed = time.perf_counter() - start
        scores = self._in_order({name: float(values[-1]) for name, values in fitted.history.items()})
        return {**scores, "images_per_second": self.steps * self.config.batch_size / elapsed}

    def validate(self) -> Scores:
        """The loss and metrics over the validation split; empty if there is none."""
        count = self.records.counts.get("val", 0)
        if count == 0:
            return {}
        batches = evaluation_batches(
            self.records, "val", self.config.batch_size, fields=self.task.fields, size=self.config.size
        ).map(lambda flux, fields, weight: (flux, self.task.target(fields), weight))
        padded = len(batches) * self.config.batch_size
        scores = {k: float(v) for k, v in self.model.evaluate(batches, verbose=0, return_dict=True).items()}
        # Keras divides the weighted sum by the number of examples, those of weight 0 included.
        scores["loss"] *= padded / count
        return self._in_order(scores)

    def _in_order(self, scores: Scores) -> Scores:
        """The scores as the task names them, bands from blue to red: Keras sorts them by name."""
        return {name: scores[name] for name in ("loss", *self.task.score_names)}


def _show_start(board: TensorBoard, config: PretrainConfig, records: Records, model: keras.Model) -> None:
    shown = np.zeros(records.count("train"), bool)
    shown[:_STAMPS_SHOWN] = True
    board.options("train", config)
    board.stamps("train", load_arrays(records, "train", select=shown, size=config.size)[0], records)
    board.graph("train", model)


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
    ``tensorboard/``. The weights are those after the last epoch.

    Args:
        config: the options.
        report: gets a line now and then.

    Returns:
        The result in ``run.json``: ``val`` scores, those of each baseline, ``epochs``, ``images_per_second``.

    Raises:
        AstrokerasError: the records, the run directory or the devices don't allow it, or the loss diverged.
        UsageError: an option is wrong.
    """
    # Before anything starts TensorFlow's devices.
    strategy = make_strategy(config.devices)
    check_batch_size(config.batch_size, strategy)
    keras.utils.set_random_seed(config.seed)
    records = Records.load(config.records)
    task = get_task(config.task).fit(records)
    for note in task.notes:
        report(note)
    with strategy.scope():
        encoder, model = _build(config, records, task)
        trainer = _Trainer(model, config, records, task)
        _compile(model, config, task, trainer.steps, strategy.num_replicas_in_sync)
    path = _open_run(config, records)
    write_run(path, "pretrain", config, records)
    checkpoints = Checkpoints(path / "checkpoints")
    with strategy.scope():
        history = checkpoints.restore(model) if config.resume else []
    if history:
        report(f"resuming after epoch {len(history)}")
    if records.counts.get("val", 0) == 0:
        report(f"the validation split of {records.path} is empty: no validation")
        baselines = {}
    else:
        baselines = task.baselines(records, "val", config.size)
    for row in head(task.score_names, baselines):
        report(row)
    board = TensorBoard(path / "tensorboard")
    _show_start(board, config, records, model)
    try:
        for epoch in range(len(history), config.epochs):
            scores = trainer.train(epoch)
            validation = {f"val_{name}": value for name, value in trainer.validate().items()}
            speed = scores.pop("images_per_second")
            row = {"epoch": epoch + 1, **scores, **validation, "images_per_second": speed}
            history.append(row)
            show_epoch(board, row, baselines)
            checkpoints.save(model, history)
            write_history(path / "history.csv", history)
            report(line(row, config.epochs, task.score_names))
    except AstrokerasError:
        if not history:  # nothing is there to go on from, and the next try needs the place
            shutil.rmtree(path)
        raise
    finally:
        board.close()
    write_atomically(path / "encoder.keras", encoder.save)
    # Without optimizer and loss, which only training needs.
    write_atomically(path / "model.keras", keras.Model(model.input, model.output, name=model.name).save)
    result = summary(history, baselines)
    return write_run(path, "pretrain", config, records, result)["result"]
