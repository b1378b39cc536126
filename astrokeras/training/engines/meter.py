"""How long the device had no batch to work on."""

import time
from collections.abc import Sequence
from typing import Protocol

import keras


class Meter(Protocol):
    """Measures it.

    Attributes:
        waited: seconds, since it was last set to 0.
        done: how many steps the last execution made; None if it can't tell.
        callbacks: for `fit`.
    """

    waited: float
    done: int | None
    callbacks: Sequence[keras.callbacks.Callback]


class BetweenSteps(keras.callbacks.Callback):
    """A `Meter` where `fit` fetches the batches of an execution before it begins, as with JAX.

    The device has nothing to do from the moment at which the loss of an execution is known.
    """

    done = None

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0
        self._idle_since = 0.0

    @property
    def callbacks(self) -> Sequence[keras.callbacks.Callback]:
        """This."""
        return [self]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Note that the first batches are fetched from here on."""
        self._idle_since = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Note that the first batches are there."""
        self.waited += time.perf_counter() - self._idle_since

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Wait for the end of the execution."""
        float(logs["loss"])
        self._idle_since = time.perf_counter()
