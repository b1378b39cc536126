"""What targets share: labels as numbers, missing ones left out of losses and metrics."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import AstrokerasError
from astrokeras.tasks.label_columns import LabelColumns
from astrokeras.text import printable

_MISSING = ("", "nan", "none", "null", "--", "n/a", "\\n")
_TRUE, _FALSE = ("true", "t", "yes", "y"), ("false", "f", "no", "n")


def as_numbers(labels: LabelColumns, name: str) -> np.ndarray:
    """Return a column of labels as numbers, [N] float64, NaN where missing or infinite; yes is 1 and no 0.

    Raises:
        AstrokerasError: it holds other text.

    Example:
        >>> as_numbers({"z": np.ma.masked_array([0.5, 2.0], mask=[False, True])}, "z").tolist()
        [0.5, nan]
    """
    column = labels[name]
    values, missing = np.ma.getdata(column), np.ma.getmaskarray(column)
    if values.dtype.kind in "biuf":
        numbers = np.where(missing, np.nan, values.astype(np.float64))
        return np.where(np.isfinite(numbers), numbers, np.nan)
    found, places = np.unique(values.astype(str), return_inverse=True)
    numbers = np.array([_number(text, name) for text in found.tolist()], dtype=np.float64)
    return np.where(missing, np.nan, numbers[places.reshape(-1)] if len(numbers) else np.nan)


def _number(text: str, name: str) -> float:
    word = text.strip().lower()
    if word in (*_MISSING, *_TRUE, *_FALSE):
        return 1.0 if word in _TRUE else 0.0 if word in _FALSE else np.nan
    try:
        number = float(word)
    except ValueError:
        raise AstrokerasError(
            f"the labels in the column {printable(name)} are text ({printable(text)[:40]!r}), expected numbers"
        ) from None
    return number if np.isfinite(number) else np.nan


def numbers_of(labels: LabelColumns, names: Sequence[str]) -> np.ndarray:
    """Return columns beside each other, [N, C] float32, see `as_numbers`."""
    return np.stack([as_numbers(labels, name) for name in names], axis=1).astype(np.float32)


def ranges_of(values: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """Return in which of the ranges between `edges` each value lies, [N] int32; -1 for NaN."""
    return np.where(np.isnan(values), -1, np.digitize(values, np.asarray(edges))).astype(np.int32)


def masked(values: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Return the values with 0 for NaN, and where they are known, 1 or 0.

    A NaN that is masked after the arithmetic would still turn the gradient into NaN, since 0 times NaN is NaN.
    """
    known = ops.isfinite(values)
    return ops.where(known, values, 0.0), ops.cast(known, "float32")


class KnownMean(keras.metrics.Metric):
    """Mean of something over the labelled values of the examples.

    Args:
        name: of the metric.
        function: gives of (target, prediction) the values and their weights, [N] or [N, C] each.
    """

    def __init__(self, name: str, function: Callable[[Any, KerasTensor], tuple[KerasTensor, KerasTensor]]) -> None:
        super().__init__(name=name)
        self.function = function
        self.total = self.add_variable(shape=(), initializer="zeros", name="total")
        self.count = self.add_variable(shape=(), initializer="zeros", name="count")

    def update_state(self, target: Any, prediction: KerasTensor, sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0, or without a label, don't count."""
        values, weight = (ops.cast(one, "float32") for one in self.function(target, prediction))
        if sample_weight is not None:
            shape = (-1, *(1 for _ in values.shape[1:]))
            weight = weight * ops.reshape(ops.cast(sample_weight, "float32"), shape)
        self.total.assign_add(ops.sum(values * weight))
        self.count.assign_add(ops.sum(weight))

    def result(self) -> KerasTensor:
        """Return the mean so far; 0 of nothing."""
        return ops.divide_no_nan(self.total, self.count)
