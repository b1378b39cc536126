"""What every pretext task has to pass; `test_harness.py` runs it for each that is registered."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from astrokeras.models.normalization import batch_normalization
from astrokeras.models.stretch import stretch_for
from astrokeras.pipeline.arrays import Arrays
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.base import Task
from astrokeras.tasks.model import TaskModel
from astrokeras.tasks.registry import fit_tasks, parse_tasks
from astrokeras.tasks.replicas import Replicas

SIZE = 24
BANDS = ("g", "r", "i")
SKY, NOISE = 50.0, 10.0
TRAIN, BATCH = 96, 16


def draw(count: int, seed: int) -> dict[str, np.ndarray]:
    """Galaxies with a bar along x and a companion on its right, which tells what is up; some pixels and values missing.

    Each is there twice in a row, but for the last of an odd number.

    Shapes:
        image [N, S, S, B] in nJy, magnitudes and magnitude_errors [N, B], object [N]
    """
    rng = np.random.default_rng(seed)
    galaxy = np.arange(count) // 2
    magnitudes = (rng.uniform(18.5, 20.5, (count, 1)) + rng.normal(0, 0.4, (count, len(BANDS))))[galaxy]
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    widths = rng.uniform(1.5, 3.0, (count, 1, 1))[galaxy]
    shape = np.exp(-(x**2 + 3 * y**2) / (2 * widths**2)) + 0.5 * np.exp(-((x - 6) ** 2 + (y - 2) ** 2) / 4)
    flux = 10 ** (0.4 * (31.4 - magnitudes))
    image = (shape / shape.sum(axis=(1, 2), keepdims=True))[..., None] * flux[:, None, None, :]
    image = (image + rng.normal(SKY, NOISE, image.shape)).astype(np.float32)
    image[rng.random(count) < 0.1, 3:5, 2:6] = np.nan
    image[rng.random(count) < 0.1, ..., 1] = np.nan
    errors = rng.uniform(0.01, 0.2, magnitudes.shape).astype(np.float32)
    magnitudes[rng.random(magnitudes.shape) < 0.1] = np.nan
    errors[rng.random(magnitudes.shape) < 0.1] = np.nan
    magnitudes = magnitudes.astype(np.float32)
    return {"image": image, "magnitudes": magnitudes, "magnitude_errors": errors, "object": galaxy.astype(float)}


def make_source(unit: str = "nJy") -> Arrays:
    """Records in memory: fluxes, or for ``display`` levels of a picture."""
    splits = {"train": draw(TRAIN, 0), "val": draw(21, 1)}
    content = {
        "name": "galaxies",
        "bands": list(BANDS),
        "size": SIZE,
        "unit": unit,
        "columns": ["object"],
        "sky": [SKY] * len(BANDS),
        "noise": [NOISE] * len(BANDS),
        "splits": {split: {"count": len(columns["image"])} for split, columns in splits.items()},
    }
    if unit == "display":
        for columns in splits.values():
            columns["image"] = np.clip(columns["image"], 0, 255)
    return Arrays(RecordsDirectory(Path("galaxies"), content), splits)


def small_encoder(source: Arrays) -> keras.Model:
    """Enough of an encoder to learn something in seconds, with what real ones have: stretch and normalisation."""
    flux = keras.Input((source.size, source.size, len(source.records.bands)), name="flux")
    x = stretch_for(source.records, "auto")(flux)
    for width in (16, 32):
        x = keras.layers.Conv2D(width, 5, strides=3, padding="same", use_bias=False)(x)
        x = keras.layers.Activation("relu")(batch_normalization()(x))
    return keras.Model(flux, keras.layers.Flatten(name="embedding")(x), name="encoder")


def make_model(
    specs: list[str], source: Arrays, weights: Mapping[str, float] | None = None, replicas: Replicas | None = None
) -> TaskModel:
    """A model of fitted tasks; the same initial weights each time."""
    keras.utils.set_random_seed(0)
    tasks = fit_tasks(parse_tasks(specs), source)
    for task in tasks.values():
        task.replicas = replicas or task.replicas
    return TaskModel(small_encoder(source), tasks, weights or dict.fromkeys(tasks, 1.0))


def compile_model(model: TaskModel, optimizer: keras.optimizers.Optimizer, eagerly: bool = False) -> None:
    """As the trainer does it; `eagerly` for one step, which runs before a graph would be made."""
    compiled = keras.backend.backend() != "tensorflow" and not eagerly
    model.compile(optimizer=optimizer, jit_compile=compiled, run_eagerly=eagerly)


def batch_of(model: TaskModel, source: Arrays, step: int = 0) -> dict[str, np.ndarray]:
    """A training batch."""
    (batch,) = source.training(0, BATCH, model.fields, model.n_draws, seed=0)[step]
    return batch


def numpy(values: Any) -> list[np.ndarray]:
    """The arrays in what a task gives."""
    return [ops.convert_to_numpy(value) for value in tree.flatten(values) if value is not None]


def views_of(task: Task, batch: Mapping[str, Any]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Views and targets."""
    fields = {name: ops.convert_to_tensor(values) for name, values in batch.items() if name != "draws"}
    fields.setdefault("weight", ops.ones(len(batch["flux"])))
    views, target = task.views(ops.convert_to_tensor(batch["flux"]), fields, ops.convert_to_tensor(batch["draws"]))
    return numpy(views), numpy(target)


def _everything(task: Task, batch: Mapping[str, Any]) -> list[np.ndarray]:
    views, target = views_of(task, batch)
    return views + target


def check_shapes(model: TaskModel, batch: Mapping[str, np.ndarray]) -> None:
    """Views as many as said and as large as the stamps; a loss for each example, finite in spite of what is missing."""
    (name,) = model.tasks
    task = model.tasks[name]
    views, target = views_of(task, batch)
    assert len(views) == task.n_views
    assert all(view.shape == batch["flux"].shape and view.dtype == np.float32 for view in views)
    assert all(len(values) == BATCH for values in target)
    result = model(batch)[name]
    assert result["loss"].shape == (BATCH,)
    assert np.isfinite(ops.convert_to_numpy(result["loss"])).all()
    assert all(np.isfinite(values).all() for values in numpy(result["prediction"]))
    assert task.legend


def check_draws(model: TaskModel, batch: Mapping[str, np.ndarray]) -> None:
    """Other numbers, other views or targets; those of an example depend on its own numbers alone."""
    (task,) = model.tasks.values()
    if task.n_draws == 0:
        return
    other = {**batch, "draws": np.random.default_rng(9).random(batch["draws"].shape, np.float32)}
    first, second = (_everything(task, some) for some in (batch, other))
    changed = [
        (~np.isclose(a, b, equal_nan=True)).reshape(BATCH, -1).any(axis=1) for a, b in zip(first, second, strict=True)
    ]
    # Where there are few possibilities, two may be the same.
    assert np.any(changed, axis=0).mean() > 0.5
    mixed = {**batch, "draws": np.concatenate([batch["draws"][:5], other["draws"][5:]])}
    for a, b in zip(first, _everything(task, mixed), strict=True):
        np.testing.assert_allclose(a[:5], b[:5], rtol=1e-4, atol=1e-3)


def check_padding(model: TaskModel, batch: Mapping[str, np.ndarray]) -> None:
    """What fills the last batch of an evaluation changes nothing for the others."""
    (name,) = model.tasks
    real = 11
    short = {key: values[:real] for key, values in batch.items()}
    padded = {key: np.concatenate([v[:real], np.repeat(v[:1], BATCH - real, axis=0)]) for key, v in batch.items()}
    padded["weight"] = (np.arange(BATCH) < real).astype(np.float32)
    alone, beside = (ops.convert_to_numpy(model(some)[name]["loss"]) for some in (short, padded))
    np.testing.assert_allclose(beside[:real], alone, rtol=1e-4, atol=1e-5)


def check_learning(model: TaskModel, source: Arrays) -> None:
    """The loss falls within seconds, weights stay finite, and the scores are those that are named."""
    compile_model(model, keras.optimizers.Adam(3e-3))
    asked = (BATCH, model.fields, model.n_draws)
    first = model.evaluate(source.evaluation("train", *asked, seed=3), verbose=0, return_dict=True)
    assert set(first) == {"loss", *model.score_names}
    for epoch in range(8):
        model.before_epoch("train", epoch, source, BATCH)
        model.fit(source.training(epoch, *asked, seed=0), verbose=0, shuffle=False)
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    last = model.evaluate(source.evaluation("train", *asked, seed=3), verbose=0, return_dict=True)
    assert last["loss"] < 0.9 * first["loss"]
    assert all(np.isfinite(value) for value in last.values())


def train_steps(model: TaskModel, source: Arrays, steps: int) -> list[np.ndarray]:
    """The weights after a few steps of plain gradient descent, whose size shows that of the gradients."""
    compile_model(model, keras.optimizers.SGD(0.01), eagerly=True)
    for step in range(steps):
        model.train_on_batch(batch_of(model, source, step))
    return model.get_weights()
