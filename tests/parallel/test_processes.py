import contextlib
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from astrokeras.parallel.processes import ATTEMPTS, Executor, Pool, SerialExecutor, WorkersLost
from tests import works

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(2)
    yield pool
    pool.close()
    assert not multiprocessing.active_children()


def test_results_come_in_order(pool: Pool, tmp_path: Path):
    executors: list[Executor] = [SerialExecutor(), pool]
    for executor in executors:
        assert list(executor.map(works.double, range(20))) == list(range(0, 40, 2))
        assert list(executor.map(works.double, [])) == []
    items = [(number, str(tmp_path / "second")) for number in range(5)]
    assert list(pool.map(works.first_after_second, items)) == list(range(5))
    assert set(SerialExecutor().map(works.process, range(4))) == {os.getpid()}
    assert len(set(pool.map(works.process, range(50))) - {os.getpid()}) == 2


def test_works_are_made_only_as_there_is_room_for_them(pool: Pool, tmp_path: Path):
    made, file = [], tmp_path / "all"

    def stream() -> Iterator[tuple[int, str]]:
        for number in range(50):
            made.append(number)
            yield number, str(file)

    results = pool.map(works.only_first, stream())
    assert next(results) == 0
    assert len(made) < 10
    file.touch()
    assert list(results) == list(range(1, 50))


def test_what_a_function_raises_is_raised(pool: Pool):
    for executor in (SerialExecutor(), pool):
        with pytest.raises(OSError, match="No space") as caught:
            list(executor.map(works.fail_at_three, range(9)))
        assert caught.value.errno == 28


def test_an_exception_that_cannot_be_pickled_is_told_all_the_same(pool: Pool):
    with pytest.raises(RuntimeError, match="UnpicklableError: 1 and more"):
        list(pool.map(works.fail_oddly, [1]))


@pytest.mark.parametrize("deaths", range(1, ATTEMPTS + 1))
def test_a_work_whose_worker_dies_is_tried_again(pool: Pool, tmp_path: Path, deaths: int):
    lives = tmp_path / "lives"
    lives.write_text("x" * deaths)
    found = []
    try:
        for number in pool.map(works.die_while_marked, [(number, str(lives)) for number in range(6)]):
            found.append(number)
    except WorkersLost as lost:
        assert deaths == ATTEMPTS
        assert [number for number, _ in lost.works] == [2]
        assert found == [0, 1, 3, 4, 5], "all the others are done first"
    else:
        assert deaths < ATTEMPTS
        assert found == list(range(6))
    assert lives.read_text() == ""


def test_when_works_die_again_and_again_the_rest_is_not_tried(pool: Pool):
    with pytest.raises(WorkersLost) as caught:
        list(pool.map(works.always_die_at_even, range(100)))
    assert len(caught.value.works) == 3


def test_workers_end_with_their_parent(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys\nfrom astrokeras.parallel.processes import Pool\nfrom tests.works import wait_forever\n"
        "if __name__ == '__main__':\n    list(Pool(1).map(wait_forever, [sys.argv[1]]))\n"
    )
    file = tmp_path / "pid"
    with subprocess.Popen([sys.executable, script, file], env={**os.environ, "PYTHONPATH": str(ROOT)}) as parent:
        while not (file.exists() and file.read_text()):
            time.sleep(0.01)
        parent.kill()
    worker = int(file.read_text())
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
