"""Train a classifier on an encoder with few labels: the head alone, everything, or one after the other."""

import dataclasses
import gc
import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from astrokeras.errors import AstrokerasError
from astrokeras.models.heads import classifier
from astrokeras.models.normalization import freeze_normalization
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.damage import named_if_damaged
from astrokeras.pipeline.dataset import evaluation_batches, steps_per_epoch, training_batches
from astrokeras.pipeline.shards import INPUT_ERRORS
from astrokeras.records.directory import Records
from astrokeras.tasks.logistic import logistic_regression

WEIGHT_DECAY = 1e-4
DROPOUT = 0.2


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How an arm is trained.

    In ``two-phase`` the rate is a tenth of `learning_rate`, as Martinazzo et al. 2020 (arXiv 2004.11336) did it, and
    what the head is given stays what it was fitted to: BatchNormalization goes on with the statistics that it has, and
    there is no dropout. Weights that have learned nothing yet have nothing to keep, see `of`.
    """

    mode: str
    epochs: int
    min_steps: int
    batch_size: int
    learning_rate: float

    def of(self, arm_is_random: bool) -> "Schedule":
        """That of an arm: one that starts from random weights is trained as in ``full`` where others go in two phases.

        A tenth of the rate, and normalization by the statistics of no data, would hold it back.
        """
        return dataclasses.replace(self, mode="full") if arm_is_random and self.mode == "two-phase" else self

    @property
    def peak_rate(self) -> float:
        """The highest learning rate of the phase in which everything is trained."""
        return self.learning_rate / 10 if self.mode == "two-phase" else self.learning_rate

    def epochs_for(self, count: int) -> int:
        """Epochs for `count` examples: as asked for, or as many as `min_steps` takes."""
        return max(self.epochs, math.ceil(self.min_steps / steps_per_epoch(count, self.batch_size)))

    def steps_for(self, count: int) -> int:
        """Return steps for `count` examples; none in ``frozen`` mode."""
        return 0 if self.mode == "frozen" else self.epochs_for(count) * steps_per_epoch(count, self.batch_size)


def predict(model: keras.Model, records: Records, split: str, batch_size: int, select: np.ndarray) -> np.ndarray:
    """Return the model's output for the selected records of a split, in record order, ``[N, …]``.

    Raises:
        AstrokerasError: records are damaged.
    """
    side = model.input_shape[1]
    batches = evaluation_batches(records, split, batch_size, fields=(), size=side, select=select)
    flux = batches.map(lambda flux, fields, weight: flux)
    with named_if_damaged(records, INPUT_ERRORS):
        return model.predict(flux, verbose=0)[: int(select.sum())]


class ClassifierTrainer:
    """One arm's classifier, compiled once and started anew for every draw of labels."""

    def __init__(
        self, build_encoder: Callable[[int], keras.Model], n_classes: int, strategy: tf.distribute.Strategy,
        schedule: Schedule, seed: int,
    ) -> None:  # fmt: skip
        """Build the classifier.

        Args:
            build_encoder: gives the encoder as it is before fine-tuning, for a seed.
            n_classes: C.
            strategy: where to train.
            schedule: how to train.
            seed: of the first start.
        """
        self.schedule, self._strategy, self._n_classes = schedule, strategy, n_classes
        self._build_encoder = build_encoder
        with strategy.scope():
            self.encoder = build_encoder(seed)
            if schedule.mode == "two-phase":
                freeze_normalization(self.encoder)
            dropout = 0.0 if schedule.mode == "two-phase" else DROPOUT
            self.model = classifier(self.encoder, n_classes, dropout)
            optimizer = keras.optimizers.AdamW(schedule.peak_rate, weight_decay=WEIGHT_DECAY)
            self.model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
            optimizer.build(self.model.trainable_variables)
        self._fresh_optimizer = [variable.numpy() for variable in optimizer.variables]

    def start(self, seed: int) -> None:
        """Forget all training: the encoder of `seed`, a new head, a new optimizer."""
        keras.utils.set_random_seed(seed)
        self.encoder.set_weights(self._build_encoder(seed).get_weights())
        head = self.model.get_layer("logits")
        shape = tuple(head.kernel.shape)
        head.set_weights([keras.initializers.GlorotUniform(seed=seed)(shape).numpy(), np.zeros(shape[1], np.float32)])
        with self._strategy.scope():
            for variable, value in zip(self.model.optimizer.variables, self._fresh_optimizer, strict=True):
                variable.assign(value)
            # Dropout goes on where it stopped unless told otherwise: set_random_seed reaches new layers only.
            for variable in self.model.variables:
                if variable.name == "seed_generator_state":
                    variable.assign(np.array([seed, 0], dtype=variable.dtype))

    def fit_head(self, features: np.ndarray, labels: np.ndarray, seed: int) -> None:
        """Fit the head on the encoder's features of the drawn examples, ``[N, D]``."""
        self.model.get_layer("logits").set_weights(logistic_regression(features, labels, self._n_classes, seed))

    def fit_all(
        self, records: Records, select: np.ndarray, augment: Chain | None, seed: int,
        advance: Callable[[int], None] = lambda steps: None,
    ) -> dict:  # fmt: skip
        """Train encoder and head together on the selected training records; returns the history by epoch.

        Args:
            records: the data.
            select: which of the training records, a mask.
            augment: changes the flux.
            seed: of the shuffle and the augmentation.
            advance: is told of each step.

        Raises:
            AstrokerasError: the loss is not finite, or records are damaged.
        """
        count, schedule = int(select.sum()), self.schedule
        epochs = schedule.epochs_for(count)
        batches = training_batches(
            records, schedule.batch_size, epochs=(0, epochs), seed=seed, fields=("label",),
            size=self.model.input_shape[1], select=select, augment=augment,
        ).map(lambda flux, fields: (flux, fields["label"]))  # fmt: skip
        callbacks = [keras.callbacks.LearningRateScheduler(self._rate(epochs)), keras.callbacks.TerminateOnNaN()]
        callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: advance(1)))
        steps = steps_per_epoch(count, schedule.batch_size)
        with named_if_damaged(records, INPUT_ERRORS):
            history = self.model.fit(
                batches, epochs=epochs, steps_per_epoch=steps, callbacks=callbacks, shuffle=False, verbose=0
            ).history
        # The functions in the batches form cycles, and what they hold of the records should not wait to be found.
        del batches
        gc.collect()
        if not np.all(np.isfinite(history["loss"])):
            raise AstrokerasError("the loss became infinite or NaN; try a smaller --learning-rate")
        return history

    def _rate(self, epochs: int) -> Callable[[int, float], float]:
        """Linear warm-up over the first tenth, then a cosine to zero."""
        warm_up = max(1, epochs // 10)

        def rate(epoch: int, _: float) -> float:
            if epoch < warm_up:
                return self.schedule.peak_rate * (epoch + 1) / warm_up
            return (
                self.schedule.peak_rate * 0.5 * (1 + math.cos(math.pi * (epoch - warm_up) / max(1, epochs - warm_up)))
            )

        return rate

    def head_output(self, features: np.ndarray) -> np.ndarray:
        """Return what the classifier makes of features of its encoder, ``[N, D]`` → ``[N, C]``."""
        kernel, bias = self.model.get_layer("logits").get_weights()
        return keras.ops.convert_to_numpy(keras.ops.softmax(features @ kernel + bias))
