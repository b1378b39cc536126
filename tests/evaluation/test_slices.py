"""Scores by slices of a column, against those of the same objects alone."""

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from astrokeras.errors import UsageError
from astrokeras.evaluation.compare import Comparison, EvaluationSet
from astrokeras.evaluation.finetune import finetune
from astrokeras.evaluation.fit_predictions import Predictions
from astrokeras.evaluation.slice_sections import slice_section
from astrokeras.evaluation.slices import cut, slice_columns, sliced, usual_band, write_slices
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.targets.class_ import Class
from astrokeras.tasks.targets.regression import LabelStatistics, Regression, RegressionOptions
from tests.evaluation.comparing import options, rows_of, silent
from tests.synthetic import write_records

N = 120


def test_slices_hold_every_object_once_and_what_is_equal_stays_together():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(20, 1, 200), np.full(60, 25.0), np.full(7, np.nan), [np.inf]])
    found = cut(values)
    assert sorted(np.concatenate([one.rows for one in found]).tolist()) == list(range(len(values)))
    *known, missing = found
    assert len(missing.rows) == 8 and not missing.known
    assert len(known) <= 6
    assert all(one.high < other.low for one, other in itertools.pairwise(known))
    assert all(one.middle == np.median(values[one.rows]) and len(one.rows) >= 25 for one in known)
    assert sum(25.0 in values[one.rows] for one in known) == 1


def test_few_or_no_values_are_one_slice():
    assert [(one.low, one.high) for one in cut(np.array([3.0, 1.0]))] == [(1.0, 3.0)]
    assert [len(one.rows) for one in cut(np.full(40, 2.0))] == [40]
    (missing,) = cut(np.full(4, np.nan))
    assert not missing.known
    assert cut(np.empty(0)) == []


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("slices") / "records", counts={"train": 8, "test": N}, size=8)


def test_columns_are_carried_ones_magnitudes_and_positions(records: RecordsDirectory):
    assert slice_columns(records, ("r", "redshift", "magnitude_r")) == ("magnitude_r", "redshift")
    with pytest.raises(UsageError, match=r"--slice-by z: .* they have redshift, g, r, i, ra, dec, x, y"):
        slice_columns(records, ("z",))
    assert slice_columns(records, ()) == ()  # there, nothing says that there are magnitudes
    splits = {"train": {"magnitudes": {"g": 8, "r": 0, "i": 9}}, "test": {"magnitudes": {"g": 8, "r": 0, "i": 9}}}
    carried = ["FLUX_RADIUS_R", "r"]
    told = RecordsDirectory(records.path, {**records.content, "splits": splits, "columns": carried})
    assert usual_band(told) == "i"
    assert slice_columns(told, ()) == ("magnitude_i", "FLUX_RADIUS_R")
    assert slice_columns(told, ("r", "i")) == ("r", "magnitude_i")  # a carried column goes before the band


@pytest.fixture(scope="module")
def compared(records: RecordsDirectory) -> tuple[Comparison, Predictions]:
    """Two arms, two repeats, two targets; the second arm is right where the magnitude is below its median."""
    rng = np.random.default_rng(1)
    select = rng.random(N) < 0.9
    labels = rng.integers(0, 2, int(select.sum()))
    numbers = rng.normal(size=len(labels)).astype(np.float32)
    fields = {"class": {"class:label": labels}, "regression": {"regression:redshift": numbers[:, None]}}
    exam = EvaluationSet("test", select, fields)
    measured = LabelStatistics(np.zeros(1), np.ones(1), np.ones(1), np.array([-1.0, 1.0]))
    regression = Regression(("redshift",), (), RegressionOptions(), measured)
    targets = {"class": Class(("blue", "red")), "regression": regression}
    magnitudes = np.ma.filled(np.ma.asarray(records.objects("test")["magnitude_r"]), np.nan)[select]
    bright = magnitudes < np.nanmedian(magnitudes)
    lines, values = [], []
    for arm in ("chance", "<b>bright"):
        for repeat in range(2):
            told = np.where(bright, labels, rng.integers(0, 2, len(labels))) if arm != "chance" else 1 - labels
            guess = {"class": np.eye(2)[told], "regression": numbers[:, None] + rng.normal(0, 0.1, (len(labels), 1))}
            values.append(guess)
            lines.append({"arm": arm, "labels": 10, "budget": "10", "repeat": repeat})
    config = options(Path("nowhere"))
    comparison = Comparison(config, records, None, None, targets, {}, {}, None, [], [exam])
    return comparison, Predictions(exam, lines, values)


def test_scores_are_those_of_the_objects_alone(compared: tuple[Comparison, Predictions], tmp_path: Path):
    comparison, answers = compared
    found = sliced(comparison, answers, ("magnitude_r", "redshift"))
    write_slices(tmp_path / "slices.csv", found, answers)
    rows = rows_of(tmp_path / "slices.csv")
    for of in ("class", "regression"):
        for column in ("magnitude_r", "redshift"):
            mine = [row for row in rows if (row["target"], row["column"], row["arm"]) == (of, column, "<b>bright")]
            assert sum(int(row["objects"]) for row in mine) == answers.exam.count
            assert all(float(row["interval_low"]) <= float(row["value"]) <= float(row["interval_high"]) for row in mine)
            assert {row["score"] for row in mine} == {comparison.targets[of].main_score}
            assert all((row["rarest"] == "") == (of == "regression") for row in mine)
    column = np.ma.filled(np.ma.asarray(comparison.records.objects("test")["magnitude_r"]), np.nan)
    column = column[answers.exam.select]
    labels = answers.exam.fields["class"]["class:label"]
    checked = [
        row for row in rows if (row["target"], row["column"], row["arm"]) == ("class", "magnitude_r", "<b>bright")
    ]
    for row in checked:
        inside = (column >= float(row["low"])) & (column <= float(row["high"]))
        rows_inside = ~np.isfinite(column) if math.isnan(float(row["low"])) else inside
        expected = [
            balanced_accuracy_score(labels[rows_inside], value["class"][rows_inside].argmax(axis=1))
            for value in answers.values[2:]
        ]
        assert int(row["objects"]) == rows_inside.sum()
        assert int(row["rarest"]) == np.bincount(labels[rows_inside], minlength=2).min()
        assert float(row["value"]) == pytest.approx(np.mean(expected))
    assert float(checked[0]["value"]) == 1.0 > float(checked[-2]["value"])


def test_the_section_shows_every_slice_and_arm(compared: tuple[Comparison, Predictions]):
    comparison, answers = compared
    one, *_ = sliced(comparison, answers, ("magnitude_r",))
    section, drawn = slice_section(one)
    assert section.heading == "Balanced accuracy against magnitude r"
    assert section.content.count("<tr>") == 1 + len(one.slices)
    assert f"<td>{len(one.slices[0].rows)}</td><td>{one.rarest[0]}</td>" in section.content
    assert "of the rarest class" in section.content and "the interval" in section.note
    number = dataclasses.replace(one, rarest=())
    assert "rarest" not in slice_section(number)[0].content + slice_section(number)[0].note
    assert "<svg" in section.content and 'aria-label="balanced accuracy of each arm' in section.content
    assert "<b>" not in section.content and "&lt;b&gt;bright" in section.content
    assert len(drawn.axes[0].lines) >= 2
    # Of objects without any value there is a line of the table, and no point.
    nothing = dataclasses.replace(one, slices=[s for s in one.slices if not s.known], scores=one.scores[-1:])
    section, _ = slice_section(dataclasses.replace(nothing, rarest=one.rarest[-1:]))
    assert "<td>unknown</td>" in section.content
    assert slice_section(dataclasses.replace(one, scores=[{} for _ in one.scores])) is None


def test_a_column_that_is_not_there_is_refused_at_once(place: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="--slice-by nothing"):
        finetune(options(place, out=str(tmp_path / "out"), mode="frozen", slice_by=("nothing",)), silent)
    assert not (tmp_path / "out").exists()
