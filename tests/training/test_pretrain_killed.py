"""A run that is killed again and again ends with the bits of one that is left alone."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from astrokeras.training.trainer import SPEEDS
from tests.synthetic import write_records
from tests.tiny import TINY

pytestmark = pytest.mark.long

_ROOT = Path(__file__).parents[2]
# What is made before each epoch (the points of clusters) has to come again, too. Two epochs of three executions.
_OPTIONS = [
    "--task",
    "clusters(clusters=4)",
    "--epochs",
    "2",
    "--batch-size",
    "16",
    "--checkpoint-every",
    "2",
    "--backbone",
    TINY,
]
_LIVES = [["step", 2], ["half", 1], ["term", 1], ["save", 1, 8], []]


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open() as file:
        return [{name: value for name, value in row.items() if name not in SPEEDS} for row in csv.DictReader(file)]


def last_state(run: Path) -> dict[str, np.ndarray]:
    with np.load(max((run / "checkpoints").glob("*.npz"))) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[int], str]]:
    """An undisturbed run and one of many lives: directory, how they ended, the log. Half a minute for six lives."""
    directory = tmp_path_factory.mktemp("killed")
    records = write_records(directory / "records", counts={"train": 96, "val": 21})
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONHASHSEED": "random"}
    found = {}
    for name, lives in (("undisturbed", [[]]), ("killed", _LIVES)):
        out = directory / name
        command = [sys.executable, "-m", "tests.training.killed", json.dumps(lives)]
        done = subprocess.run(
            [*command, "pretrain", str(records.path), "--out", str(out), *_OPTIONS, "--deterministic"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found[name] = out, json.loads(done.stdout.splitlines()[-1]), done.stderr
    return found


def test_it_ends_with_the_same_bits(runs: dict[str, tuple[Path, list[int], str]]):
    (alone, ends, _), (killed, many, log) = runs["undisturbed"], runs["killed"]
    assert ends == [0], runs["undisturbed"][2]
    assert many == [-9, -9, 143, -9, 0], log
    assert history(killed) == history(alone)
    one, other = last_state(alone), last_state(killed)
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)
    assert not list(killed.rglob(".writing-*"))


def test_it_says_where_it_goes_on(runs: dict[str, tuple[Path, list[int], str]]):
    log = runs["killed"][2]
    # Killed after its second execution: the checkpoint of the first is there.
    assert "resuming after step 2 of epoch 1" in log
    assert "stopped by SIGTERM after" in log
    assert "the same command with --resume goes on from there" in log
