"""Temperatures where the validation split has no labels: fitted on labels of the draw that were held out in turn."""

import csv
import json

import numpy as np
import pytest
from scipy.special import softmax

from astrokeras.errors import AstrokerasError, Stopped
from astrokeras.evaluation import out_of_fold
from astrokeras.evaluation.calibration import at_temperature
from astrokeras.evaluation.finetune import finetune
from astrokeras.evaluation.schedule import Schedule
from astrokeras.models.saving import load_model
from astrokeras.pipeline.dataset import load_arrays, read_columns
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.logistic import logistic_regression
from tests.evaluation.comparing import options, rows_of, silent
from tests.evaluation.test_schedule_search import CODES, DRAW, compared

MEAN = "mean-of-magnitudes-and-scratch"


@pytest.fixture(scope="module")
def run(place, tmp_path_factory):
    """A frozen comparison by labels of the train and the test split alone; beside it which parts were held out."""
    directory = tmp_path_factory.mktemp("unvalidated")
    with (directory / "labels.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "label"])
        for split in ("train", "test"):
            columns = read_columns(RecordsDirectory.load(place / "records"), split, ("id", "label"))
            writer.writerows((i, n) for i, n in zip(columns["id"], columns["label"], strict=True) if n >= 0)
    parts = []

    def noted(comparison, draw):
        for part, held in true_parts(comparison, draw):
            parts.append((part.select, held))
            yield part, held

    inits = (str(place / "magnitudes"), "scratch", f"{place / 'magnitudes'}+scratch")
    true_parts = out_of_fold.parts_of_draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(out_of_fold, "parts_of_draw", noted)
        config = options(
            place, labels=str(directory / "labels.csv"), init=inits, budget=("40",), repeats=1, mode="frozen",
            out=str(directory / "run"),
        )  # fmt: skip
        finetune(config, silent)
    return directory / "run", parts[:3]


def held_out(run, arm):
    """Rows of the train split, and what was said of them at a temperature of 1."""
    line = next(row for row in rows_of(run / "repeats.csv") if row["arm"] == arm)
    with np.load(run / arm / "budget-40" / "repeat-0" / "answers.npz") as file:
        rows, answers = file["held_out"], file["out_of_fold/class"]
    return rows, at_temperature(answers, 1 / float(line["temperature"])), line


def test_what_is_held_out_is_told_by_who_has_not_seen_it(place, run):
    """The same regressions, fitted by hand on the features of the other parts."""
    out, parts = run
    rows, answers, _ = held_out(out, "magnitudes")
    records = RecordsDirectory.load(place / "records")
    flux, codes, _ = load_arrays(records, "train")
    features = load_model(place / "magnitudes" / "encoder.keras").predict(flux, verbose=0)
    assert len(parts) == 3 and sum(held.sum() for _, held in parts) == 40
    for seen, held in parts:
        assert not (seen & held).any() and seen.sum() + held.sum() == 40
        kernel, bias = logistic_regression(features[seen], codes[seen], len(records.classes), 0)
        expected = softmax(features[held] @ kernel + bias, axis=1)
        np.testing.assert_allclose(answers[np.isin(rows, np.flatnonzero(held))], expected, atol=2e-3)


@pytest.mark.parametrize("arm", ["magnitudes", "scratch", MEAN])
def test_the_temperature_has_the_smallest_brier_score_there(place, run, arm):
    """Of a fine grid; for a mean of arms it is that of the mean of what they say."""
    rows, answers, line = held_out(run[0], arm)
    codes = read_columns(RecordsDirectory.load(place / "records"), "train", ("label",))["label"][rows]
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 4001))
    logits = np.log(np.maximum(answers, 1e-12))
    losses = [np.square(softmax(logits / t, axis=1) - np.eye(answers.shape[1])[codes]).sum(axis=1).mean() for t in grid]
    assert float(line["temperature"]) == pytest.approx(grid[np.argmin(losses)], rel=5e-3)
    assert float(line["temperature"]) != 1 and line["temperature_from"] == "out_of_fold"
    assert json.loads((run[0] / line["directory"] / "run.json").read_text())["result"]["temperature"] == float(
        line["temperature"]
    )


def test_the_table_says_what_it_was_fitted_on(place, run):
    assert origins(run[0]) == {"out_of_fold"}
    assert "held out in turn (out of fold), as the validation split has none" in (run[0] / "comparison.md").read_text()
    assert "fitted on validation objects." in (place / "classes" / "comparison.md").read_text()
    assert origins(place / "classes") == {"val"}


def origins(out):
    """What the temperatures of arms were fitted on; simple methods have none."""
    return {row["temperature_from"] for row in rows_of(out / "comparison.csv") if row["backbone"]}


class Failing:
    """Stands for the trainer of an arm that cannot be trained on a part of the labels."""

    def __init__(self, error: Exception) -> None:
        self.comparison, self.error = compared(), error

    def train(self, draw, schedule, about):
        raise self.error


def test_where_a_part_cannot_be_trained_on_there_is_no_temperature():
    schedule = Schedule("frozen", 1, 1, 8, 0.1)
    assert out_of_fold.answer_out_of_fold(Failing(AstrokerasError("one class")), DRAW, schedule, None) is None
    with pytest.raises(Stopped):
        out_of_fold.answer_out_of_fold(Failing(Stopped("a signal", 130)), DRAW, schedule, None)


def test_the_steps_are_those_of_three_trainings_on_two_thirds():
    schedule = Schedule("full", 10, 0, 4, 0.1)
    count = int((CODES >= 0).sum())
    assert out_of_fold.steps_out_of_fold(compared(), [schedule], count) == 3 * 10 * ((count - count // 3) // 4)
    assert out_of_fold.steps_out_of_fold(compared(), [schedule], 3) == 0
