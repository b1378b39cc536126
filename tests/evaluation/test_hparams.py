"""What TensorBoard itself makes of several fine-tuning runs below one log directory."""

import csv
import json
import math
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from tensorboard import program

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.finetune import finetune
from astrokeras.tasks.classification import SCORES as METRICS
from tests.synthetic import write_records

# Of a library within TensorBoard.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:html5lib:DeprecationWarning")]

RUNS = ("one", "further/down/two", "further/copied")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log directory with two runs at different depths, whose arms, budgets and repeats are equal, and a copy."""
    path = tmp_path_factory.mktemp("hparams")
    write_records(path / "records", counts={"train": 60, "val": 20, "test": 40})
    for name, seed, repeats in ((RUNS[0], 0, 2), (RUNS[1], 5, 3)):
        out = path / "runs" / name
        config = FinetuneConfig(
            records=str(path / "records"), out=str(out), budget=("6", "12"), repeats=repeats, mode="frozen", seed=seed
        )
        finetune(config, lambda line: None)
    shutil.copytree(path / "runs" / RUNS[0], path / "runs" / RUNS[2])
    return path / "runs"


@pytest.fixture(scope="module")
def page(runs: Path) -> str:
    """Address of the HParams plugin of a TensorBoard that serves the log directory and has read all of it."""
    board = program.TensorBoard()
    read_once = ("--load_fast", "false", "--reload_task", "blocking", "--reload_interval", "0")
    board.configure([None, "--logdir", str(runs), "--host", "127.0.0.1", "--port", "0", *read_once])
    return f"{board.launch()}experiment/defaultExperimentId/data/plugin/hparams"


def ask(address: str, question: dict) -> dict:
    request = urllib.request.Request(address, json.dumps(question).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def trials(page: str) -> dict[str, dict]:
    """The rows that the table shows, by name: the columns asked for as the page does, with all that they may be."""
    columns = ask(f"{page}/experiment", {})
    shown = []
    for info in columns["hparamInfos"]:
        if "domainDiscrete" in info:
            shown.append({"hparam": info["name"], "filterDiscrete": info["domainDiscrete"]})
        else:
            shown.append({"hparam": info["name"], "filterInterval": info["domainInterval"]})
    shown += [{"metric": info["name"]} for info in columns["metricInfos"]]
    question = {"startIndex": 0, "sliceSize": 1000, "colParams": shown, "allowedStatuses": ["STATUS_UNKNOWN"]}
    groups = ask(f"{page}/session_groups", question)["sessionGroups"]
    assert len({group["name"] for group in groups}) == len(groups)
    assert all(len(group["sessions"]) == 1 for group in groups)
    return {group["name"]: group for group in groups}


def test_every_row_has_the_numbers_of_its_own_run(runs: Path, page: str):
    rows = trials(page)
    checked = 0
    for run in RUNS:
        for expected in rows_of(runs / run / "repeats.csv"):
            row = rows[f"{run}/tensorboard/{expected['directory']}"]
            assert row["hparams"]["budget"] == expected["budget"]
            assert row["hparams"]["repeat"] == int(expected["repeat"])
            found = {value["name"]["tag"]: value["value"] for value in row["metricValues"]}
            for split in ("test", "val"):
                for name in METRICS:
                    assert found[f"{split}/{name}"] == pytest.approx(float(expected[f"{split}_{name}"]), rel=1e-6)
            checked += 1
    assert checked == len(rows) == 4 + 6 + 4


def test_the_rows_of_a_run_average_to_its_comparison(runs: Path, page: str):
    rows = trials(page)
    for run in RUNS:
        for expected in (row for row in rows_of(runs / run / "comparison.csv") if row["mode"] != "baseline"):
            mine = [
                value["value"]
                for name, row in rows.items()
                if name.startswith(f"{run}/tensorboard/{expected['arm']}/budget-{expected['budget']}/")
                for value in row["metricValues"]
                if value["name"]["tag"] == "test/balanced_accuracy"
            ]
            assert len(mine) == int(expected["repeats"])
            assert np.mean(mine) == pytest.approx(float(expected["test_balanced_accuracy_mean"]), rel=1e-6)
    one, two = (float(rows_of(runs / run / "comparison.csv")[0]["test_auroc_mean"]) for run in RUNS[:2])
    assert not math.isclose(one, two)  # so that an average of both would have been noticed
