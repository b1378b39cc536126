"""Run one function over many works on a Dask cluster."""

import asyncio
import concurrent.futures
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.parallel.processes import LOST_WORKS, InOrder, WorkersLost

SECONDS = 30  # to wait for the scheduler and for its first worker
PATIENCE = 10  # times as long to wait for a worker when all have gone, as batch systems bring new ones late
WORKS_AHEAD = 2  # for each thread of the cluster, so that none waits for the next work


class DaskCluster:
    """The workers behind a Dask scheduler, as an `astrokeras.parallel.processes.Executor`."""

    def __init__(self, address: str, seconds: float = SECONDS) -> None:
        """Connect.

        Raises:
            UsageError: Dask is not installed, or the address is none.
            AstrokerasError: no scheduler answers, or it has no worker.
        """
        self.seconds = seconds
        try:
            from distributed import Client  # noqa: PLC0415 - an extra
            from distributed.comm import get_address_host_port  # noqa: PLC0415
        except ModuleNotFoundError:
            raise UsageError("--scheduler: Dask is needed; pip install 'astrokeras[dask]'") from None
        try:
            # A client that finds nobody is slow to give up, and noisy.
            socket.create_connection(get_address_host_port(address), seconds).close()
            self._client = Client(address, timeout=seconds, set_as_default=False)
        except ValueError as error:
            raise UsageError(f"--scheduler {address}: {error}; expected an address as in tcp://host:8786") from None
        except OSError as error:  # time-outs are, too
            reason = error.strerror or f"{seconds:g} s have passed"
            raise AstrokerasError(f"no Dask scheduler answers at {address}: {reason}") from None
        try:
            self._client.wait_for_workers(1, timeout=seconds)
        except TimeoutError:
            self.close()
            raise AstrokerasError(f"the Dask scheduler at {address} has no workers after {seconds:g} s") from None

    def map(self, function: Callable[[Any], Any], works: Iterable[Any]) -> Iterator[Any]:
        """Yield the results in the works' order.

        Dask itself tries a work again whose worker dies, be it before the result is delivered or while it works.

        Raises:
            WorkersLost: works that killed more workers than Dask allows (``distributed.scheduler.allowed-failures``).
            AstrokerasError: the scheduler is gone.
        """
        from distributed import KilledWorker  # noqa: PLC0415 - an extra
        from distributed.comm import CommClosedError  # noqa: PLC0415

        waiting, results, lost = enumerate(works), InOrder(), []
        running: dict[concurrent.futures.Future, tuple[int, Any]] = {}
        while True:
            room = max(4, WORKS_AHEAD * sum(self._client.ncores().values())) - len(running)
            for _, item in zip(range(room), waiting, strict=False):
                running[self._submit(function, item[1])] = item
            if not running:
                break
            finished = self._wait(running)
            while finished:  # popped, since what is referred to is computed again if its worker dies
                future = finished.pop()
                index, work = running.pop(future)
                try:
                    results.put(index, future.result())
                except KilledWorker:
                    lost.append(work)
                    results.skip(index)
                except (concurrent.futures.CancelledError, CommClosedError):
                    raise AstrokerasError("the connection to the Dask scheduler is lost") from None
            if len(lost) >= LOST_WORKS:
                break
            yield from results.ready()
        if lost:
            raise WorkersLost(lost)

    def _submit(self, function: Callable[[Any], Any], work: Any) -> concurrent.futures.Future:
        """Return a future that ends when the result is here.

        That of Dask's own executor fails with a TypeError, or takes a result of three for an error, where the worker is
        lost just after it has sent the result (`_cascade_future` of distributed 2026.8).
        """
        task = self._client.submit(function, work, pure=False)
        arrives = self._client.gather(task, asynchronous=True)
        return asyncio.run_coroutine_threadsafe(arrives, self._client.loop.asyncio_loop)

    def _wait(self, running: Iterable[concurrent.futures.Future]) -> set[concurrent.futures.Future]:
        """Return the works that are finished, as soon as there are any."""
        alone_since = time.monotonic()
        while True:
            some = concurrent.futures.wait(running, self.seconds / 4, concurrent.futures.FIRST_COMPLETED).done
            if some:
                return some
            if self._client.ncores():
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > PATIENCE * self.seconds:
                raise AstrokerasError(f"the Dask cluster has had no worker for {PATIENCE * self.seconds:g} s")

    def close(self) -> None:
        """Drop what still runs, and the connection."""
        self._client.close()
