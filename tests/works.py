"""Functions for worker processes, which must be able to import them."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from astrokeras.parallel.processes import Executor, WorkersLost
from astrokeras.records.conversion.result import TaskResult
from astrokeras.records.conversion.task import TaskInput


def double(number: int) -> int:
    return 2 * number


def thrice(number: int) -> tuple[int, int, int]:
    return number, number, number


def wait_for(file: str) -> None:
    while not Path(file).exists():
        time.sleep(0.005)


def first_after_second(item: tuple[int, str]) -> int:
    """Number 0 ends after number 1, which makes a file."""
    number, file = item
    if number == 1:
        Path(file).touch()
    elif number == 0:
        wait_for(file)
    return number


def only_first(item: tuple[int, str]) -> int:
    """Number 0 ends at once, the others when there is a file."""
    number, file = item
    if number:
        wait_for(file)
    return number


def process(_: int) -> int:
    return os.getpid()


def fail_at_three(number: int) -> int:
    if number == 3:
        raise OSError(28, "No space left on device")
    return number


class UnpicklableError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def fail_oddly(number: int) -> int:
    raise UnpicklableError(number, "more")


def die_while_marked(task_input: tuple[int, str]) -> int:
    """Die at number 2 as long as its file has a life left in it."""
    number, file = task_input
    if number == 2:
        lives = len(Path(file).read_text())
        if lives:
            Path(file).write_text("x" * (lives - 1))
            os.kill(os.getpid(), signal.SIGKILL)
    return number


def always_die_at_even(number: int) -> int:
    if number % 2 == 0:
        os._exit(1)
    return number


def wait_forever(file: str) -> None:
    Path(file).write_text(str(os.getpid()))
    while True:
        signal.pause()


def run_or_die(item: tuple[Callable, TaskInput, str]) -> TaskResult:
    """Run a task, but die at number 2 as long as the file has a life left in it."""
    function, task_input, file = item
    die_while_marked((task_input.task.index, file))
    return function(task_input)


class Dying:
    """An executor whose workers die at task 2 as long as there is a life left in a file."""

    def __init__(self, executor: Executor, lives: Path) -> None:
        self._executor, self._lives = executor, str(lives)

    def map(self, function: Callable, items: Iterable) -> Iterator:
        try:
            yield from self._executor.map(run_or_die, ((function, item, self._lives) for item in items))
        except WorkersLost as lost:
            raise WorkersLost([item for _, item, _ in lost.works]) from None
