"""What to say when a loss is no number any more: which batch, which stamps, whether it is theirs or the training's."""

from itertools import islice
from pathlib import Path

import keras
import numpy as np

from astrokeras.config import PretrainConfig
from astrokeras.errors import AstrokerasError
from astrokeras.pipeline.source import POSITION, Batch, Source
from astrokeras.pretext.model import PretextModel
from astrokeras.pretext.replicas import Replicas
from astrokeras.records.ids import ids_at
from astrokeras.training.checkpoint import Moment
from astrokeras.training.files import write_json
from astrokeras.training.loop import NonFinite

NONFINITE = "nonfinite.json"
_SHOWN = 5


def explain(
    error: NonFinite, model: PretextModel, source: Source, config: PretrainConfig, moment: Moment, path: Path
) -> AstrokerasError:
    """Looks at the batch again and writes the ids to ``nonfinite.json`` in the run directory.

    Batches are a function of epoch and step, so that the same one comes again. A stamp is named if by itself, without
    the others of its batch, its embedding or loss is not finite under weights that are.

    Args:
        error: what happened.
        model: with the state of the last checkpoint; not to be trained any more.
        source: of the batches, with the fields that the tasks made for the epoch.
        config: the options.
        moment: of the last checkpoint.
        path: the run directory.
    """
    for task in model.tasks.values():
        task.replicas = Replicas()  # the batch is looked at as a whole, on one device
    fields = (*model.fields, POSITION)
    batches = source.training(
        error.epoch, config.batch_size, fields, model.n_draws, config.seed, first_step=error.first
    )
    seen, bad, step = [], [], error.last
    for number, (batch,) in enumerate(islice(iter(batches), error.last - error.first + 1), start=error.first):
        rows = np.asarray(batch[POSITION])
        own = not_finite(model, {name: values for name, values in batch.items() if name != POSITION})
        seen.extend(rows)
        if own.any():
            bad, step = rows[own], number
            break
    where = f"step {step + 1} of epoch {error.epoch + 1}"
    ids = ids_at(source.records, "train", bad if len(bad) else dict.fromkeys(seen))
    content = {
        "what": error.what,
        "epoch": error.epoch + 1,
        "step": step + 1,
        "by_themselves": len(bad) > 0,
        "ids": ids,
        "checkpoint": {"epoch": moment.epoch, "step": moment.step},
    }
    write_json(path / NONFINITE, content)
    listed = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
    if len(bad):
        return AstrokerasError(
            f"{error.what} at {where}: {len(ids)} of the {len(rows)} stamps of its batch have by themselves a loss "
            f"that is not finite ({listed}; all in {path / NONFINITE}); leave them out when converting (--where), "
            "and start again with --overwrite"
        )
    return AstrokerasError(
        f"{error.what} at {where}, though each stamp of the batch has a finite loss with the weights of the last "
        f"checkpoint ({moment}): the training diverged (ids {listed}; all in {path / NONFINITE}); go on from that "
        f"checkpoint with --resume and a --learning-rate smaller than {config.learning_rate:g}"
    )


def not_finite(model: PretextModel, batch: Batch) -> np.ndarray:
    """Which examples of a batch have, by themselves, an embedding that is not finite, or if there are none, a loss.

    Shapes:
        [N] bool
    """
    embedding = model.encoder(keras.ops.cast(batch["flux"], "float32"), training=False)
    bad = ~np.isfinite(keras.ops.convert_to_numpy(embedding)).all(axis=1)
    if not bad.any():
        for result in model(batch, training=False).values():
            bad |= ~np.isfinite(keras.ops.convert_to_numpy(result["loss"]))
    return bad
