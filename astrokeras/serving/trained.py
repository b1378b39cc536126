"""A fine-tuned network with what is known of the records that it was trained on."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.fits import load_fit, targets_of
from astrokeras.serving.run_model import RunModel
from astrokeras.tasks.target import Target
from astrokeras.training.run_directory import RUN_FILE, load_run


@dataclasses.dataclass(frozen=True)
class Trained(RunModel):
    """The network of a fine-tuning run.

    Attributes:
        targets: what it predicts, by name.
        conversion: the options that the records were made with.
    """

    targets: dict[str, Target]
    conversion: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; none if it tells no classes."""
        return tuple(name for target in self.targets.values() for name in target.names)

    @property
    def texts(self) -> tuple[str, ...]:
        """All the names that it can give as an answer."""
        outputs = [output for target in self.targets.values() for output in target.outputs()]
        return tuple(value for output in outputs for value in output.values if isinstance(value, str))

    @property
    def outputs(self) -> dict[str, list[dict[str, Any]]]:
        """Name, unit and description of what each target tells, ready for JSON."""
        return {name: [output.record for output in target.outputs()] for name, target in self.targets.items()}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of what it predicts; of several targets each begins with its target's."""
        several = len(self.targets) > 1
        return tuple(
            f"{name}_{output.name}" if several else output.name
            for name, target in self.targets.items()
            for output in target.outputs()
        )

    def described(self, prediction: Any) -> dict[str, np.ndarray]:
        """Return the columns of what the model gave, see `columns`."""
        if len(self.targets) == 1:
            (target,) = self.targets.values()
            return target.describe(prediction)
        return {
            f"{name}_{column}": values
            for name, target in self.targets.items()
            for column, values in target.describe(prediction[name]).items()
        }


def load_trained(run_directory: str | Path, max_bytes: int = MAX_MODEL_BYTES) -> Trained:
    """Return the network of a fine-tuning run (its winner) or of one of its sub-directories.

    Args:
        run_directory: where it is.
        max_bytes: see `models.limits`.

    Raises:
        AstrokerasError: `run_directory` is no such run, or a file in it is damaged.
    """
    path = Path(run_directory)
    run = load_run(path, finished=True)
    if run["command"] not in ("finetune", "classifier"):
        raise AstrokerasError(f"{path} is a {run['command']} run without classes; give a finetune run")
    records = run.get("records")
    if not (isinstance(run["result"], dict) and isinstance(records, dict) and _describes_records(records)):
        raise AstrokerasError(
            f"{path / RUN_FILE} is damaged: it does not say what records it was trained on; repeat the run"
        )
    targets = targets_of(run)
    model = load_fit(path, run, max_bytes)
    bands = tuple(records["bands"])
    if not _fits(model, len(bands), targets):
        classes = " and ".join(f"the {len(target.names)} classes" for target in targets.values() if target.names)
        raise AstrokerasError(
            f"{path}: its model is none of {classes or 'the targets'} and {len(bands)} bands that its {RUN_FILE} "
            "names; repeat the run"
        )
    return Trained(path, model, bands, records["unit"], run, targets, records["conversion"])


def _describes_records(records: dict[str, Any]) -> bool:
    names = records.get("bands")
    return (
        isinstance(names, list)
        and bool(names)
        and all(isinstance(name, str) for name in names)
        and isinstance(records.get("unit"), str)
        and isinstance(records.get("conversion"), dict)
    )


def _fits(model: keras.Model, n_bands: int, targets: dict[str, Target]) -> bool:
    """Return whether a model takes stamps of so many bands, and has a head for each target, as wide as that."""
    shape = model.input_shape
    if not (isinstance(shape, tuple) and len(shape) == 4 and (shape[0], shape[3]) == (None, n_bands)):
        return False
    return shape[1] == shape[2] is not None and all(
        model.get_layer(name).output_shape == (None, target.width) for name, target in targets.items()
    )
