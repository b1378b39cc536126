import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.compare import Comparison, EvaluationSet
from astrokeras.evaluation.report import comparison_table, in_latex, lines_of, summarise, write_csv, write_reports
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.classification import SCORES as METRICS
from astrokeras.tasks.targets.class_ import Class
from tests.synthetic import write_records

# Balanced accuracies on the test objects, by arm, budget and repeat.
SCORES = {
    ("scratch", "10"): [0.50, 0.60, 0.70],
    ("run", "10"): [0.60, 0.65, 0.85],
    ("scratch", "all"): [0.80, 0.84, 0.88],
    ("run", "all"): [0.90],
}
TARGET = Class(("galaxy", "star"))
EXAM = EvaluationSet("test", np.ones(100, bool), {"class": {"class:label": np.repeat([0, 1], [80, 20])}})


def compared(records: RecordsDirectory | None = None, out: str = "", target: Class = TARGET) -> Comparison:
    config = FinetuneConfig(str(records.path) if records else "", out)
    return Comparison(config, records, None, None, {"class": target}, {"class": target}, {}, None, [], [EXAM])


MEASURE = compared().measure


def results(**changes) -> list[dict]:
    lines = []
    for (arm, budget), scores in SCORES.items():
        for repeat, score in enumerate(scores):
            line = {
                "arm": arm, "init": arm, "started_from": "", "backbone": "compact", "mode": "frozen", "budget": budget,
                "repeat": repeat, "labels": 10 if budget == "10" else 60, "status": "done", "reason": "",
            }  # fmt: skip
            line |= {f"test_{name}": 0.5 for name in METRICS} | {"test_balanced_accuracy": score}
            lines.append(line | changes)
    return lines


def row_of(rows: list[dict], arm: str, budget: str) -> dict:
    return next(row for row in rows if (row["arm"], row["budget"]) == (arm, budget))


def test_the_gain_is_that_of_pairs():
    """By hand: the differences are 0.10, 0.05 and 0.15, whose mean is 0.10 and whose deviation (n - 1) is 0.05."""
    rows = summarise(results(), MEASURE)
    row = row_of(rows, "run", "10")
    assert row["gain_mean"] == pytest.approx(0.10)
    assert row["gain_spread"] == pytest.approx(0.05)
    # The deviations of the arms themselves are 0.1 and, with a mean of 0.7, sqrt((0.01 + 0.0025 + 0.0225) / 2).
    assert row["test_balanced_accuracy_spread"] == pytest.approx(math.sqrt(0.035 / 2))
    assert row_of(rows, "scratch", "10")["test_balanced_accuracy_spread"] == pytest.approx(0.1)
    assert row_of(rows, "scratch", "10")["gain_mean"] == 0


def test_a_single_repeat_of_all_labels_is_compared_with_the_same_one():
    row = row_of(summarise(results(), MEASURE), "run", "all")
    assert row["gain_mean"] == pytest.approx(0.90 - 0.80)
    assert math.isnan(row["gain_spread"])


def test_fits_that_failed_are_counted_and_their_pairs_left_out():
    lines = results()
    broken = {"status": "failed", "reason": "the training <b>diverged</b>", "test_balanced_accuracy": math.nan}
    lines[1] |= broken  # of the first arm: its pair is gone
    for number in (6, 7, 8):  # all of one line
        lines[number] |= broken
    rows = summarise(lines, MEASURE)
    assert row_of(rows, "run", "10")["gain_mean"] == pytest.approx((0.10 + 0.15) / 2)
    gone = row_of(rows, "scratch", "all")
    assert (gone["repeats"], gone["failed"]) == (0, 3) and math.isnan(gone["test_balanced_accuracy_mean"])
    assert math.isnan(row_of(rows, "run", "all")["gain_mean"])
    table = comparison_table(rows, compared())
    assert r"3 of 3 fits of scratch with all labels failed: the training \<b\>diverged" in table
    assert "1 of 3 fits of scratch with 10 labels failed" in table


def test_the_table_shows_means_spreads_and_how_far_chance_moves_them():
    table = comparison_table(summarise(results(), MEASURE), compared())
    line = next(line for line in table.splitlines() if line.startswith("| run") and "| 10 " in line)
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "run", "compact", "frozen", "10", "10", "0.500 ± 0.000", "0.700 ± 0.132", "0.500 ± 0.000", "0.500 ± 0.000",
        "–", "+0.100 ± 0.050",
    ]  # fmt: skip
    # Of a mean of recalls of 80 and 20 objects at rate p: sqrt(p (1 - p) (1/80 + 1/20)) / 2.
    errors = [math.sqrt(p * (1 - p) * (1 / 80 + 1 / 20)) / 2 for p in (0.6, 0.7, 0.84, 0.9)]
    assert f"about ±{min(errors):.3f} to ±{max(errors):.3f} (binomial)" in table


@pytest.fixture
def records(tmp_path: Path) -> RecordsDirectory:
    return write_records(tmp_path / "records", counts={"train": 4})


def reported(records: RecordsDirectory, out: Path, **changes) -> list[str]:
    """Lines of ``comparison.md``."""
    out.mkdir()
    lines = results(**changes)
    target = Class(tuple(records.classes))
    write_reports(out, summarise(lines, MEASURE), lines, compared(records, str(out), target))
    return (out / "comparison.md").read_text().splitlines()


HOSTILE = [
    "x" * 5000, "a|b", "`code`", "<script>alert(1)</script>", "[a](javascript:b)", "two\nlines", "# head", "\u202egip"
]  # fmt: skip


def test_names_that_mean_something_in_markdown_are_shown_as_they_are(records: RecordsDirectory, tmp_path: Path):
    plain = reported(records, tmp_path / "plain")
    records.content["classes"] = HOSTILE
    records.content["name"] = "<i>|survey"
    lines = reported(records, tmp_path / "hostile", started_from="<img src=x>, [run](y)", backbone="a|b")
    assert len(lines) == len(plain)
    assert lines[0] == r"# \<i\>\|survey, mode search"
    for line in lines:
        assert len(line) < 2000
        assert "<" not in line.replace(r"\<", "") and "[" not in line.replace(r"\[", "")
        assert "`" not in line.replace(r"\`", "")
        assert "\u202e" not in line
    # As many cells in every row of a table as in its head.
    tables = [part.splitlines() for part in "\n".join(lines).split("\n\n") if part.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        assert len({line.replace(r"\|", "").count("|") for line in table}) == 1
    assert r"went on from \<img src=x\>, \[run\](y)" in "\n".join(lines)


def test_a_table_for_papers(records: RecordsDirectory, tmp_path: Path):
    reported(records, tmp_path / "out")
    text = (tmp_path / "out" / "comparison.tex").read_text()
    assert text.startswith("\\begin{tabular}{lllrrrrrrrr}")
    assert r"scratch & compact & frozen & 10 & 10 & 0.500 $\pm$ 0.000 & 0.600 $\pm$ 0.100" in text
    assert in_latex(["a_b", "50%"], [[r"\x & {y}", "–"]]).splitlines()[2] == r"a\_b & 50\% \\"


def test_the_tables_for_machines_keep_whole_names(records: RecordsDirectory, tmp_path: Path):
    name = "a,b\n|" * 1000
    reported(records, tmp_path / "out", started_from=name)
    for file in ("comparison.csv", "repeats.csv"):
        with (tmp_path / "out" / file).open(newline="") as stream:
            assert {row["started_from"] for row in csv.DictReader(stream)} == {name}


def test_the_last_lines_are_those_of_simple_methods(records: RecordsDirectory, tmp_path: Path):
    row = {**summarise(results(), MEASURE)[0], "arm": "always the same", "backbone": "", "mode": "baseline"}
    row |= {"test_auroc_mean": math.nan, "test_accuracy_mean": 0.8, "test_accuracy_spread": math.nan}
    row |= {"gain_mean": math.nan, "gain_spread": math.nan}
    comparison = dataclasses.replace(compared(records, str(tmp_path)), baselines=(row,))
    rows = summarise(results(), MEASURE)
    *_, last = lines_of(rows, comparison)
    assert last[:5] == ["always the same", "–", "baseline", "10", "10"] and last[-1] == "–"
    told = dict(zip(MEASURE.scores, last[5:], strict=False))
    assert (told["accuracy"], told["auroc"]) == ("0.800", "–")
    assert "always the same" in comparison_table(rows, comparison)
    write_reports(tmp_path, rows, results(), comparison)
    with (tmp_path / "comparison.csv").open(newline="") as stream:
        *_, written = csv.DictReader(stream)
    assert (written["arm"], written["mode"], written["test_accuracy_mean"]) == ("always the same", "baseline", "0.8")


def test_it_says_in_which_modes_fits_were_trained_and_by_whose_choice():
    lines = results()
    for number, mode in enumerate(("full", "frozen", "full")):
        lines[number]["mode"] = mode
    rows = summarise(lines, MEASURE)
    assert row_of(rows, "scratch", "10")["mode"] == "full (2), frozen (1)"
    assert row_of(rows, "run", "10")["mode"] == "frozen"
    searched = comparison_table(rows, compared())
    assert "| full (2), frozen (1) |" in searched and "chose how it is trained by 6 trials" in searched
    fixed = compared()
    fixed = dataclasses.replace(fixed, config=dataclasses.replace(fixed.config, mode="full"))
    told = comparison_table(rows, fixed)
    assert "The mode was fixed for all arms (--mode full)" in told and "trials" not in told


def test_a_column_that_earlier_lines_lack_is_empty_there(tmp_path: Path):
    """A comparison that an earlier version began goes on with a column more."""
    write_csv(tmp_path / "t.csv", [{"arm": "a", "labels": 1}, {"arm": "b", "labels": 2, "temperature_from": "val"}])
    with (tmp_path / "t.csv").open(newline="") as stream:
        assert [row["temperature_from"] for row in csv.DictReader(stream)] == ["", "val"]
