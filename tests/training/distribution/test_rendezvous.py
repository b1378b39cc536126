import socket
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.training.distribution import rendezvous
from astrokeras.training.distribution.rendezvous import meet
from astrokeras.training.distribution.worker_cluster import Cluster
from tests.ports import free_addresses


@pytest.fixture(autouse=True)
def moments(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Events: the first worker listens; another has come in vain, and will come again."""
    found = SimpleNamespace(listening=threading.Event(), in_vain=threading.Event())

    def create_server(*arguments: Any, **options: Any) -> socket.socket:
        server = socket.create_server(*arguments, **options)
        found.listening.set()
        return server

    def sleep(seconds: float) -> None:
        found.in_vain.set()
        found.listening.wait(seconds)

    everything = {name: getattr(socket, name) for name in dir(socket)}
    monkeypatch.setattr(rendezvous, "socket", SimpleNamespace(**everything | {"create_server": create_server}))
    monkeypatch.setattr(rendezvous, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    return found


def together(moments: SimpleNamespace, *calls: Callable[[], None]) -> list[Exception | None]:
    """What each raised, where the first worker comes last."""
    raised: list[Exception | None] = [None] * len(calls)

    def run(number: int) -> None:
        try:
            calls[number]()
        except AstrokerasError as error:
            raised[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads[1:]:
        thread.start()
    assert moments.in_vain.wait(20)
    threads[0].start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return raised


def worker(workers: tuple[str, ...], index: int, patience: float = 10, **facts: Any) -> Callable[[], None]:
    return lambda: meet(Cluster(workers, index), facts, patience)


def test_all_come(moments: SimpleNamespace):
    workers = free_addresses(3)
    assert together(moments, *(worker(workers, index, gpus=1) for index in range(3))) == [None] * 3
    socket.create_server(("127.0.0.1", int(workers[0].split(":")[1]))).close()  # free for TensorFlow's server


def test_one_alone_needs_no_other():
    meet(Cluster(free_addresses(1), 0), {}, 0.1)


def test_strangers_are_not_counted(moments: SimpleNamespace):
    workers = free_addresses(2)

    def stranger() -> None:
        assert moments.listening.wait(20)
        for content in (b"", b"GET / HTTP/1.1\r\n", b"[]\n", b'{"index": 1}\n'):
            with socket.create_connection(("127.0.0.1", int(workers[0].split(":")[1]))) as connection:
                connection.sendall(content)

    first = threading.Thread(target=worker(workers, 0))
    first.start()
    stranger()
    worker(workers, 1)()
    first.join(10)
    assert not first.is_alive()


def test_who_differs_is_told_on_both_sides(moments: SimpleNamespace):
    workers = free_addresses(2)
    raised = together(moments, worker(workers, 0, gpus=2), worker(workers, 1, gpus=1))
    for error in raised:
        assert isinstance(error, UsageError)
        assert "worker 0 and worker 1 were not started alike: gpus: 2 and 1" in str(error)


def test_who_is_not_on_the_list_of_the_first_is_told_by_its_own_number(moments: SimpleNamespace):
    workers = free_addresses(4)
    raised = together(moments, worker(workers[:2], 0), worker(workers, 3))
    for error in raised:
        assert isinstance(error, UsageError)
        assert "worker 0 and worker 3 were not started alike: the list of workers: " in str(error)
        assert str(error).endswith(f": {','.join(workers[:2])} and {','.join(workers)}")


def test_who_does_not_come_is_named(moments: SimpleNamespace):
    workers = free_addresses(3)
    raised = together(moments, worker(workers, 0, patience=0.5), worker(workers, 1, patience=0.5))
    for error in raised:
        assert f"worker 2 ({workers[2]}) had not come to worker 0" in str(error)


def test_the_first_does_not_come():
    workers = free_addresses(2)
    with pytest.raises(AstrokerasError, match=r"worker 1 .* could not reach worker 0 .*refused"):
        worker(workers, 1, patience=0.3)()


def test_an_address_that_is_taken():
    workers = free_addresses(2)
    port = int(workers[0].split(":")[1])
    with socket.create_server(("", port)), pytest.raises(AstrokerasError, match="can't listen"):
        worker(workers, 0)()
