"""A process that is held where no Python runs ends with a line."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

from astrokeras.training.distribution.rendezvous import meet
from astrokeras.training.distribution.worker_cluster import Cluster
from tests.ports import free_addresses

_ROOT = Path(__file__).parents[3]
# It waits with Python's lock, as TensorFlow does, and for a signal that never comes.
_HELD = """
import ctypes, json, sys
from astrokeras.training.distribution.watchdog import patience
allowed, held, others = json.loads(sys.argv[1])
with patience(allowed, others):
    print("begun", flush=True)
    if held:
        ctypes.PyDLL(None).pause()
print("done")
"""
_STARTS = """
import json, sys
from astrokeras.training.distribution import multi_worker, watchdog
from astrokeras.training.distribution.worker_cluster import Cluster
patience = watchdog.patience
watchdog.patience = lambda seconds, others: patience(0.5, others)
multi_worker.start(Cluster(tuple(json.loads(sys.argv[1])), 0), {}, 300.0)
print("started")
"""


def begin(script: str, argument: object) -> subprocess.Popen:
    command = [sys.executable, "-c", script, json.dumps(argument)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_ROOT)


def test_it_ends_with_a_line_that_names_who_is_silent():
    with socket.create_server(("127.0.0.1", 0)) as server:
        (silent,) = free_addresses(1)
        others = {"worker 1": f"127.0.0.1:{server.getsockname()[1]}", "worker 2": silent}
        process = begin(_HELD, (0.1, True, others))
        out, errors = process.communicate(timeout=50)
    assert (process.returncode, out) == (1, "begun\n")
    assert re.fullmatch(r"error: .* within 0\.1 s: worker 2 does not answer .* --resume goes on\n", errors)


def test_what_is_done_in_time_hears_nothing():
    process = begin(_HELD, (30, False, {}))
    assert process.communicate(timeout=25) == ("begun\ndone\n", "")
    assert process.returncode == 0


def test_nothing_is_left_of_a_process_that_is_killed():
    process = begin(_HELD, (60, True, {}))
    process.stdout.readline()
    process.kill()
    # It is the last to close this.
    assert process.communicate(timeout=25) == ("", "")


def test_a_worker_that_is_lost_right_after_the_meeting():
    """The one that is lost is this process; ten seconds go by, since the other has to start TensorFlow."""
    workers = free_addresses(2)
    process = begin(_STARTS, workers)
    meet(Cluster(workers, 1), {"GPUs": 0}, 300.0)
    out, errors = process.communicate(timeout=200)
    assert (process.returncode, out) == (1, "")
    assert (
        f"\nerror: TensorFlow could not connect the workers within 0.5 s: worker 1 ({workers[1]}) does" in f"\n{errors}"
    )
