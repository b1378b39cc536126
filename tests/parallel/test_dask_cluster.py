import contextlib
import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from astrokeras.config import ConvertConfig, replaced
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.parallel.dask_cluster import DaskCluster
from astrokeras.records.conversion import convert as module
from astrokeras.records.conversion.convert import convert
from astrokeras.records.conversion.resolve import resolve
from astrokeras.records.conversion.workspace import workspace_path
from tests import works
from tests.records.tasks import small_tasks
from tests.sky import config_for

dask = pytest.importorskip("dask", reason="Dask is an extra")
distributed = pytest.importorskip("distributed", reason="Dask is an extra")


# Dask does without a worker that is not back in 15 s, which a restart takes on a machine that is busy.
SETTINGS = {"distributed.scheduler.allowed-failures": 2, "distributed.deploy.lost-worker-timeout": "10 minutes"}


@contextlib.contextmanager
def local_cluster(workers: int) -> Iterator[distributed.LocalCluster]:
    """A scheduler and worker processes on this machine."""
    options = {"threads_per_worker": 1, "dashboard_address": ":0", "host": "127.0.0.1", "processes": True}
    with (
        dask.config.set(SETTINGS),
        distributed.LocalCluster(n_workers=workers, silence_logs=logging.CRITICAL, **options) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with local_cluster(2) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def cluster(address: str) -> Iterator[DaskCluster]:
    cluster = DaskCluster(address)
    yield cluster
    cluster.close()


@pytest.fixture
def survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return small_tasks(tmp_path, monkeypatch)


def contents(config: ConvertConfig) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(config.running.out).iterdir()}


def test_results_come_in_order_and_errors_come_through(cluster: DaskCluster, tmp_path: Path):
    items = [(number, str(tmp_path / "second")) for number in range(20)]
    assert list(cluster.map(works.first_after_second, items)) == list(range(20))
    with pytest.raises(OSError, match="No space"):
        list(cluster.map(works.fail_at_three, range(9)))


def test_the_cluster_writes_the_same_bytes_as_processes_here_even_if_a_worker_is_killed(
    survey: Path, address: str, cluster: DaskCluster
):
    here = config_for(survey, label="class", workers=2, out=str(survey / "here"))
    there = config_for(survey, label="class", scheduler=address, workers=None, out=str(survey / "there"))
    convert(here, report=lambda line: None)
    convert(there, report=lambda line: None)
    assert contents(there) == contents(here)
    lives = survey / "lives"
    lives.write_text("x")
    dying = replaced(there, out=str(survey / "dying"))
    convert(dying, report=lambda line: None, executor=works.Dying(cluster, lives))
    assert lives.read_text() == ""
    assert contents(dying) == contents(here)


def test_a_task_that_kills_every_worker_is_named_and_the_others_are_kept(survey: Path, cluster: DaskCluster):
    lives = survey / "lives"
    lives.write_text("x" * 100)
    config = config_for(survey)
    with pytest.raises(AstrokerasError, match=r"task 2 \(field A\): .* died .* tasks are kept"):
        convert(config, report=lambda line: None, executor=works.Dying(cluster, lives))
    results = {path.stem for path in workspace_path(Path(config.running.out)).glob("results/*.npz")}
    assert results == {f"{task.index:06d}" for task in module.make_plan(resolve(config, print), print).tasks} - {
        "000002"
    }


def test_a_result_whose_worker_is_lost_after_it_was_sent_is_a_result(
    cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
):
    gather = distributed.Client._gather

    async def lost_on_arrival(client: distributed.Client, future: distributed.Future, **options: object) -> object:
        result = await gather(client, future, **options)
        client._handle_lost_data(future.key)
        return result

    monkeypatch.setattr(distributed.Client, "_gather", lost_on_arrival)
    assert list(cluster.map(works.double, range(3))) == [0, 2, 4]
    assert list(cluster.map(works.thrice, range(3))) == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]


def test_a_result_that_is_lost_on_its_way_is_asked_for_again(cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch):
    gather, left = distributed.Client._gather_remote, [2]

    async def lost_on_the_way(client: distributed.Client, *options: object) -> dict:
        found = await gather(client, *options)
        if not left[0]:
            return found
        left[0] -= 1
        return {"status": "error", "keys": list(found["data"])}

    monkeypatch.setattr(distributed.Client, "_gather_remote", lost_on_the_way)
    assert list(cluster.map(works.double, range(3))) == [0, 2, 4]
    assert left == [0]


def test_a_scheduler_that_goes_while_it_delivers_is_one_clear_line(
    cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
):
    async def gone(client: distributed.Client, *_: object) -> dict:
        client._gather_keys = client._gather_future = None
        raise distributed.comm.CommClosedError("in <TCP>: Stream is closed")

    monkeypatch.setattr(distributed.Client, "_gather_remote", gone)
    with pytest.raises(AstrokerasError, match=r"^the connection to the Dask scheduler is lost$"):
        list(cluster.map(works.double, range(3)))


def test_a_cluster_that_is_not_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(AstrokerasError, match=f"no Dask scheduler answers at {closed}"):
            DaskCluster(closed, 1)
    with pytest.raises(UsageError, match="expected an address"):
        DaskCluster("nonsense", 1)
    with local_cluster(0) as empty, pytest.raises(AstrokerasError, match="has no workers"):
        DaskCluster(empty.scheduler_address, 0.5)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"astrokeras\[dask\]"):
        DaskCluster(closed)


def test_a_cluster_that_loses_all_its_workers_is_not_waited_for_for_ever(tmp_path: Path):
    with local_cluster(1) as local:
        cluster = DaskCluster(local.scheduler_address)
        cluster.seconds = 0.1
        results = cluster.map(works.only_first, [(number, str(tmp_path / "never")) for number in range(100)])
        assert next(results) == 0
        local.scale(0)
        with pytest.raises(AstrokerasError, match="had no worker for 1 s"):
            list(results)
        cluster.close()


@pytest.mark.parametrize("options", [{"workers": 2}, {"workers": None, "images": "{field}_{band}.fits"}])
def test_options_that_do_not_go_with_a_cluster(survey: Path, options: dict):
    with pytest.raises(UsageError, match="with --scheduler"):
        convert(config_for(survey, scheduler="tcp://127.0.0.1:1", **options))
