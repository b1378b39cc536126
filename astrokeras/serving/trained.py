"""A fine-tuned classifier with what is known of the records that it was trained on."""

import dataclasses
from pathlib import Path
from typing import Any

import keras

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.fits import load_fit
from astrokeras.training.run_directory import RUN_FILE, load_run


@dataclasses.dataclass(frozen=True)
class Trained:
    """A classifier that was read back.

    Attributes:
        path: the run directory.
        model: flux ``[N, side, side, B]`` to probabilities ``[N, C]``.
        bands: names of the B bands.
        unit: of the flux.
        classes: names of the C classes.
        conversion: the options that the records were made with.
        run: all of ``run.json``.
    """

    path: Path
    model: keras.Model
    bands: tuple[str, ...]
    unit: str
    classes: tuple[str, ...]
    conversion: dict[str, Any]
    run: dict[str, Any]

    @property
    def side(self) -> int:
        """Side of the stamps that the model takes, in pixels."""
        return self.model.input_shape[1]


def load_trained(run_directory: str | Path, max_bytes: int = MAX_MODEL_BYTES) -> Trained:
    """Return the classifier of a fine-tuning run (its winner) or of one of its sub-directories.

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
    model = load_fit(path, run, max_bytes)
    bands, classes = tuple(records["bands"]), tuple(records["classes"])
    if not _is_classifier(model, len(bands), len(classes)):
        raise AstrokerasError(
            f"{path}: its model is no classifier of the {len(classes)} classes and {len(bands)} bands that its "
            f"{RUN_FILE} names; repeat the run"
        )
    return Trained(path, model, bands, records["unit"], classes, records["conversion"], run)


def _describes_records(records: dict[str, Any]) -> bool:
    names = (records.get("bands"), records.get("classes"))
    return (
        all(isinstance(values, list) and values and all(isinstance(v, str) for v in values) for values in names)
        and isinstance(records.get("unit"), str)
        and isinstance(records.get("conversion"), dict)
    )


def _is_classifier(model: keras.Model, n_bands: int, n_classes: int) -> bool:
    """Whether a model has the shapes and the layers of `models.heads.classifier`."""
    shape, names = model.input_shape, [layer.name for layer in model.layers]
    return (
        isinstance(shape, tuple)
        and len(shape) == 4
        and (shape[0], shape[3]) == (None, n_bands)
        and shape[1] == shape[2] is not None
        and model.output_shape == (None, n_classes)
        and {"encoder", "logits"} <= set(names)
    )
