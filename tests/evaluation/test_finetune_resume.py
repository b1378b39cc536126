"""A comparison that is killed and stopped ends with the table of one that is left alone; what failed is done again."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation import finetune as module
from astrokeras.evaluation.finetune import finetune
from astrokeras.evaluation.fitting import ArmTrainer
from tests.evaluation.comparing import options, rows_of, silent
from tests.synthetic import write_records
from tests.tiny import TINY

pytestmark = pytest.mark.long

_ROOT = Path(__file__).parents[2]
# Four fits of three steps each: killed in the second, stopped in the third, whose number counts from there.
_LIVES = [["step", 5], ["term", 4], []]
_OPTIONS = [
    "--budget", "8", "--budget", "all", "--repeats", "2", "--epochs", "1", "--min-steps", "3", "--batch-size", "16",
    "--mode", "full", "--deterministic", "--backbone", TINY,
]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[int], str]]:
    """An undisturbed comparison and one of several lives: directory, how they ended, the log."""
    directory = tmp_path_factory.mktemp("resumed")
    write_records(directory / "records", counts={"train": 50, "val": 20, "test": 30})
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONHASHSEED": "random"}
    found = {}
    for name, lives in (("undisturbed", [[]]), ("killed", _LIVES)):
        out = directory / name
        done = subprocess.run(
            [sys.executable, "-m", "tests.training.killed", json.dumps(lives), "finetune", str(directory / "records"),
             "--out", str(out), *_OPTIONS],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found[name] = out, json.loads(done.stdout.splitlines()[-1]), done.stderr
    return found


def without_seconds(file: Path) -> list[dict[str, str]]:
    return [
        {name: value for name, value in row.items() if not name.startswith(("seconds", "images_per_second"))}
        for row in rows_of(file)
    ]


def test_the_table_is_that_of_an_undisturbed_comparison(runs: dict[str, tuple[Path, list[int], str]]):
    (alone, ends, _), (killed, many, log) = runs["undisturbed"], runs["killed"]
    assert ends == [0], runs["undisturbed"][2]
    assert many == [-9, 143, 0], log
    for file in ("repeats.csv", "comparison.csv"):
        assert without_seconds(killed / file) == without_seconds(alone / file)
    assert len(rows_of(alone / "repeats.csv")) == 4
    first, second = (json.loads((run / "run.json").read_text())["result"] for run in (alone, killed))
    assert first["winner"] == second["winner"]


def test_it_says_what_is_there_already(runs: dict[str, tuple[Path, list[int], str]]):
    log = runs["killed"][2]
    assert "4 fits: 1 arms (scratch), 2 budgets, 2 repeats; 1 are there already" in log
    assert "stopped by SIGTERM after 1 of 3 fits; the same command with --resume goes on from there" in log
    assert "; 2 are there already" in log


def test_other_options_records_or_starts_are_refused(place: Path, tmp_path: Path):
    out = shutil.copytree(place / "classes", tmp_path / "classes")
    config = options(
        place, out=str(out), init=("scratch", str(place / "magnitudes")), budget=("8", "all"), repeats=2,
        mode="frozen", resume=True,
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"cannot resume .*--seed was 0 and is 1"):
        finetune(dataclasses.replace(config, seed=1), silent)
    content = json.loads((out / "run.json").read_text())
    content["starts"]["magnitudes"]["sha256"] = "of another"
    (out / "run.json").write_text(json.dumps(content))
    with pytest.raises(AstrokerasError, match=r"magnitudes has changed since it was started"):
        finetune(config, silent)
    shutil.copy(place / "classes" / "run.json", out)
    fit = out / "scratch/budget-8/repeat-1/run.json"
    content = json.loads(fit.read_text())
    content["records"]["fingerprint"] = "of others"
    fit.write_text(json.dumps(content))
    with pytest.raises(AstrokerasError, match=r"repeat-1: .* holds other records than it was started with"):
        finetune(config, silent)


def test_a_fit_that_fails_is_a_line_and_is_done_again(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = str(place / "magnitudes")
    config = options(
        place, out=str(tmp_path / "out"), init=("scratch", run), budget=("8",), repeats=2, mode="frozen"
    )  # fmt: skip
    whole, lines = ArmTrainer.fit, []

    def fit(self: ArmTrainer, draw, *further):
        if self.arm.name == "magnitudes" or draw.repeat == 1:
            raise AstrokerasError("the training <diverged>")
        return whole(self, draw, *further)

    with monkeypatch.context() as patch:
        patch.setattr(ArmTrainer, "fit", fit)
        result = finetune(config, lines.append)
    assert [(row["arm"], row["repeats"], row["failed"]) for row in result["rows"]] == [
        ("scratch", 1, 1), ("magnitudes", 0, 2)
    ]  # fmt: skip
    assert result["winner"]["directory"] == "scratch/budget-8/repeat-0"
    assert sum("failed: the training <diverged>" in line for line in lines) == 3
    states = [(row["status"], row["reason"]) for row in rows_of(tmp_path / "out/repeats.csv")]
    assert states == [("done", ""), *[("failed", "the training <diverged>")] * 3]
    page = (tmp_path / "out/comparison.html").read_text()
    assert "2 of 2 fits of magnitudes with 8 labels failed: the training &lt;diverged&gt;" in page
    lines.clear()
    again = finetune(dataclasses.replace(config, resume=True), lines.append)
    assert "4 fits: 2 arms (scratch, magnitudes), 1 budgets, 2 repeats; 1 are there already" in lines
    assert [(row["repeats"], row["failed"]) for row in again["rows"]] == [(2, 0), (2, 0)]
    kept = again["rows"][0]["test_auroc_mean"], again["rows"][1]["test_auroc_mean"]
    alone = finetune(dataclasses.replace(config, out=str(tmp_path / "alone")), silent)["rows"]
    assert kept == (alone[0]["test_auroc_mean"], alone[1]["test_auroc_mean"])


def test_a_network_that_cannot_be_built_takes_its_arm_alone(place: Path, tmp_path: Path, monkeypatch):
    config = options(
        place, out=str(tmp_path / "out"), init=(str(place / "magnitudes"), "scratch"), repeats=1, mode="frozen"
    )  # fmt: skip

    class Exhausted(module.ArmTrainer):
        def __init__(self, arm, *further) -> None:
            if arm.name == "magnitudes":
                raise MemoryError
            super().__init__(arm, *further)

    monkeypatch.setattr(module, "ArmTrainer", Exhausted)
    result = finetune(config, silent)
    assert [(row["arm"], row["repeats"]) for row in result["rows"]] == [("magnitudes", 0), ("scratch", 1)]
    assert "ran out of memory; try a smaller --batch-size" in result["table"]
