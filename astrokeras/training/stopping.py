"""Early stopping, and the weights of the best epoch.

What is decided follows from the history alone, so that a resumed run decides as an undisturbed one.
"""

import math
from collections.abc import Callable

import keras

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.checkpoints.checkpoint import Checkpoints, History, Moment
from astrokeras.training.checkpoints.state import State


def check_patience(patience: int | None, records: RecordsDirectory) -> None:
    """Make sure that there is something to judge epochs by.

    Raises:
        UsageError: there is not.
    """
    if patience is not None and not records.counts.get("val", 0):
        raise UsageError(
            f"--patience {patience} waits for a lower validation loss, but the validation split of {records.path} is "
            "empty; convert with a share for it (--splits), or leave --patience out"
        )


def best_epoch(history: History) -> int:
    """Return the epoch, from 1, with the lowest validation loss; the first of equals, and NaN is the worst."""
    losses = [math.inf if math.isnan(row["val_loss"]) else row["val_loss"] for row in history]
    return losses.index(min(losses)) + 1


def is_over(history: History, patience: int | None) -> bool:
    """Return whether the validation loss has not fallen for that many epochs."""
    return patience is not None and bool(history) and len(history) - best_epoch(history) >= patience


class BestWeights:
    """The weights of the epochs that were the best when they were done.

    Args:
        checkpoints: where; in a directory of their own.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints

    def keep(self, take: Callable[[], State], history: History) -> None:
        """Write the state that `take` gives if the last epoch is the best."""
        if best_epoch(history) == len(history):
            self.checkpoints.save(take(), Moment(history))

    def forget_after(self, epoch: int) -> None:
        """Drop what was written of later epochs, which a run that goes on from this one does again."""
        if not self.checkpoints.workers.first:
            return
        for manifest in self.checkpoints.directory.glob("epoch-*.json"):
            number = manifest.name.split("-")[1]
            if not number.isdecimal() or int(number) > epoch:
                manifest.unlink()

    def restore(self, model: keras.Model, history: History) -> int:
        """Give the model the weights of the best epoch, whose number is returned.

        Raises:
            AstrokerasError: they are missing or damaged.
        """
        moment, best = self.checkpoints.restore(model), best_epoch(history)
        if moment is None or moment.epoch != best:
            raise AstrokerasError(
                f"the weights of the best epoch, {best}, in {self.checkpoints.directory} are missing or damaged; "
                "repeat the run with --overwrite"
            )
        return best
