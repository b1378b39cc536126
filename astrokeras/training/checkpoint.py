"""Checkpoints that are whole or absent: one an epoch, the previous one kept.

`keras.callbacks.BackupAndRestore` writes in place in two steps; a machine that goes down between them leaves
nothing to go on from.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras

from astrokeras.errors import AstrokerasError
from astrokeras.training.files import write_atomically, write_json

History = list[dict[str, Any]]

_KEEP = 2


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _weights_path(manifest: Path) -> Path:
    return manifest.with_suffix(".weights.h5")


class Checkpoints:
    """The checkpoints in one directory.

    A checkpoint is ``epoch-00007.weights.h5`` (model and optimizer) and ``epoch-00007.json`` (its checksum, the
    number of epochs done, the history). The manifest is written last: weights without one don't count.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def save(self, model: keras.Model, history: History) -> None:
        """Writes the state after ``len(history)`` epochs and removes all but the two newest."""
        self.directory.mkdir(parents=True, exist_ok=True)
        manifest = self.directory / f"epoch-{len(history):05d}.json"
        weights = _weights_path(manifest)
        write_atomically(weights, model.save_weights)
        write_json(manifest, {"epoch": len(history), "sha256": _digest(weights), "history": history})
        for old in self._manifests()[_KEEP:]:
            old.unlink()
            _weights_path(old).unlink(missing_ok=True)

    def restore(self, model: keras.Model) -> History:
        """Loads the newest whole checkpoint; the history it returns is empty if there was none at all.

        The model's optimizer must be built.

        Raises:
            AstrokerasError: there are checkpoints and all are damaged, or the model is another.
        """
        manifests = self._manifests()
        for manifest in manifests:
            history = self._whole(manifest)
            if history is None:
                continue
            try:
                model.load_weights(_weights_path(manifest))
            except (ValueError, KeyError, OSError) as error:
                raise AstrokerasError(f"the checkpoint {_weights_path(manifest)} is of another model") from error
            return history
        if manifests:
            raise AstrokerasError(f"all checkpoints in {self.directory} are damaged; start again with --overwrite")
        return []

    def _manifests(self) -> list[Path]:
        return sorted(self.directory.glob("epoch-*.json"), reverse=True)

    @staticmethod
    def _whole(manifest: Path) -> History | None:
        """The history of a checkpoint whose weights have the checksum that its manifest says."""
        try:
            content = json.loads(manifest.read_text())
            whole = _digest(_weights_path(manifest)) == content["sha256"]
            return content["history"] if whole else None
        except (ValueError, KeyError, TypeError, OSError):
            return None
