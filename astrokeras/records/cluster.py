"""Run one function over many works on a Dask cluster."""

import concurrent.futures
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.executor import LOST_WORKS, InOrder, Lost

SECONDS = 30  # to wait for the scheduler and for its first worker
WORKS_AHEAD = 2  # for each thread of the cluster, so that none waits for the next work


class Cluster:
    """The workers behind a Dask scheduler, as an `astrokeras.records.executor.Executor`."""

    def __init__(self, address: str, seconds: float = SECONDS) -> None:
        """Connect.

        Raises:
            UsageError: Dask is not installed, or the address is none.
            AstrokerasError: no scheduler answers, or it has no worker.
        """
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
        """Yield the results in the works' order; Dask itself tries a work again whose worker dies.

        Raises:
            Lost: works that killed more workers than Dask allows (``distributed.scheduler.allowed-failures``).
            AstrokerasError: the scheduler is gone.
        """
        from distributed import KilledWorker  # noqa: PLC0415 - an extra

        executor = self._client.get_executor(pure=False)
        waiting, results, lost = enumerate(works), InOrder(), []
        running: dict[concurrent.futures.Future, tuple[int, Any]] = {}
        while True:
            room = max(4, WORKS_AHEAD * sum(self._client.ncores().values())) - len(running)
            for _, item in zip(range(room), waiting, strict=False):
                running[executor.submit(function, item[1])] = item
            if not running:
                break
            finished = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED).done
            while finished:  # popped, since what is referred to is computed again if its worker dies
                future = finished.pop()
                index, work = running.pop(future)
                try:
                    results.put(index, future.result())
                except KilledWorker:
                    lost.append(work)
                    results.skip(index)
                except concurrent.futures.CancelledError:
                    raise AstrokerasError("the connection to the Dask scheduler is lost") from None
            if len(lost) >= LOST_WORKS:
                break
            yield from results.ready()
        if lost:
            raise Lost(lost)

    def close(self) -> None:
        """Drop what still runs, and the connection."""
        self._client.close()
