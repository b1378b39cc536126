"""What a model says of the stamps of a source."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import tree

from astrokeras.pipeline.source import Source


def predict(
    model: keras.Model, source: Source, split: str, batch_size: int, select: np.ndarray | None = None,
    each: Callable[[], None] = lambda: None,
) -> Any:  # fmt: skip
    """Return the output for the records of a split, in their order.

    The last batch is filled up with copies, so that what is compiled for one size serves for all.

    Args:
        model: takes flux [N, S, S, B]; made outside of the scope of a strategy.
        source: of the stamps.
        split: of the records.
        batch_size: stamps a step.
        select: which records, [N] booleans; all if None.
        each: is called after each batch.

    Shapes:
        [N, ...], or a dictionary of several
    """
    parts = []
    for flux, _ in source.stamps(split, batch_size, (), select):
        copies = np.repeat(flux[:1], batch_size - len(flux), axis=0)
        output = model.predict_on_batch(np.concatenate([flux, copies]) if len(copies) else flux)
        parts.append(_first(output, len(flux)))
        each()
    if not parts:
        nothing = model.predict_on_batch(np.zeros((1, *model.input_shape[1:]), np.float32))
        return _first(nothing, 0)
    return tree.map_structure(lambda *values: np.concatenate(values), *parts)


def _first(output: Any, count: int) -> Any:
    return tree.map_structure(lambda values: np.asarray(values)[:count], output)
