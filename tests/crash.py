"""Kill a conversion at every single step that it takes on the disk, run it again, and compare the results.

    python -m tests.crash DIRECTORY

A process of its own, since it forks; DIRECTORY holds the survey of `tests.sky.config_for`. Prints the number of steps.
"""

import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from astrokeras.config import ConvertConfig, replaced
from astrokeras.records.conversion import plan
from astrokeras.records.conversion.convert import convert
from astrokeras.records.conversion.workspace import Workspace, workspace_path
from tests.sky import config_for

STEPS = (
    (os, ("fsync", "rename", "replace", "unlink", "mkdir", "rmdir")),
    (Path, ("rename", "replace", "unlink", "mkdir", "open")),
    (shutil, ("rmtree",)),
)


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def die_at(step: int) -> None:
    """Let this process be killed just before its step number `step`."""
    counter = itertools.count()

    def before(function: Callable) -> Callable:
        def call(*arguments, **options):
            if next(counter) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for where, names in STEPS:
        for name in names:
            setattr(where, name, before(getattr(where, name)))


def killed_at(step: int, config: ConvertConfig) -> bool:
    """Run a conversion that is killed at a step; whether it has got as far."""
    child = os.fork()
    if child == 0:
        die_at(step)
        convert(config, report=lambda line: None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0, f"step {step}"
    return False


def steps_survived(config: ConvertConfig, expected: dict[str, bytes], *, replace: bool, first: int = 0) -> int:
    """Kill at each step in turn; what comes of the rerun is the same each time, and nothing else is left."""
    out = Path(config.running.out)
    for step in itertools.count(first):
        shutil.rmtree(out, ignore_errors=True)
        if replace:
            convert(replaced(config, size=8, overwrite=False), report=lambda line: None)
            before = contents(out)
        killed = killed_at(step, config)
        if replace and killed and out.is_dir():
            assert contents(out) in (before, expected), f"step {step}: what was there is damaged"
        if killed:
            # Killed with nothing left to do but to say so: only --resume may take that for its own.
            finished = not replace and out.is_dir() and Workspace(out).plan is None
            convert(replaced(config, resume=finished), report=lambda line: None)
        assert contents(out) == expected, f"step {step}"
        assert not workspace_path(out).exists(), f"step {step}"
        if not killed:
            return step


def main(directory: Path) -> None:
    """Do it with nothing in the way, and with an older conversion to be replaced."""
    os.fsync = lambda _: None  # killed processes lose nothing that was written, and this takes most of the time
    plan.STAMP_BYTES_PER_TASK = 16 * 16 * 2 * 4 * 12
    config = config_for(directory)
    convert(config, report=lambda line: None)
    expected = contents(Path(config.running.out))
    assert sum("-train.tfrecord" in name for name in expected) >= 3
    steps = steps_survived(config, expected, replace=False)
    # Until it finishes there is no difference.
    over = steps_survived(replaced(config, overwrite=True), expected, replace=True, first=steps - 20)
    print(steps, over)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
