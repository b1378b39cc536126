"""Pre-train through several lives, each of which ends somewhere; what the last one leaves is the test's to look at.

    python -m tests.training.killed LIVES.json ARGUMENT…

Each life is a fork of this process, which has imported everything and computed nothing, with ``--resume`` from the
second on. A life is a list: ``[]`` lives on to the end; ``["step", N]`` is killed after N executions of steps;
``["save", N, K]`` is killed while it writes checkpoint N of its own (from 0), just before what it does K-th on the
disk; ``["half", N]`` with half of that checkpoint's arrays written; ``["term", N]`` gets SIGTERM after N executions.
Prints how each ended.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from astrokeras.cli import main
from astrokeras.training import trainer as loop
from astrokeras.training.checkpoints import checkpoint
from tests import tiny  # noqa: F401 - the backbone of the runs
from tests.crash import die_at


def after_executions(count: int, number: int) -> None:
    """Send this process a signal after so many executions of steps."""
    whole, done = loop._Watch.on_train_batch_end, []

    def counted(self: loop._Watch, batch: int, logs: dict | None = None) -> None:
        done.append(batch)
        if len(done) == count:
            os.kill(os.getpid(), number)
        whole(self, batch, logs)

    loop._Watch.on_train_batch_end = counted


def while_saving(number: int, then: Callable[[], None]) -> None:
    """Do something that kills this process when it writes a checkpoint."""
    whole, done = checkpoint.Checkpoints.save, []

    def counted(self: checkpoint.Checkpoints, *arguments: object) -> None:
        if len(done) == number:
            then()
        done.append(arguments)
        whole(self, *arguments)

    checkpoint.Checkpoints.save = counted


def write_half() -> None:
    """Let the arrays of a checkpoint be cut short by the kill."""
    whole = np.savez

    def half(path: Path, **arrays: np.ndarray) -> None:
        whole(path, **arrays)
        os.truncate(path, path.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    np.savez = half


def prepare(how: str, *numbers: int) -> None:
    """Arrange for the end."""
    if how in ("step", "term"):
        after_executions(numbers[0], signal.SIGKILL if how == "step" else signal.SIGTERM)
    elif how == "save":
        while_saving(numbers[0], lambda: die_at(numbers[1]))
    else:
        while_saving(numbers[0], write_half)


def live(life: list, arguments: list[str]) -> int:
    """One life; its exit code, or minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        try:
            if life:
                prepare(*life)
            main(arguments)
        except SystemExit as end:
            sys.stderr.flush()
            os._exit(end.code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    lives, *arguments = sys.argv[1:]
    ends = []
    for life in json.loads(lives):
        ends.append(live(life, [*arguments, *["--resume"] * bool(ends)]))
    print(json.dumps(ends))
