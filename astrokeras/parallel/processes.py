"""Run one function over many works, in this process or in a pool of processes; results come in the works' order.

`astrokeras.parallel.dask_cluster` does the same on a Dask cluster. The function and its results must be picklable;
works are taken from their iterator only as there is room for them.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from astrokeras.errors import AstrokerasError

ATTEMPTS = 3  # at a work whose worker dies
LOST_WORKS = 3  # after so many works have been given up, the rest is not even tried


class WorkersLost(AstrokerasError):
    """Works whose worker died at every attempt; `works` are they."""

    def __init__(self, works: list[Any]) -> None:
        super().__init__(f"{len(works)} tasks killed the process that worked on them")
        self.works = works


class Executor(Protocol):
    """Something that runs a function over works."""

    def map(self, function: Callable[[Any], Any], works: Iterable[Any]) -> Iterator[Any]:
        """Yield the results in the works' order.

        Raises:
            WorkersLost: after everything else has been done (or after `LOST_WORKS`), works whose worker died
                `ATTEMPTS` times.
            Exception: the first that `function` raises.
        """

    def close(self) -> None:
        """Stop all that still runs."""


class SerialExecutor:
    """This process."""

    def map(self, function: Callable[[Any], Any], works: Iterable[Any]) -> Iterator[Any]:
        """Yield one after the other."""
        yield from map(function, works)

    def close(self) -> None:
        """Do nothing, since nothing runs."""


class Pool:
    """Processes on this machine, each with one work at a time; one that dies is replaced and its work tried again."""

    def __init__(self, processes: int) -> None:
        # Spawned, not forked: a fork copies whatever threads and locks the caller happens to hold.
        self._context = multiprocessing.get_context("spawn")
        with _interrupts_ignored():
            self._workers = [_Worker(self._context) for _ in range(processes)]

    def map(self, function: Callable[[Any], Any], works: Iterable[Any]) -> Iterator[Any]:
        """Yield the results in the works' order; see `Executor.map`."""
        waiting, results = enumerate(works), InOrder()
        idle, busy = list(self._workers), {}
        lost: list[Any] = []
        attempts: dict[int, int] = {}
        again: list[tuple[int, Any]] = []
        while True:
            while idle and (item := again.pop() if again else next(waiting, None)) is not None:
                worker = idle.pop()
                worker.send(function, item[1])
                busy[worker.connection] = worker, item
            if not busy:
                break
            for connection in wait(list(busy)):
                worker, (index, work) = busy.pop(connection)
                try:
                    results.put(index, worker.receive())
                    idle.append(worker)
                except WorkerDiedError:
                    idle.append(self._replace(worker))
                    attempts[index] = attempts.get(index, 0) + 1
                    if attempts[index] < ATTEMPTS:
                        again.append((index, work))
                        continue
                    lost.append(work)
                    results.skip(index)
                    if len(lost) >= LOST_WORKS:
                        raise WorkersLost(lost) from None
            yield from results.ready()
        if lost:
            raise WorkersLost(lost)

    def _replace(self, worker: "_Worker") -> "_Worker":
        worker.kill()
        with _interrupts_ignored():
            new = _Worker(self._context)
        self._workers[self._workers.index(worker)] = new
        return new

    def close(self) -> None:
        """Kill what still runs."""
        for worker in self._workers:
            worker.kill()


class InOrder:
    """Results in the order of their numbers, however they come in."""

    def __init__(self) -> None:
        self._next = 0
        self._results: dict[int, tuple[Any, ...]] = {}

    def put(self, index: int, result: Any) -> None:
        """Take the result number `index`."""
        self._results[index] = (result,)

    def skip(self, index: int) -> None:
        """Do not wait for number `index`."""
        self._results[index] = ()

    def ready(self) -> Iterator[Any]:
        """Yield those whose turn has come."""
        while self._next in self._results:
            result = self._results.pop(self._next)
            self._next += 1
            yield from result


class WorkerDiedError(Exception):
    """A process ended in the middle of its work."""


class _Worker:
    """One process and the line to it."""

    def __init__(self, context: multiprocessing.context.BaseContext) -> None:
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _main_left_alone():
            self._process.start()
        theirs.close()  # so that this end notices when the process ends

    def send(self, function: Callable[[Any], Any], work: Any) -> None:
        with contextlib.suppress(OSError):  # it is dead, which `receive` will notice
            self.connection.send((function, work))

    def receive(self) -> Any:
        try:
            succeeded, value = self.connection.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            raise WorkerDiedError from None
        if succeeded:
            return value
        raise value

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(connection: Connection) -> None:
    """Work on what comes until the line is closed, and not a moment longer than the parent lives."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            function, work = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = True, function(work)
        except Exception as error:
            answer = False, _picklable(error)
        connection.send(answer)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _picklable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@contextlib.contextmanager
def _main_left_alone() -> Iterator[None]:
    """Start processes that do not run the caller's script: what they work on comes from modules.

    A spawned process would run a script that has no ``if __name__ == "__main__"`` from its beginning, and with it the
    very call that started the process.
    """
    main = sys.modules["__main__"]
    hidden = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(hidden)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Start processes that leave an interrupt to this one, which they would answer with a traceback each."""
    if threading.current_thread() is not threading.main_thread():  # where signals cannot be set, nor do they arrive
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
