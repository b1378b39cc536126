"""A survey that is converted in many small tasks, here and by a command."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from astrokeras.config import ConvertConfig
from astrokeras.records.conversion import plan
from astrokeras.records.conversion.convert import convert
from tests.sky import noise_image, write_image

ROOT = Path(__file__).resolve().parents[2]
PIPES = {
    "env": {**os.environ, "PYTHONPATH": str(ROOT)},
    "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
}  # fmt: skip
_COMMAND = """
import os
import signal
import sys
from astrokeras.cli import main
from astrokeras.records.conversion import plan
from astrokeras.records.conversion.assemble import Tally
plan.STAMP_BYTES_PER_TASK = 16 * 16 * 2 * 4 * 3
add, finished = Tally.add, []
def add_or_interrupt(tally, done):
    add(tally, done)
    finished.append(done.index)
    if len(finished) == int(os.environ.get("INTERRUPT_AFTER", 0)):
        os.killpg(0, signal.SIGINT)  # this process and its workers, as Ctrl-C does
Tally.add = add_or_interrupt
if __name__ == "__main__":
    main(sys.argv[1:])
"""


def quiet(config: ConvertConfig) -> dict:
    """Convert without a word."""
    return convert(config, report=lambda line: None)


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def small_tasks(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two fields in two bands with some bad pixels, 90 rows, and tasks of a dozen of them."""
    rng = np.random.default_rng(0)
    for index, field in enumerate("AB"):
        for band in "gr":
            pixels = noise_image(index)
            pixels[40:50, 30:40] = np.nan
            write_image(directory / f"{field}_{band}.fits", pixels)
    n = 90
    table = {"id": [f"{i:03d}" for i in range(n)], "field": list("AAB") * (n // 3), "class": list("st-") * (n // 3)}
    Table({**table, "x": rng.uniform(0, 79, n), "y": rng.uniform(0, 95, n)}).write(directory / "catalog.fits")
    monkeypatch.setattr(plan, "STAMP_BYTES_PER_TASK", 16 * 16 * 2 * 4 * 12)
    return directory


def command_for(survey: Path) -> list:
    """The command that converts `small_tasks`, in tasks of three stamps; the directory goes at its end.

    With INTERRUPT_AFTER=n in its environment it is interrupted once n tasks are finished.
    """
    script = survey / "command.py"
    script.write_text(_COMMAND)
    return [
        sys.executable, script, "convert", "--images", survey / "{field}_{band}.fits", "--bands", "g,r", "--size", "16",
        "--catalog", survey / "catalog.fits", "--label", "class", "--split-by", "id", "--out",
    ]  # fmt: skip
