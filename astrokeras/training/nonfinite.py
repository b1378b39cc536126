"""What to say when a loss is no number any more: which batch, which stamps, whether it is theirs or the training's."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

import keras
import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.files import write_json
from astrokeras.pipeline.source import POSITION, Batch
from astrokeras.records.ids import ids_at
from astrokeras.tasks.model import TaskModel
from astrokeras.tasks.replicas import Replicas
from astrokeras.training.trainer import NonFinite, Trainer

NONFINITE = "nonfinite.json"
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class _Suspects:
    """Places in the training split: those of a batch, or of all that may be it, and which of them are bad."""

    step: int
    rows: np.ndarray
    bad: np.ndarray


def explain_nonfinite(
    error: NonFinite,
    trainer: Trainer,
    scope: Callable[[], AbstractContextManager],
    path: Path,
) -> AstrokerasError:
    """Look at the batch again and writes the ids to ``nonfinite.json`` in the run directory.

    Batches are a function of epoch and step, so that the same one comes again. Stamps are named if by themselves,
    without the others of their batch, their embedding or loss is not finite with the weights of the last checkpoint.
    If that is so of all of them, those weights are of no use though they are finite, and the checkpoint before it is
    taken, while there is one.

    Args:
        error: what happened.
        trainer: to which it happened; its model has the weights of that checkpoint afterwards.
        scope: where variables of the model may be assigned.
        path: the run directory.
    """
    model, source = trainer.model, trainer.source
    with _on_one_device(model):
        while True:
            with scope():
                moment = trainer.checkpoints.restore(model)
            found = _look(error, trainer)
            useless = bool(found.bad.all())
            if not trainer.workers.share(lambda useless=useless: useless and trainer.checkpoints.drop_newest()):
                break
    diverged = not found.bad.any() or found.bad.all()
    ids = ids_at(source.records, "train", found.rows if diverged else found.rows[found.bad])
    file = path / NONFINITE
    content = {
        "what": error.what,
        "epoch": error.epoch + 1,
        "step": found.step + 1,
        "by_themselves": not diverged,
        "ids": ids,
        "checkpoint": {"epoch": moment.epoch, "step": moment.step},
    }
    if trainer.workers.first:
        write_json(file, content)
    what = f"{error.what} at step {found.step + 1} of epoch {error.epoch + 1}"
    listed = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
    if not diverged:
        return AstrokerasError(
            f"{what}: {len(ids)} of the {len(found.rows)} stamps of its batch have by themselves a loss that is not "
            f"finite ({listed}; all in {file}); leave them out when converting (--where), and start again with "
            "--overwrite"
        )
    rate = f"a --learning-rate smaller than {trainer.config.learning_rate:g}"
    if not trainer.checkpoints.lasting:
        return AstrokerasError(f"{what}: the training diverged; try a smaller --learning-rate")
    if found.bad.all():
        return AstrokerasError(
            f"{what}, and no stamp of the batch has a finite loss with the weights of the last checkpoint ({moment}) "
            f"either ({listed}; all in {file}): the training diverged; start again with --overwrite and {rate}"
        )
    return AstrokerasError(
        f"{what}, though each stamp of the batch has a finite loss with the weights of the last checkpoint ({moment}): "
        f"the training diverged (ids {listed}; all in {file}); go on from that checkpoint with --resume and {rate}"
    )


@contextlib.contextmanager
def _on_one_device(model: TaskModel) -> Iterator[None]:
    """Let losses take each batch as a whole, as on one device, while the block lasts."""
    tasks = model.tasks.values()
    replicas = [task.replicas for task in tasks]
    for task in tasks:
        task.replicas = Replicas()
    try:
        yield
    finally:
        for task, before in zip(tasks, replicas, strict=True):
            task.replicas = before


def _look(error: NonFinite, trainer: Trainer) -> _Suspects:
    """Return the first batch that has bad stamps; all that it may have been if there is none."""
    model, config = trainer.model, trainer.config
    asked = (config.batch_size, (*model.fields, POSITION), model.n_draws, config.seed)
    batches = trainer.source.training(error.epoch, *asked, first_step=error.first)
    seen = []
    for step, (batch,) in enumerate(islice(iter(batches), error.last - error.first + 1), start=error.first):
        rows = np.asarray(batch[POSITION])
        bad = not_finite(model, {name: values for name, values in batch.items() if name != POSITION})
        if bad.any():
            return _Suspects(step, rows, bad)
        seen.extend(rows)
    rows = np.unique(seen)
    return _Suspects(error.last, rows, np.zeros(len(rows), bool))


def not_finite(model: TaskModel, batch: Batch) -> np.ndarray:
    """Return which examples of a batch have an embedding that is not finite, or if there are none, a loss.

    Shapes:
        [N] bool
    """
    embedding = model.encoder(keras.ops.cast(batch["flux"], "float32"), training=False)
    bad = ~np.isfinite(keras.ops.convert_to_numpy(embedding)).all(axis=1)
    if not bad.any():
        for result in model(batch, training=False).values():
            bad |= ~np.isfinite(keras.ops.convert_to_numpy(result["loss"]))
    return bad
