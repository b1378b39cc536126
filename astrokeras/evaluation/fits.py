"""A trained classifier on the disk: whole, or in frozen mode its head alone, beside an encoder that many share."""

import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from astrokeras.config import MAX_MODEL_BYTES
from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.classify import DROPOUT
from astrokeras.files import digest, write_atomically
from astrokeras.models.heads import classifier
from astrokeras.models.saving import CLASSIFIER, ENCODER, load_model

MODEL, HEAD = "model.keras", "head.npz"


def save_fit(directory: Path, model: keras.Model, encoder: str | None) -> dict[str, Any]:
    """Write a classifier into ``RUN/ARM/BUDGET/REPEAT``.

    Args:
        directory: that one; it exists.
        model: the classifier.
        encoder: where only its head was fitted, the name of its encoder's file in ``RUN/ARM``, written if it is not
            there; None writes the whole model.

    Returns:
        What belongs into ``run.json``: under ``encoder`` the ``file`` and its ``sha256``, or nothing.
    """
    if encoder is None:
        write_atomically(directory / MODEL, model.save)
        return {}
    shared = directory.parents[1] / encoder
    if not shared.exists():
        write_atomically(shared, model.get_layer("encoder").save)
    kernel, bias = model.get_layer("logits").get_weights()
    write_atomically(directory / HEAD, lambda path: np.savez(path, kernel=kernel, bias=bias))
    return {"encoder": {"file": encoder, "sha256": digest(shared)}}


def load_fit(directory: str | Path, run: dict[str, Any], max_bytes: int = MAX_MODEL_BYTES) -> keras.Model:
    """Return the classifier in a run directory.

    Args:
        directory: of a fine-tuning run (its winner), or one of its sub-directories.
        run: its ``run.json``.
        max_bytes: see `models.limits`.

    Raises:
        AstrokerasError: files are missing or damaged, or the encoder is not the one that the head was fitted to.
    """
    directory = Path(directory)
    if not (directory / HEAD).is_file():
        return load_model(directory / MODEL, CLASSIFIER, max_bytes=max_bytes)
    noted = run.get("encoder")
    try:
        # A name only: a file elsewhere is none of ours.
        shared = directory.resolve().parents[1] / Path(noted["file"]).name
        expected = noted["sha256"]
    except (TypeError, KeyError, IndexError):
        raise AstrokerasError(
            f"{directory / 'run.json'} is damaged: it does not say which encoder it goes with"
        ) from None
    if not shared.is_file():
        raise AstrokerasError(
            f"{directory} holds a classifier's head, but its encoder {shared} is missing; move whole run directories"
        )
    if digest(shared) != expected:
        raise AstrokerasError(f"{shared} is not the encoder that the head in {directory} was fitted to; repeat the run")
    return _joined(load_model(shared, ENCODER, max_bytes=max_bytes), directory / HEAD)


def _joined(encoder: keras.Model, head: Path) -> keras.Model:
    try:
        with np.load(head, allow_pickle=False) as stored:
            kernel, bias = stored["kernel"], stored["bias"]
        model = classifier(encoder, len(bias), DROPOUT)
        model.get_layer("logits").set_weights([kernel, bias])
    except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, zipfile.BadZipFile):
        raise AstrokerasError(f"{head} is damaged, or goes with another encoder; repeat the run") from None
    return model
