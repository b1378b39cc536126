import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from astrokeras.config import PretrainConfig
from astrokeras.evaluation.finetune import finetune
from astrokeras.training.pretrain import pretrain
from tests.evaluation.comparing import options, silent
from tests.synthetic import write_records
from tests.tiny import TINY


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A directory with records, a short pre-training run, and a finished comparison of two arms."""
    path = tmp_path_factory.mktemp("comparison")
    write_records(path / "records", counts={"train": 80, "val": 40, "test": 60})
    run = {"records": str(path / "records"), "out": str(path / "magnitudes"), "backbone": TINY}
    pretrain(PretrainConfig(**run, epochs=2, batch_size=16), silent)
    config = options(path, init=("scratch", str(path / "magnitudes")), budget=("8", "all"), repeats=2, mode="frozen")
    lines = []
    finetune(config, lines.append)
    (path / "lines.txt").write_text("\n".join(lines))
    return path


@pytest.fixture(scope="session")
def several(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with three comparisons at different depths, whose arms, budgets and repeats have the same names.

    ``further/down/two`` and ``further/copied`` are those of `place`, ``one`` has another seed and one arm alone.
    """
    runs = tmp_path_factory.mktemp("several") / "runs"
    finetune(options(place, out=str(runs / "one"), budget=("8", "all"), repeats=2, mode="frozen", seed=5), silent)
    for copy in ("further/down/two", "further/copied"):
        shutil.copytree(place / "classes", runs / copy)
    return runs


@pytest.fixture(scope="session")
def tensorboard(several: Path) -> Iterator[str]:
    """Address of a TensorBoard, a process of its own, that has read all that is in `several`."""
    read_once = ("--load_fast", "false", "--reload_task", "blocking", "--reload_interval", "0")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(several), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen([*command, *read_once], stderr=subprocess.PIPE, text=True) as process:
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                    break
            else:
                pytest.fail(f"TensorBoard has ended: {''.join(said)}")
            threading.Thread(target=process.stderr.read, daemon=True).start()  # or the pipe would fill up
            yield found[0]
        finally:
            process.terminate()
