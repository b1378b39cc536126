import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from astrokeras.errors import AstrokerasError
from astrokeras.locking import Locked, locked, take_lock

_HOLDER = """
import sys
from pathlib import Path
from astrokeras.locking import take_lock
stream = take_lock(Path(sys.argv[1]), Path("run"))
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_named_and_its_lock_goes_with_it(tmp_path: Path):
    file = tmp_path / "deep" / ".run.lock"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", _HOLDER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout.readline() == "held\n"
        year = time.strftime("%Y-")
        message = rf"^another run is at work on run \(process {holder.pid} on .+ since {year}.*\); wait for it, or"
        with pytest.raises(Locked, match=message):
            take_lock(file, Path("run"))
        holder.kill()
    with locked(file, Path("run")):
        assert file.exists()
    assert not file.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"process": null}', "[" * 5000, "\x00\xff"])
def test_whatever_stands_in_the_file_somebody_is_at_work(tmp_path: Path, content: str):
    file = tmp_path / ".run.lock"
    with locked(file, Path("run")):
        file.write_text(content)
        with pytest.raises(Locked, match=r"^another run is at work on run; wait"):
            take_lock(file, Path("run"))


def test_only_one_at_a_time_though_the_file_comes_and_goes(tmp_path: Path):
    file, inside, refused, most = tmp_path / "place" / "lock", [], [], []

    def work() -> None:
        for _ in range(100):
            try:
                with locked(file, Path("run")):
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0)
                    inside.pop()
            except Locked:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) + len(refused) == 400


def test_a_place_where_no_file_can_be(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing" / "there")
    for name in ("file", "dangling"):
        with pytest.raises(OSError):
            take_lock(tmp_path / name / "lock", Path("run"))
    assert issubclass(Locked, AstrokerasError)
