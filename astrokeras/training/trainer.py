"""The loop of a training: epochs of training and validation, checkpoints, where it goes on and where it stops."""

import math
import time
from collections.abc import Callable

import keras
import numpy as np

from astrokeras.config import TrainingOptions
from astrokeras.pipeline.source import Source
from astrokeras.progress import Progress, not_shown
from astrokeras.tasks.base import Scores
from astrokeras.tasks.model import TaskModel
from astrokeras.training.checkpoints.checkpoint import Beginning, Checkpoints, History, Moment
from astrokeras.training.checkpoints.state import State, is_finite, take
from astrokeras.training.distribution.workers import Workers
from astrokeras.training.engines.meter import Meter
from astrokeras.training.signals import Signals
from astrokeras.training.stopping import BestWeights

# What a history holds about a training's pace, which no repetition gives again.
SPEEDS = ("images_per_second", "input_wait")
# Between checkpoints within an epoch, unless --checkpoint-every says otherwise.
_SECONDS = 600.0


class NonFinite(Exception):
    """The loss or the weights became infinite or NaN in one of the steps `first` … `last` of an epoch, from 0."""

    def __init__(self, what: str, epoch: int, first: int, last: int) -> None:
        super().__init__(f"{what} in step {first} to {last} of epoch {epoch}")
        self.what, self.epoch, self.first, self.last = what, epoch, first, last


class Trainer:
    """Trains a compiled model: epoch by epoch with validation between them, or through all epochs in one go.

    Args:
        model: compiled, its optimizer built.
        config: the options.
        source: of the batches.
        checkpoints: where they go.
        signals: looked at after every execution of steps.
        meter: of the time that this process spends waiting for batches, if there is one.
        progress: shows how many steps are done.
        workers: the processes that train together.
        fed: gives this process its part of the source's batches.
        best: keeps the weights of the best epoch, if that is asked for.
        every: steps between checkpoints within an epoch; every ten minutes if None.
        place: what a signal ends it after, in words; the moment of the last checkpoint if empty.
    """

    def __init__(  # noqa: PLR0913 - what a training consists of
        self, model: TaskModel, config: TrainingOptions, source: Source, checkpoints: Checkpoints | Beginning,
        signals: Signals, *, meter: Meter | None = None, progress: Progress = not_shown, workers: Workers | None = None,
        fed: Source | None = None, best: BestWeights | None = None, every: int | None = None, place: str = "",
    ) -> None:  # fmt: skip
        self.model, self.config, self.source = model, config, source
        self.checkpoints, self.signals, self.meter, self.progress = checkpoints, signals, meter, progress
        self.workers, self.fed = workers or Workers(), fed or source
        self.best, self.every, self.place = best, every, place
        self.asked = (config.batch_size, model.fields, model.n_draws, config.seed)
        self.steps = source.steps(config.batch_size)
        self.steps_since, self._saved_at = 0, time.monotonic()

    def epoch(self, moment: Moment) -> Moment:
        """Do the epoch that a moment is in, or what is left of it, and writes the checkpoint after it.

        Raises:
            NonFinite: the training can't go on.
            Stopped: somebody asked for it; the state is saved.
        """
        if moment.trained is None:
            moment = Moment(moment.history, self.steps, self._train(moment))
            if self.pausing():
                self.save(moment)
                self.stop_if_asked(moment)
        try:
            with self.model.averaged():
                row = self._row(moment, self._validate(moment))
                history = [*moment.history, row]
                if self.best:
                    self.best.keep(lambda: self._state(Moment(history)), history)
        except _Caught:
            self.save(moment)
            raise self.signals.stopped(self.place or str(moment)) from None
        moment = Moment(history)
        self.save(moment)
        return moment

    @staticmethod
    def _row(moment: Moment, validation: Scores) -> dict[str, float]:
        """Return the line of the history for an epoch that is done."""
        scores = dict(moment.trained)
        speed = {name: scores.pop(name) for name in SPEEDS if name in scores}
        validation = {f"val_{name}": value for name, value in validation.items()}
        return {"epoch": moment.epoch + 1, **scores, **validation, **speed}

    def save(self, moment: Moment) -> None:
        """Write a checkpoint.

        Raises:
            NonFinite: the weights are not what one could go on from; nothing is written.
        """
        self.checkpoints.save(self._state(moment), moment)
        self.steps_since, self._saved_at = 0, time.monotonic()

    def _state(self, moment: Moment) -> State:
        """Return what a checkpoint of this moment holds.

        Raises:
            NonFinite: the weights are not what one could go on from.
        """
        state = take(self.model)
        if not is_finite({name: value for name, value in state.items() if not name.startswith("metrics")}):
            # A loss that was finite was that of the weights before its step, so that it is the last one.
            epoch, step = (moment.epoch, moment.step) if moment.step else (moment.epoch - 1, self.steps)
            raise NonFinite("the weights became infinite or NaN", epoch, step - 1, step - 1)
        return state

    def due(self) -> bool:
        """Whether it is time for another checkpoint within the epoch."""
        if not self.checkpoints.lasting:
            return False
        if self.every is not None:
            return self.steps_since >= self.every
        return time.monotonic() - self._saved_at >= _SECONDS

    def stop_if_asked(self, moment: Moment) -> None:
        """End the run, whose state at this moment is saved, if a signal came."""
        if self.workers.any(self.signals.caught):
            raise self.signals.stopped(self.place or str(moment))

    def pausing(self) -> bool:
        """Whether a checkpoint is to be written within the epoch, on account of any worker."""
        return self.workers.any(self.signals.caught or self.due())

    def _train(self, moment: Moment) -> Scores:
        """Trains for the rest of an epoch; the loss and metrics over all of it, and the speed of this part."""
        counted = None
        if moment.step:
            self.model.resume_epoch(self.source)
            counted = [keras.ops.convert_to_numpy(one) for one in self.model.metrics_variables]
        else:
            self.model.before_epoch("train", moment.epoch, self.source, self.config.batch_size)
        if self.meter:
            self.meter.waited = 0.0
        with self.progress(f"epoch {moment.epoch + 1}/{self.config.epochs}", self.steps) as advance:
            advance(moment.step)
            (scores,), elapsed = self._fit(moment, advance, counted)
        scores["images_per_second"] = (self.steps - moment.step) * self.config.batch_size / elapsed
        if self.meter:
            # The other workers wait for the one whose batch comes last.
            scores["input_wait"] = self.workers.most(self.meter.waited / elapsed)
        return scores

    def _fit(
        self, moment: Moment, advance: Callable[[int], None], counted: list[np.ndarray] | None = None, epochs: int = 1
    ) -> tuple[list[Scores], float]:
        """Train for what is left of an epoch, and for those after it; the scores of each, and the seconds."""
        batches = self.fed.training(moment.epoch, *self.asked, first_step=moment.step, epochs=epochs)
        watch = _Watch(self, moment, counted, advance)
        start = time.perf_counter()
        # The meter comes last: what it waits for begins when a checkpoint is written.
        fitted = self.model.fit(
            batches, epochs=epochs, verbose=0, shuffle=False, steps_per_epoch=self.steps - moment.step,
            callbacks=[watch, *(self.meter.callbacks if self.meter else [])],
        )  # fmt: skip
        elapsed = time.perf_counter() - start - watch.saving
        history = fitted.history
        rows = [{name: float(values[i]) for name, values in history.items()} for i in range(len(history["loss"]))]
        return [self._in_order(row) for row in rows], elapsed

    def through(self) -> History:
        """Train all epochs without validation: in one go, unless a task renews its fields before each.

        An execution has to be one step, or executions would not end with the epochs.

        Raises:
            NonFinite: the training can't go on.
            Stopped: somebody asked for it.
        """
        epochs, history = self.config.epochs, []
        at_once = 1 if self.model.renews else epochs
        with self.progress(self.place, epochs * self.steps) as advance:
            while len(history) < epochs:
                self.model.before_epoch("train", len(history), self.source, self.config.batch_size)
                rows, _ = self._fit(Moment(history), advance, epochs=at_once)
                history = [*history, *({"epoch": n, **row} for n, row in enumerate(rows, start=len(history) + 1))]
        self._state(Moment(history))
        return history

    def _validate(self, moment: Moment) -> Scores:
        """Return the loss and metrics over the validation split; empty if there is none."""
        count = self.source.records.counts.get("val", 0)
        if count == 0:
            return {}
        self.model.before_epoch("val", moment.epoch, self.source, self.config.batch_size)
        batches = self.fed.evaluation("val", *self.asked)
        steps = -(-count // self.config.batch_size)
        watch = _WatchValidation(self)
        scores = self.model.evaluate(batches, verbose=0, return_dict=True, callbacks=[watch], steps=steps)
        scores = {name: float(value) for name, value in scores.items()}
        # Keras divides the weighted sum by the number of examples, those of weight 0 included.
        scores["loss"] *= steps * self.config.batch_size / count
        return self._in_order(scores)

    def _in_order(self, scores: Scores) -> Scores:
        """Return the scores as the tasks name them, bands from blue to red: Keras sorts them by name."""
        return {name: scores[name] for name in ("loss", *self.model.score_names)}


class _Watch(keras.callbacks.Callback):
    """Looks at a training after every execution of steps.

    Attributes:
        saving: seconds spent on checkpoints.
    """

    def __init__(
        self, trainer: Trainer, moment: Moment, counted: list[np.ndarray] | None, advance: Callable[[int], None]
    ) -> None:
        super().__init__()
        self.trainer, self.moment, self.counted, self.advance = trainer, moment, counted, advance
        self.epoch, self.step, self.saving = moment.epoch, moment.step, 0.0

    def on_epoch_begin(self, epoch: int, logs: Scores | None = None) -> None:
        """Give the metrics back what the steps before had added to them: Keras has just reset them."""
        self.epoch = self.moment.epoch + epoch
        if epoch > 0:
            self.step = 0
        elif self.counted is not None:
            for variable, value in zip(self.model.metrics_variables, self.counted, strict=True):
                variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: Scores | None = None) -> None:
        """Stop, or writes a checkpoint, where that is due."""
        trainer, before = self.trainer, self.step
        exact = trainer.meter.done if trainer.meter else None
        self.step = before + exact if exact else min(before + self.model.steps_per_execution, trainer.steps)
        # The mean over the epoch so far, in which a NaN stays.
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            first = self.step - 1 if exact else before
            raise NonFinite(f"the loss became {loss}", self.epoch, first, self.step - 1)
        self.advance(self.step - before)
        trainer.steps_since += self.step - before
        if self.step < trainer.steps and trainer.pausing():
            start = time.perf_counter()
            moment = Moment(self.moment.history, self.step)
            trainer.save(moment)
            trainer.stop_if_asked(moment)
            self.saving += time.perf_counter() - start


class _Caught(Exception):
    """A signal came while the weights may be others than those to be saved."""


class _WatchValidation(keras.callbacks.Callback):
    """Ends a validation where a signal comes."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.trainer = trainer

    def on_test_batch_end(self, batch: int, logs: Scores | None = None) -> None:
        """Stop if asked."""
        if self.trainer.workers.any(self.trainer.signals.caught):
            raise _Caught
