"""Two workers on this machine: what they train is what one device would, and the loss of one ends the other."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from astrokeras.errors import UsageError
from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.pipeline.source import PARTNER
from astrokeras.pipeline.stream import Stream
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.engines.base import open_engine
from astrokeras.training.pretrain import pretrain
from astrokeras.training.trainer import SPEEDS
from tests.ports import free_addresses
from tests.synthetic import write_records
from tests.training import two_workers
from tests.training.two_workers import config_for, one_step

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
# Seconds, much more than it takes on a busy machine.
PATIENCE = 500


@dataclasses.dataclass
class Workers:
    """What the two processes left."""

    folder: Path
    exits: list[int]
    outputs: list[str]
    seconds_alone: float

    def arrays(self, name: str, index: int) -> list[np.ndarray]:
        path = self.folder / f"{name}-{index}.npz"
        assert path.is_file(), self.outputs[index][-3000:]
        with np.load(path) as file:
            return [file[f"arr_{number}"] for number in range(len(file.files))]


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Workers:
    folder = tmp_path_factory.mktemp("workers")
    write_records(folder / "records", counts={"train": 96, "val": 21})
    addresses = free_addresses(2)
    processes = []
    for index in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(config), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", two_workers.__name__, str(folder)]
        with (folder / f"{index}.txt").open("w") as output:
            processes.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=ROOT))
    exits, alone = [None, None], 0.0
    try:
        exits[1] = processes[1].wait(PATIENCE)
        start = time.monotonic()
        exits[0] = processes[0].wait(PATIENCE)
        alone = time.monotonic() - start
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return Workers(folder, exits, [(folder / f"{index}.txt").read_text() for index in range(2)], alone)


def test_a_step_equals_that_of_one_device(workers: Workers):
    engine = open_engine(config_for(workers.folder, "cpu:1", "unused"))
    start, expected = one_step(engine, RecordsDirectory.load(workers.folder / "records"))
    moved = 0.0
    for index in range(2):
        ours = workers.arrays("step", index)
        assert len(ours) == len(expected) > 10
        for before, one, other in zip(start, expected, ours, strict=True):
            scale = np.abs(one - before).max() if one.dtype.kind == "f" else 0.0
            moved = max(moved, scale)
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6 + 1e-3 * scale)
    assert moved > 1e-3


def test_both_have_the_same_state_after_a_resumed_epoch(workers: Workers):
    for name in ("step", "trained"):
        ours, theirs = (workers.arrays(name, index) for index in range(2))
        assert len(ours) > 10
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_both_know_the_largest_of_their_values(workers: Workers):
    assert [workers.arrays("most", index) for index in range(2)] == [[0.75], [0.75]]


def test_a_signal_to_one_stops_both(workers: Workers):
    first, second = workers.outputs
    assert "2 workers, 2 devices in all" in first
    assert "stopped with another worker after step 3 of epoch 1" in first
    assert "stopped by SIGTERM after step 3 of epoch 1" in second
    assert "resuming after step 3 of epoch 1" in first
    assert "resuming" not in second  # one speaks for all


def test_the_loss_of_a_worker_ends_the_other_in_a_line(workers: Workers):
    assert workers.exits == [1, -signal.SIGKILL]
    assert workers.seconds_alone < PATIENCE
    last = workers.outputs[0].splitlines()[-1]
    assert last.startswith(("error: worker 1 (127.0.0.1:", "error: another worker was lost"))
    assert last.endswith("the same command with --resume goes on")
    assert "Traceback" not in workers.outputs[0]


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_what_is_left_goes_on_and_equals_two_replicas(workers: Workers):
    """The scores of the first epoch are the two workers' own; then two devices of one machine take over."""
    config = config_for(workers.folder, "cpu:2", "undisturbed")
    pretrain(config, lambda _: None)
    assert json.loads((workers.folder / "run" / "run.json").read_text())["resolved"]["replicas"] == 2
    assert len(history(workers.folder / "run")) == 1
    lines = []
    pretrain(dataclasses.replace(config, out=str(workers.folder / "run"), resume=True), lines.append)
    assert "resuming after epoch 1" in lines
    ours, theirs = history(workers.folder / "run"), history(workers.folder / "undisturbed")
    assert len(ours) == len(theirs) == 2
    for row, expected in zip(ours, theirs, strict=True):
        for name in set(expected) - set(SPEEDS):
            assert float(row[name]) == pytest.approx(float(expected[name]), rel=1e-3, abs=1e-6), name
        for one in (row, expected):
            assert 0 <= float(one["input_wait"]) < 1


def test_parts_make_up_the_whole_batch(tmp_path: Path):
    records = write_records(tmp_path / "records", counts={"train": 40, "val": 10})
    augment = augmentation("dihedral|noise(0.5)", SurveyInfo.of(records), {})

    def batches(part: tuple[int, int]) -> list[dict[str, np.ndarray]]:
        stream = Stream(records, 12, augment)
        stream.part = part
        stream.add("number", {split: np.arange(count) for split, count in records.counts.items()})
        stream.group({split: np.arange(count) // 2 for split, count in records.counts.items()})
        asked = (8, ("magnitudes", "number", PARTNER), 3, 7)
        every = [*stream.training(1, *asked, first_step=2), *stream.evaluation("val", *asked)]
        return [{name: np.asarray(values) for name, values in batch.items()} for (batch,) in every]

    whole, parts = batches((0, 1)), [batches((index, 2)) for index in range(2)]
    assert len(whole) == 3 + 2
    for batch, *halves in zip(whole, *parts, strict=True):
        assert len(batch["flux"]) == 8
        for name, values in batch.items():
            np.testing.assert_array_equal(np.concatenate([half[name] for half in halves]), values)


def test_no_cluster_is_told_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name == "TF_CONFIG" or name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    with pytest.raises(UsageError, match="neither TF_CONFIG"):
        pretrain(config_for(tmp_path, "multi-worker", "run"), lambda _: None)
    assert not (tmp_path / "run").exists()
