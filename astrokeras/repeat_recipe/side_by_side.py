"""Run stages of a recipe beside each other, each in a process of its own."""

import contextlib
import dataclasses
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from astrokeras.errors import AstrokerasError, Stopped
from astrokeras.files import CannotWrite
from astrokeras.text import shortened

Start = Callable[[list[str], Path], subprocess.Popen]

_TAIL = 8192  # bytes of a log in which its last line is looked for
_UNTIL_KILLED = 25.0  # seconds; batch systems leave some 30
# Else the first process would take all of an accelerator's memory, and the others would find none.
_SHARED_ACCELERATOR = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """How stages run beside each other.

    Attributes:
        jobs: so many at a time, at most.
        start: starts a process at the head of a group of its own, from the words of a command and the path of its log.
    """

    jobs: int
    start: Start


def start_astrokeras(words: list[str], log: Path) -> subprocess.Popen:
    """Start a command in a process that finds modules where this one does, at the head of a group of its own.

    Args:
        words: of the command, behind ``astrokeras``.
        log: gets what it prints.

    Raises:
        CannotWrite: the log.
    """
    modules = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    try:
        stream = log.open("wb")
    except OSError as error:
        raise CannotWrite(log, error) from error
    with stream:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "astrokeras", *words],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**_SHARED_ACCELERATOR, **os.environ, "PYTHONPATH": modules, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # a terminal's Ctrl-C is for us, who pass it on once: a second one ends at once
        )


def run_side_by_side(
    stages: Mapping[str, list[str]],
    needs: Mapping[str, set[str]],
    how: SideBySide,
    out: Path,
    ended: Callable[[str], None],
    report: Callable[[str], None],
) -> None:
    """Run stages, each as soon as those that it needs have ended.

    When one has failed no other is started, and those that run are awaited.

    Args:
        stages: to run: by name the words of their commands.
        needs: by stage those that it needs, see `astrokeras.repeat_recipe.stages.needs_of`.
        how: how many at a time, and what starts them.
        out: directory of the logs, ``{stage}.log``.
        ended: is told each stage that has ended well, in this thread.
        report: gets a line when one begins and ends.

    Raises:
        AstrokerasError: stages failed; their logs are named.
        KeyboardInterrupt: so it was asked for; the processes have ended.
        Stopped: likewise, by SIGTERM or SIGHUP.
    """
    waiting, began, failed = list(stages), {}, []
    running: dict[str, subprocess.Popen] = {}
    events: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    with _ended_with_us(running):
        while running or (waiting and not failed):
            ready = [name for name in waiting if not needs[name] & {*waiting, *running}]
            for name in [] if failed else ready[: how.jobs - len(running)]:
                report(f"stage {name} begins, see {out / name}.log: astrokeras {shlex.join(stages[name])}")
                waiting.remove(name)
                began[name] = time.monotonic()
                running[name] = how.start(stages[name], out / f"{name}.log")
                threading.Thread(target=_await, args=(name, running[name], events), daemon=True).start()
            name, code = events.get()
            del running[name]
            seconds = time.monotonic() - began[name]
            if code == 0:
                ended(name)
                report(f"stage {name} ended after {seconds:.0f} s")
            else:
                said = _last_line(out / f"{name}.log").removeprefix("error: ") or f"it ended with {code}"
                report(f"stage {name} failed after {seconds:.0f} s: {said}")
                failed.append(f"stage {name} failed ({said}), see {out / name}.log")
    if failed:
        raise AstrokerasError("; ".join(failed))


def _await(name: str, process: subprocess.Popen, events: "queue.SimpleQueue[tuple[str, int]]") -> None:
    events.put((name, process.wait()))


def _last_line(log: Path) -> str:
    """Return the last line of a log that says something, in one that a terminal may show."""
    with log.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
        lines = stream.read().decode(errors="replace").splitlines()
    return next((shortened(line, 300) for line in reversed(lines) if line.strip()), "")


@contextlib.contextmanager
def _ended_with_us(running: Mapping[str, subprocess.Popen]) -> Iterator[None]:
    """End the processes where the block is left early: by Ctrl-C, by a signal that would end us, by an error."""
    former = {}
    if threading.current_thread() is threading.main_thread():  # others can't have handlers
        numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
        former = {number: signal.signal(number, _stop) for number in numbers}
    try:
        yield
    except BaseException:
        _end(list(running.values()))
        raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _stop(number: int, frame: object) -> None:
    name = signal.Signals(number).name
    raise Stopped(f"stopped by {name}, with all stages that ran; the same command goes on from there", 128 + number)


def _end(processes: list[subprocess.Popen]) -> None:
    """Ask processes to end in good order; kill what is left of them after a while, or at a second Ctrl-C."""
    # A process that was started to ignore the one knows the other.
    asked = signal.SIGTERM if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIGINT
    deadline = time.monotonic() + _UNTIL_KILLED
    try:
        for process in processes:
            process.send_signal(asked)
        for process in processes:
            process.wait(max(0.0, deadline - time.monotonic()))
    except (KeyboardInterrupt, Stopped, subprocess.TimeoutExpired):
        pass
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
