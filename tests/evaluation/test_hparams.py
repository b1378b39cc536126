"""What TensorBoard itself makes of several fine-tuning runs below one log directory."""

import json
import math
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from astrokeras.tasks.classification import SCORES as METRICS
from tests.evaluation.comparing import rows_of

pytestmark = pytest.mark.long

RUNS = ("one", "further/down/two", "further/copied")


@pytest.fixture(scope="module")
def page(tensorboard: str) -> str:
    """Address of the HParams plugin."""
    return f"{tensorboard}experiment/defaultExperimentId/data/plugin/hparams"


def ask(address: str, question: dict) -> dict:
    request = urllib.request.Request(address, json.dumps(question).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


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


def test_every_row_has_the_numbers_of_its_own_run(several: Path, page: str):
    rows = trials(page)
    checked = 0
    for run in RUNS:
        for expected in rows_of(several / run / "repeats.csv"):
            row = rows[f"{run}/tensorboard/{expected['directory']}"]
            assert row["hparams"]["budget"] == expected["budget"]
            assert row["hparams"]["repeat"] == int(expected["repeat"])
            found = {value["name"]["tag"]: value["value"] for value in row["metricValues"]}
            for split in ("test", "val"):
                for name in METRICS:
                    assert found[f"{split}/{name}"] == pytest.approx(float(expected[f"{split}_{name}"]), rel=1e-6)
            assert found["cost/seconds"] == pytest.approx(float(expected["seconds"]), abs=0.01)
            assert found["cost/parameters"] > 1000
            checked += 1
    assert checked == len(rows) == 4 + 7 + 7


def test_budgets_are_numbers_by_which_trials_are_in_order(page: str):
    (labels,) = [info for info in ask(f"{page}/experiment", {})["hparamInfos"] if info["name"] == "labels"]
    assert labels["domainInterval"]["minValue"] == 8
    order = [{"hparam": "labels", "order": "ORDER_ASC", "filterInterval": labels["domainInterval"]}]
    question = {"startIndex": 0, "sliceSize": 1000, "colParams": order, "allowedStatuses": ["STATUS_UNKNOWN"]}
    shown = [group["hparams"]["labels"] for group in ask(f"{page}/session_groups", question)["sessionGroups"]]
    assert shown == sorted(shown) and shown[-1] > 9  # as words, 10 and more would come before 8


def test_the_rows_of_a_run_average_to_its_comparison(several: Path, page: str):
    rows = trials(page)
    for run in RUNS:
        for expected in (row for row in rows_of(several / run / "comparison.csv") if row["mode"] != "baseline"):
            mine = [
                value["value"]
                for name, row in rows.items()
                if name.startswith(f"{run}/tensorboard/{expected['arm']}/budget-{expected['budget']}/")
                for value in row["metricValues"]
                if value["name"]["tag"] == "test/balanced_accuracy"
            ]
            assert len(mine) == int(expected["repeats"])
            assert np.mean(mine) == pytest.approx(float(expected["test_balanced_accuracy_mean"]), rel=1e-6)
    one, two = (float(rows_of(several / run / "comparison.csv")[0]["test_auroc_mean"]) for run in RUNS[:2])
    assert not math.isclose(one, two)  # so that an average of both would have been noticed
