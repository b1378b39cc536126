"""SIGINT and SIGTERM during a training: end it where it can go on from.

Batch systems send SIGTERM before they take a machine away (Slurm: some 30 seconds before SIGKILL).
"""

import signal
import threading
from types import FrameType
from typing import Self

from astrokeras.errors import Stopped


class Signals:
    """While it is entered, the first signal is remembered; a second one interrupts at once."""

    def __init__(self) -> None:
        self._caught: signal.Signals | None = None
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # others can't have handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._catch)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former.clear()

    def _catch(self, number: int, _: FrameType | None) -> None:
        if self._caught is not None:
            raise KeyboardInterrupt
        self._caught = signal.Signals(number)

    @property
    def caught(self) -> bool:
        """Whether there was one."""
        return self._caught is not None

    def stopped(self, where: str) -> Stopped:
        """Return what to raise when the state is saved."""
        if self._caught is None:
            return Stopped(f"stopped with another worker after {where}; the same command with --resume goes on", 1)
        message = f"stopped by {self._caught.name} after {where}; the same command with --resume goes on from there"
        return Stopped(message, 128 + self._caught)
