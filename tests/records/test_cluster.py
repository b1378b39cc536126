import dataclasses
import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from astrokeras.config import ConvertConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records import convert as module
from astrokeras.records.cluster import Cluster
from astrokeras.records.convert import convert
from astrokeras.records.executor import Lost
from astrokeras.records.partial import partial_path
from tests import works
from tests.records.tasks import small_tasks
from tests.sky import config_for

distributed = pytest.importorskip("distributed", reason="Dask is an extra")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler and two worker processes on this machine."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "host": "127.0.0.1"}
    with distributed.LocalCluster(processes=True, silence_logs=logging.CRITICAL, **options) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def cluster(address: str) -> Iterator[Cluster]:
    cluster = Cluster(address)
    yield cluster
    cluster.close()


@pytest.fixture
def survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return small_tasks(tmp_path, monkeypatch)


def contents(config: ConvertConfig) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(config.out).iterdir()}


def test_results_come_in_order_and_errors_come_through(cluster: Cluster):
    assert list(cluster.map(works.slow_first, range(20))) == list(range(20))
    with pytest.raises(OSError, match="No space"):
        list(cluster.map(works.fail_at_three, range(9)))


def test_the_cluster_writes_the_same_bytes_as_processes_here_even_if_a_worker_is_killed(
    survey: Path, address: str, cluster: Cluster
):
    here = config_for(survey, label="class", workers=2, out=str(survey / "here"))
    there = config_for(survey, label="class", scheduler=address, workers=None, out=str(survey / "there"))
    convert(here, report=lambda line: None)
    convert(there, report=lambda line: None)
    assert contents(there) == contents(here)
    lives = survey / "lives"
    lives.write_text("x")
    dying = dataclasses.replace(there, out=str(survey / "dying"))
    convert(dying, report=lambda line: None, executor=works.Dying(cluster, lives))
    assert lives.read_text() == ""
    assert contents(dying) == contents(here)


def test_a_task_that_kills_every_worker_is_named_and_the_others_are_kept(survey: Path, cluster: Cluster):
    lives = survey / "lives"
    lives.write_text("x" * 100)
    config = config_for(survey)
    with pytest.raises(AstrokerasError, match=r"task 2 \(field A\): .* died .* tasks are kept"):
        convert(config, report=lambda line: None, executor=works.Dying(cluster, lives))
    results = {path.stem for path in partial_path(Path(config.out)).glob("results/*.npz")}
    assert results == {f"{task.index:06d}" for task in module.make_plan(config, print).tasks} - {"000002"}
    with pytest.raises(Lost):
        list(cluster.map(works.always_die_at_even, range(2)))


def test_a_cluster_that_is_not_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(AstrokerasError, match=f"no Dask scheduler answers at {closed}"):
            Cluster(closed, 1)
    with pytest.raises(UsageError, match="expected an address"):
        Cluster("nonsense", 1)
    options = {"n_workers": 0, "dashboard_address": ":0", "host": "127.0.0.1", "silence_logs": logging.CRITICAL}
    with (
        distributed.LocalCluster(processes=True, **options) as empty,
        pytest.raises(AstrokerasError, match="has no workers"),
    ):
        Cluster(empty.scheduler_address, 0.5)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"astrokeras\[dask\]"):
        Cluster(closed)


@pytest.mark.parametrize("options", [{"workers": 2}, {"workers": None, "images": "{field}_{band}.fits"}])
def test_options_that_do_not_go_with_a_cluster(survey: Path, options: dict):
    with pytest.raises(UsageError, match="with --scheduler"):
        convert(config_for(survey, scheduler="tcp://127.0.0.1:1", **options))
