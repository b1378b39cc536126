"""The examples of docs/extending.md, each in a file outside of the package, work from the command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from astrokeras.registration import PLUGINS

EXTENDING = Path(__file__).resolve().parents[1] / "docs" / "extending.md"


@pytest.fixture(scope="module")
def environments(tmp_path_factory):
    """Environments of a user who has put every example into a file of its own, or only the command."""
    directory = tmp_path_factory.mktemp("plugins")
    examples = re.findall(r"^```python\n(.*?)^```", EXTENDING.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) == 6
    for number, example in enumerate(examples):
        (directory / f"example_{number}.py").write_text(example, encoding="utf-8")
    files = sorted(directory.glob("*.py"))
    commands = [file for file in files if "Command(" in file.read_text()]
    assert len(commands) == 1
    return {
        "all": {**os.environ, PLUGINS: os.pathsep.join(map(str, files))},
        "command": {**os.environ, PLUGINS: str(commands[0])},
    }


def run(environment, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "astrokeras", *map(str, arguments)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_command(environments, sample_records):
    environment = environments["command"]  # which needs no Keras, and takes no time
    assert "count Count the records of a split." in " ".join(run(environment, "--help").stdout.split())
    count = json.loads((sample_records / "convert.json").read_text())["splits"]["val"]["count"]
    assert run(environment, "count", sample_records, "--split", "val").stdout == f"{count}\n"
    assert json.loads(run(environment, "count", sample_records, "--split", "val", "--json").stdout) == {
        "records": count
    }
    script = (
        f"import astrokeras as ak; assert 'count' in ak.__all__; print(ak.count({str(sample_records)!r}, split='val'))"
    )
    called = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert called.stdout == f"{{'records': {count}}}\n", called.stderr
    wrong = run(environment, "count", sample_records, "--split", "vla")
    assert wrong.returncode == 2 and "is not one of 'train', 'val', 'test'" in wrong.stderr


def test_a_task_a_backbone_an_augmentation_and_a_stretch(environments, sample_records, tmp_path):
    options = ("--task", "mean_colour", "--backbone", "two_layers", "--stretch", "square_root", "--epochs", "1")
    done = run(
        environments["all"],
        "pretrain",
        sample_records,
        *options,
        "--augment",
        "fade(0.5)",
        "--out",
        tmp_path / "run",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    assert "mae" in json.loads(done.stdout)["legend"]
    run_json = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run_json["options"]["task"] == ["mean_colour"] and run_json["options"]["augment"] == "fade(0.5)"


def test_a_target(environments, sample_records, tmp_path):
    options = ("--target", "angle(MAG_TRUE_r)", "--budget", "20", "--repeats", "1", "--mode", "frozen")
    done = run(environments["all"], "finetune", sample_records, *options, "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    run_json = json.loads((tmp_path / "run" / "run.json").read_text())
    noted = run_json["targets"]["angle"]
    assert (noted["target"], noted["config"]) == ("angle", {"column": "MAG_TRUE_r"})
    assert [(output["name"], output["unit"]) for output in noted["outputs"]] == [("MAG_TRUE_r", "deg")]
    assert "test_error_mean" in (tmp_path / "run" / "comparison.csv").read_text().splitlines()[0]


def test_a_plug_in_that_cannot_be_imported_is_named(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_that_name\n")
    for name, reason in (
        (broken, "No module named 'nothing_of_that_name'"),
        (tmp_path / "gone.py", "there is no file"),
    ):
        done = run({**os.environ, PLUGINS: str(name)}, "--help")
        assert done.returncode == 1
        assert f"error: the plug-in {name} cannot be imported" in done.stderr and reason in done.stderr
        assert "Traceback" not in done.stderr
