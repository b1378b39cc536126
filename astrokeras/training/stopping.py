"""Early stopping, and the weights of the best epoch.

What is decided follows from the history alone, so that a resumed run decides as an undisturbed one.
"""

import json
import math
from pathlib import Path

import keras

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import Records
from astrokeras.training.checkpoint import History
from astrokeras.training.files import digest, write_atomically, write_json

_KEEP = 2  # the machine may go down after the newest was written and before the epoch counts


def check_patience(patience: int | None, records: Records) -> None:
    """Makes sure that there is something to judge epochs by.

    Raises:
        UsageError: there is not.
    """
    if patience is not None and not records.counts.get("val", 0):
        raise UsageError(
            f"--patience {patience} waits for a lower validation loss, but the validation split of {records.path} is "
            "empty; convert with a share for it (--splits), or leave --patience out"
        )


def best_epoch(history: History) -> int:
    """The epoch, from 1, with the lowest validation loss; the first of equals, and NaN is the worst."""
    losses = [math.inf if math.isnan(row["val_loss"]) else row["val_loss"] for row in history]
    return losses.index(min(losses)) + 1


def is_over(history: History, patience: int | None) -> bool:
    """Whether the validation loss has not fallen for that many epochs."""
    return patience is not None and bool(history) and len(history) - best_epoch(history) >= patience


class BestWeights:
    """The weights of the epochs that were the best when they were done: ``best-00007.weights.h5``, and a checksum.

    Args:
        directory: where; it is made.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def keep(self, model: keras.Model, history: History) -> None:
        """Writes the weights if the last epoch is the best."""
        if best_epoch(history) < len(history):
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self._path(len(history))
        write_atomically(path, model.save_weights)
        write_json(path.with_suffix("").with_suffix(".json"), {"sha256": digest(path)})
        for old in sorted(self.directory.glob("best-*.json"), reverse=True)[_KEEP:]:
            old.with_suffix(".weights.h5").unlink(missing_ok=True)
            old.unlink()

    def restore(self, model: keras.Model, history: History) -> int:
        """Gives the model the weights of the best epoch, whose number is returned.

        Raises:
            AstrokerasError: they are missing or damaged.
        """
        best = best_epoch(history)
        path = self._path(best)
        try:
            whole = json.loads(path.with_suffix("").with_suffix(".json").read_text())["sha256"] == digest(path)
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            raise AstrokerasError(
                f"the weights of the best epoch, {path}, are missing or damaged; repeat the run with --overwrite"
            )
        model.load_weights(path)
        return best

    def _path(self, epoch: int) -> Path:
        return self.directory / f"best-{epoch:05d}.weights.h5"
