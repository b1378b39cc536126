"""The network that is trained: one encoder, any number of tasks."""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import UsageError
from astrokeras.models.averaging import WeightAverage, averaged_variables
from astrokeras.pipeline.augment import Chain
from astrokeras.pipeline.source import Source
from astrokeras.tasks.base import Curves, Scores, Task


def check_weights(names: list[str], weights: tuple[str, ...], option: str = "--task-weight") -> list[float]:
    """Return the weight of each task: 1 where none is given.

    Raises:
        UsageError: not one positive number a task.
    """
    if not weights:
        return [1.0] * len(names)
    try:
        numbers = [float(weight) for weight in weights]
    except ValueError:
        numbers = []
    if len(numbers) != len(names) or not all(0 < number < float("inf") for number in numbers):
        raise UsageError(
            f"{option} {','.join(weights)}: expected a positive number for each of the {len(names)} "
            f"{option.split('-')[2]}(s) {', '.join(names)}, separated by commas"
        )
    return numbers


class TaskModel(keras.Model):
    """An encoder with the heads, losses and metrics of its tasks.

    It takes a batch as `pipeline.source` describes it and gives for each task target, prediction and loss of every
    example. The encoder runs once over the distinct views of all tasks together, so that the task that looks at the
    stamp as it is costs nothing beside another that does. `fit` and `evaluate` are Keras's own, on every backend.

    Args:
        encoder: from a batch of flux [N, S, S, B] to embeddings [N, D].
        tasks: fitted tasks by name.
        weights: of each task's loss in the sum.
        augment: changes the flux in training, where the source of the batches has not done it.
        average: the decay of an average of the weights over the steps, see `WeightAverage`; None for none.

    Attributes:
        weighed: whether training batches have the field ``weight`` too, by which losses of examples are multiplied.
    """

    def __init__(
        self,
        encoder: keras.Model,
        tasks: Mapping[str, Task],
        weights: Mapping[str, float],
        augment: Chain | None = None,
        average: float | None = None,
    ) -> None:
        # Views are raw flux and stay float32 whatever the precision of the network.
        super().__init__(name="pretext", dtype="float32", autocast=False)
        self.encoder = encoder
        self.tasks = dict(tasks)
        self.task_weights = dict(weights)
        self.augment = augment
        self.weighed = False
        heads = {name: _build_head(name, task, encoder.output_shape[-1]) for name, task in tasks.items()}
        self.heads = {name: head for name, (head, _) in heads.items()}
        self.states = [layer for task in tasks.values() for layer in task.layers()]
        self.scores = {name: task.metrics() for name, task in tasks.items()}
        # Behind functions, or Keras would take these models for layers of this one.
        self._compiled = functools.cache(self._compile)
        self.activated = lambda name: heads[name][1]
        self.means = {name: keras.metrics.Mean(name=f"{name}_loss") for name in tasks} if len(tasks) > 1 else {}
        self.average = None if average is None else WeightAverage(averaged_variables(self), average)
        self.built = True

    @property
    def n_draws(self) -> int:
        """How many random numbers an example needs."""
        return sum(task.n_draws for task in self.tasks.values()) + (self.augment.n_draws if self.augment else 0)

    @property
    def fields(self) -> tuple[str, ...]:
        """What the tasks read beside the pixels."""
        own = [field for task in self.tasks.values() for field in (*task.fields, *task.derived_fields)]
        return tuple(dict.fromkeys([*own, "weight"] if self.weighed else own))

    @property
    def renews(self) -> bool:
        """Whether a task renews its fields before each epoch."""
        return any(type(task).before_epoch is not Task.before_epoch for task in self.tasks.values())

    @property
    def score_names(self) -> tuple[str, ...]:
        """The names of what `evaluate` gives beside the loss: with several tasks each starts with its task's name."""
        if len(self.tasks) == 1:
            return next(iter(self.tasks.values())).score_names
        return tuple(f"{name}_{score}" for name, task in self.tasks.items() for score in ("loss", *task.score_names))

    def call(self, batch: Mapping[str, KerasTensor], training: bool = False) -> dict[str, dict[str, Any]]:
        """By task: ``target``, ``prediction`` and ``loss`` [N]."""
        if training and self.average is not None:
            self.average.step()
        flux = ops.cast(batch["flux"], "float32")
        fields = dict(batch)
        draws = fields.pop("draws", None)
        fields.setdefault("weight", ops.ones_like(flux[:, 0, 0, 0]))
        views, targets, places, start = [], {}, {}, 0
        if self.augment is not None:
            start = self.augment.n_draws
            flux = self.augment(flux, draws[:, :start]) if training else flux
        for name, task in self.tasks.items():
            own = None if draws is None else draws[:, start : start + task.n_draws]
            start += task.n_draws
            seen, targets[name] = task.views(flux, fields, own)
            places[name] = [_place(view, views) for view in seen]
        embeddings = _embed(self.encoder, views, training)
        results = {}
        for name, task in self.tasks.items():
            prediction = self.heads[name]([embeddings[place] for place in places[name]], training=training)
            loss = task.loss(targets[name], prediction)
            results[name] = {"target": targets[name], "prediction": prediction, "loss": ops.cast(loss, "float32")}
        return results

    def averaged(self) -> AbstractContextManager[None]:
        """Put the average of the weights in their place while the block lasts, if there is one."""
        return contextlib.nullcontext() if self.average is None else self.average.in_use()

    def before_epoch(self, split: str, epoch: int, source: Source, batch_size: int) -> None:
        """Lets the tasks renew what they make for a split, see `Task.before_epoch`."""
        for name, task in self.tasks.items():
            task.before_epoch(
                split, epoch, source, lambda name=name: self._predictions(name, split, source, batch_size)
            )

    def resume_epoch(self, source: Source) -> None:
        """Lets the tasks make again what they had made for the epoch that goes on, see `Task.resume_epoch`."""
        for task in self.tasks.values():
            task.resume_epoch(source)

    def look_closer(self, source: Source, split: str, batch_size: int) -> dict[str, tuple[Scores, Curves]]:
        """Return what the tasks say of all their predictions for a split, see `Task.look_closer`; by method."""
        found: dict[str, tuple[Scores, Curves]] = {}
        for name, task in self.tasks.items():
            prefix = f"{name}_" if self.means else ""
            looked = task.look_closer(
                source, split, lambda name=name: self._predictions(name, split, source, batch_size)
            )
            for method, parts in looked.items():
                for mine, theirs in zip(found.setdefault(method, ({}, {})), parts, strict=True):
                    mine.update({prefix + score: value for score, value in theirs.items()})
        return found

    def beaten_by(self, val: Scores, simple: Mapping[str, Scores]) -> dict[str, list[str]]:
        """By baseline, the scores in which it is better than this network; of a bias neither is."""
        beaten = {}
        for method, scores in simple.items():
            for name, task in self.tasks.items():
                prefix, sign = f"{name}_" if self.means else "", -1 if task.errors else 1
                names = [n for n in scores if n.startswith(prefix) and not n.removeprefix(prefix).startswith("bias")]
                better = [n for n in names if n in val and sign * scores[n] > sign * val[n]]
                if better:
                    beaten[method] = [*beaten.get(method, ()), *better]
        return beaten

    def _predictions(self, name: str, split: str, source: Source, batch_size: int) -> np.ndarray:
        """Return what the head of a task of one view predicts for the unaltered stamps of a split, [N, ...]."""
        whole = self._compiled(name)
        found = np.concatenate([whole.predict_on_batch(flux) for flux, _ in source.stamps(split, batch_size, ())])
        return self.tasks[name].replicas.same(found)

    def _compile(self, name: str) -> keras.Model:
        """Return the encoder with one head: a model of its own, which Keras compiles."""
        flux = keras.Input(self.encoder.input_shape[1:], dtype="float32")
        return keras.Model(flux, self.heads[name]([self.encoder(flux)]))

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Nothing, since all is built: with TensorFlow, Keras would average a first batch over replicas and drop it."""

    def compute_loss(
        self,
        x: Mapping[str, KerasTensor],
        y: None = None,
        y_pred: Mapping[str, Any] | None = None,
        sample_weight: None = None,
        training: bool = True,
    ) -> KerasTensor:
        """Return the weighted sum of the tasks' mean losses, padding counting as 0.

        A replica's share of it under several.
        """
        total = 0.0
        for name, result in y_pred.items():
            loss = result["loss"] * x["weight"] if "weight" in x else result["loss"]
            total = total + self.task_weights[name] * ops.mean(loss)
        return total / next(iter(self.tasks.values())).replicas.count

    def compute_metrics(
        self, x: Mapping[str, KerasTensor], y: None, y_pred: Mapping[str, Any], sample_weight: None = None
    ) -> dict[str, Any]:
        """Add a batch to the metrics."""
        weight = x.get("weight")
        for name, result in y_pred.items():
            for metric in self.scores[name]:
                metric.update_state(result["target"], result["prediction"], sample_weight=weight)
            if name in self.means:
                self.means[name].update_state(result["loss"], sample_weight=weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the loss and the scores by the names in `score_names`."""
        results = {"loss": self._loss_tracker.result()}
        for name, metrics in self.scores.items():
            prefix = f"{name}_" if self.means else ""
            if self.means:
                results[f"{name}_loss"] = self.means[name].result()
            for metric in metrics:
                value = metric.result()
                named = value if isinstance(value, dict) else {metric.name: value}
                results |= {prefix + score: number for score, number in named.items()}
        return results


def _build_head(name: str, task: Task, width: int) -> tuple[keras.Model, keras.Model]:
    """Return the task's head as a model of its own, from the embeddings [N, D] of the views, and what it saves of it.

    Both have the same layers but for the last, by which the second gives what `Task.activate` says.
    """
    embeddings = [keras.Input((width,), dtype="float32", name=f"embedding_{i}") for i in range(task.n_views)]
    kept = embeddings
    if task.dropout:
        drop = keras.layers.Dropout(task.dropout, name="dropout")
        kept = [drop(embedding) for embedding in embeddings]
    prediction = task.head(kept)
    activated = keras.Model(embeddings, task.activate(prediction), name=name)
    return keras.Model(embeddings, prediction, name=name), activated


def _place(view: KerasTensor, views: list[KerasTensor]) -> int:
    """Where a view stands among those to encode; it is added unless it is there (the very same tensor)."""
    for place, other in enumerate(views):
        if other is view:
            return place
    views.append(view)
    return len(views) - 1


def _embed(encoder: keras.Model, views: list[KerasTensor], training: bool) -> list[KerasTensor]:
    """Return the embeddings of each view, from one pass over all."""
    if len(views) == 1:
        return [encoder(views[0], training=training)]
    together = encoder(ops.concatenate(views, axis=0), training=training)
    return ops.split(together, len(views), axis=0)


def baselines(model: TaskModel, source: Source, split: str) -> dict[str, Scores]:
    """Return what simple methods reach at the tasks on a split: by method, scores by the names in `score_names`."""
    found: dict[str, Scores] = {}
    for name, task in model.tasks.items():
        prefix = f"{name}_" if model.means else ""
        for method, scores in task.baselines(source, split).items():
            found.setdefault(method, {}).update({prefix + score: value for score, value in scores.items()})
    return found


def predictor(model: TaskModel, encoder: keras.Model, names: Sequence[str] | None = None) -> keras.Model | None:
    """Return what the tasks predict for a stamp as it is: flux [N, S, S, B] to the prediction, by name if several.

    Only tasks that look at one view can say something about a stamp alone; None if there are none. The model has a
    layer ``encoder`` and one of the name of each task, from the embedding to the prediction.

    Args:
        model: brings the heads.
        encoder: that of the model, or its like in another precision.
        names: of the tasks; all that look at one view if None.
    """
    single = [name for name, task in model.tasks.items() if task.n_views == 1] if names is None else list(names)
    if not single:
        return None
    flux = keras.Input(encoder.input_shape[1:], dtype="float32", name="flux")
    embedding = encoder(flux)
    outputs = {name: model.activated(name)([embedding]) for name in single}
    return keras.Model(flux, outputs if len(single) > 1 else outputs[single[0]], name="_".join(single))
