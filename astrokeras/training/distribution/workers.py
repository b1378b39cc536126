"""The processes that train the same network together: which of them writes, and how they agree."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Workers:
    """One process, which decides alone; `multi_worker.py` has the one for several.

    All workers make the same calls in the same order.

    Attributes:
        count: how many they are.
        first: whether this is the worker that writes the run directory and reports.
    """

    count = 1
    first = True

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set on any worker."""
        return flag

    def most(self, value: float) -> float:
        """Return the largest of the workers' values, none of which is negative, to the precision of float32."""
        return value

    def share(self, make: Callable[[], T]) -> T:
        """Return what the first worker makes (of what JSON knows), on all; the others don't make it.

        Raises:
            AstrokerasError: what it raised on the first worker.
        """
        return make()

    def same(self, values: np.ndarray) -> np.ndarray:
        """Return the first worker's values, bit by bit; those of the others have the same shape and type."""
        return values

    def guard(self) -> AbstractContextManager[None]:
        """Make the loss of another worker an `AstrokerasError` within a block."""
        return contextlib.nullcontext()
