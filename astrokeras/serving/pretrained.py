"""What a pre-training has left: its encoder, and the heads of those tasks that predict numbers of a stamp alone."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.fits import MODEL
from astrokeras.models.saving import ENCODER, load_model
from astrokeras.serving.run_model import RunModel
from astrokeras.tasks.base import Told
from astrokeras.tasks.registry import get_task
from astrokeras.training.run_directory import RUN_FILE, load_run


@dataclasses.dataclass(frozen=True)
class Pretrained(RunModel):
    """The networks of a pre-training run: the layers ``encoder`` and one of the name of each task.

    Of a run without tasks that predict numbers of a stamp alone, the model gives the embedding.

    Attributes:
        tasks: names of those that do.
    """

    tasks: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """None: no task knows classes."""
        return ()

    def told(self, name: str, prediction: tf.Tensor) -> list[Told]:
        """Return the columns of what the head of a task predicts, as `predict` calls them."""
        return get_task(name).told(name, prediction, self.bands)

    @property
    def outputs(self) -> dict[str, list[dict[str, Any]]]:
        """Name and unit of what each task tells, ready for JSON."""
        nothing = {name: tf.zeros((0, self.model.get_layer(name).output_shape[-1])) for name in self.tasks}
        return {
            name: [{"name": told.name, "unit": told.unit} for told in self.told(name, values)]
            for name, values in nothing.items()
        }


def load_pretrained(run_directory: str | Path, max_bytes: int = MAX_MODEL_BYTES) -> Pretrained:
    """Return the networks of a pre-training run.

    Args:
        run_directory: where it is.
        max_bytes: see `models.limits`.

    Raises:
        AstrokerasError: it is no finished run, or a file in it is damaged.
    """
    path = Path(run_directory)
    run = load_run(path, finished=True)
    records = run.get("records")
    bands, unit = (records.get("bands"), records.get("unit")) if isinstance(records, dict) else (None, None)
    if not (isinstance(bands, list) and all(isinstance(band, str) for band in bands) and isinstance(unit, str)):
        raise AstrokerasError(f"{path / RUN_FILE} is damaged: it does not say what records it was trained on")
    if (path / MODEL).is_file():
        model = load_model(path / MODEL, {"encoder": keras.Model}, max_bytes=max_bytes)
        tasks = tasks_of(path, run, model)
    else:
        encoder = load_model(path / "encoder.keras", ENCODER, max_bytes=max_bytes)
        flux = keras.Input(encoder.input_shape[1:], dtype="float32", name="flux")
        model, tasks = keras.Model(flux, encoder(flux)), ()
    if model.input_shape[3] != len(bands):
        raise AstrokerasError(f"{path}: its model takes {model.input_shape[3]} bands, {RUN_FILE} names {len(bands)}")
    return Pretrained(path, model, tuple(bands), unit, run, tasks)


def tasks_of(path: Path, run: dict[str, Any], model: keras.Model) -> tuple[str, ...]:
    """Return the names of the tasks whose predictions are numbers, by the layers of the model.

    Raises:
        AstrokerasError: the run's file does not name the task.
    """
    if isinstance(model.output, dict):
        return tuple(name for name, value in model.output.items() if len(value.shape) == 2)
    if len(model.output.shape) != 2:
        return ()
    asked = [str(spec).partition("(")[0] for spec in run["options"].get("task") or ()]
    layers = {layer.name for layer in model.layers}
    single = tuple(name for name in asked if name in layers and get_task(name).n_views == 1)
    if len(single) != 1:
        raise AstrokerasError(f"{path / RUN_FILE} is damaged: it does not name the task of its model")
    return single
