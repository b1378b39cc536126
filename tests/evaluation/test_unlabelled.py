"""How far unlabelled objects lie from labelled ones."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from astrokeras.evaluation import unlabelled
from astrokeras.evaluation.finetune import finetune
from astrokeras.evaluation.unlabelled import Distance, share_beyond
from astrokeras.records.directory import RecordsDirectory
from tests.evaluation.comparing import options, rows_of


def test_what_is_alike_is_far_as_often_as_chance_has_it_and_what_is_not_is_far():
    rng = np.random.default_rng(0)
    near, held, alike = (rng.normal(1.0, 1.0, (n, 8)) for n in (300, 400, 400))
    assert share_beyond(near, held, alike) == pytest.approx(0.05, abs=0.03)
    assert share_beyond(near, held, -alike) > 0.5
    half = np.concatenate([alike[:200], -20.0 * np.ones((200, 8))])
    assert 0.45 < share_beyond(near, held, half) < 0.6
    # The length of an embedding, which grows with brightness, says nothing; its direction does.
    assert share_beyond(near, held, 7.0 * alike) == share_beyond(near, held, alike)


def test_of_too_few_objects_nothing_is_said():
    some = np.eye(30)
    assert math.isnan(share_beyond(some[:1], some, some))
    assert math.isnan(share_beyond(some, some[:19], some))
    assert math.isnan(share_beyond(some, some, some[:0]))
    assert Distance(1, 2, {}, math.nan).warning is None


def test_it_stands_in_the_run_and_on_the_page(place: Path):
    told = json.loads((place / "classes" / "run.json").read_text())["result"]["unlabelled"]
    records = RecordsDirectory.load(place / "records")
    splits = [records.objects(split) for split in records.splits]
    labelled = [table["label"] != "" for table in map(lambda t: {"label": np.ma.filled(t["label"], "")}, splits)]
    assert told["labelled"] == sum(int(mask.sum()) for mask in labelled)
    assert told["unlabelled"] == sum(len(table) for table in splits) - told["labelled"]
    assert 0 <= told["beyond_95"] < 0.3  # here chance took the labels away
    page = (place / "classes" / "comparison.html").read_text()
    assert "Are the unlabelled objects like the labelled ones?" in page
    assert f"<td>{told['unlabelled']}</td>" in page


def test_a_warning_is_one_line_that_says_how_far_they_are():
    medians = {"magnitude_r": (17.123456, 20.5), "size\n\x1b[2J": (3.0, 2.0), "unknown": (math.nan, 1.0)}
    assert Distance(100, 900, medians, 0.15).warning is None
    warning = Distance(100, 900, medians, 0.42).warning
    assert warning.startswith("WARNING: 42% of the objects without a label")
    assert "median magnitude_r 17.12 with a label, 20.5 without" in warning
    assert warning.isprintable() and "unknown" not in warning


def test_a_comparison_warns(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unlabelled, "BAD", -1.0)
    lines: list[str] = []
    config = options(place, out=str(tmp_path / "out"), budget=("8",), repeats=1, mode="frozen", slice_by=("g",))
    found = finetune(config, lines.append)["unlabelled"]
    (warning,) = [line for line in lines if "lie farther from the labelled" in line]
    assert warning.startswith(f"WARNING: {found['beyond_95']:.0%} of the objects without a label")
    assert 19 < found["medians"]["magnitude_g"]["unlabelled"] < 22
    # The same comparison by slices of a column.
    rows = rows_of(tmp_path / "out" / "slices.csv")
    assert {(row["column"], row["arm"], row["labels"]) for row in rows} == {("magnitude_g", "scratch", "8")}
    assert "Balanced accuracy against magnitude g" in (tmp_path / "out" / "comparison.html").read_text()
    assert {"slices-1.svg", "slices-1.pdf"} <= {file.name for file in (tmp_path / "out" / "figures").iterdir()}
