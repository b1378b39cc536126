"""Comparisons by features interpolated among all objects: what stands in them, and what they refuse."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import astrokeras as ak
from astrokeras.config import ExportConfig
from astrokeras.embedding.inference.find_encoder import find_encoder
from astrokeras.errors import UsageError
from astrokeras.evaluation.budget import draw, parse_budget
from astrokeras.evaluation.finetune import finetune
from astrokeras.serving.export import export
from astrokeras.serving.trained import load_trained
from astrokeras.tasks.few_labels import METHODS, classify, spread
from tests.evaluation.comparing import options, rows_of, silent


@pytest.fixture(scope="module")
def few(place: Path, tmp_path_factory) -> tuple[Path, dict, list[str]]:
    """A comparison of two arms, what it returned and what it said."""
    out, said = tmp_path_factory.mktemp("few") / "run", []
    config = options(
        place, out=str(out), init=("scratch", str(place / "magnitudes")), budget=("8", "all"), repeats=2,
        mode="fewshot",
    )  # fmt: skip
    return out, finetune(config, said.append), said


def test_answers_are_those_of_the_features_of_all_objects(few, place: Path):
    out = few[0]
    fit = out / "magnitudes" / "budget-8" / "repeat-1"
    encoder = ak.open_run(place / "magnitudes")
    records = ak.open_records(place / "records")
    vectors = np.concatenate([encoder.embed(records, split) for split in ("train", "val", "test")])
    line = next(row for row in rows_of(out / "repeats.csv") if row["directory"] == fit.relative_to(out).as_posix())
    assert line["mode"] == "fewshot" and line["labels"] == "8"
    drawn = json.loads((fit / "run.json").read_text())
    assert set(drawn["others"]) == set(METHODS) - {"interpolated"}
    # Labels are those of the draw alone; the graph has all objects.
    labels, truth = (records.arrays(split, ("label",))["label"] for split in ("train", "test"))
    numbers = np.full(len(vectors), -1)
    chosen = np.flatnonzero(draw(labels, parse_budget("8"), 0, 1))
    numbers[chosen] = labels[chosen]
    expected = classify(vectors, spread(vectors), numbers, len(records.classes), seed=1000)
    known = truth >= 0
    assert 0 < known.sum() < len(known) == 60
    for method, chances in expected.items():
        told = chances[-60:][known].argmax(axis=1)
        recalls = [(told == k)[truth[known] == k].mean() for k in range(len(records.classes))]
        score = line if method == "interpolated" else drawn["others"][method]
        assert float(score["test_balanced_accuracy"]) == pytest.approx(np.mean(recalls)), method
    told = np.load(fit / "answers.npz")["test/class"]
    np.testing.assert_array_equal(told.argmax(axis=1), expected["interpolated"][-60:][known].argmax(axis=1))


def test_the_table_has_every_arm_and_every_other_method(few):
    out, result, _ = few
    table = pd.read_csv(out / "comparison.csv")
    assert set(table.loc[table["mode"] == "fewshot", "arm"]) == {"scratch", "magnitudes"}
    simple = set(table.loc[table["mode"] == "baseline", "arm"])
    assert {f"{METHODS['linear']}, scratch", f"{METHODS['mean']}, magnitudes"} <= simple
    page = (out / "comparison.html").read_text()
    for text in (page, result["table"], (out / "comparison.md").read_text()):
        assert "the answers are for the objects of these records only" in text
    assert set(pd.read_parquet(out / "predictions.parquet")["arm"]) == {"scratch", "magnitudes"}
    assert not list(out.rglob("model.keras")) and not list(out.rglob("head.keras"))
    assert "encoder.keras, which embed takes, is that of" in page


def test_nothing_is_asked_that_has_no_network(few, tmp_path: Path):
    out, _, _ = few
    for ask in (
        lambda: load_trained(out),
        lambda: export(ExportConfig(str(out), str(tmp_path / "m"))),
        lambda: ak.open_run(out).model(),
        lambda: load_trained(out / "scratch" / "budget-8" / "repeat-0"),
    ):
        with pytest.raises(UsageError, match="has no model for others; classify them by astrokeras fewshot"):
            ask()
    assert find_encoder(str(out)).width == find_encoder(str(out / "scratch" / "budget-8" / "repeat-0")).width


def test_a_comparison_that_was_stopped_goes_on(few, place: Path):
    out, before, _ = few
    lost = out / "scratch" / "budget-8" / "repeat-0" / "run.json"
    answers = np.load(lost.parent / "answers.npz")["test/class"]
    lost.unlink()
    config = options(
        place, out=str(out), init=("scratch", str(place / "magnitudes")), budget=("8", "all"), repeats=2,
        mode="fewshot", resume=True,
    )  # fmt: skip
    after = finetune(config, silent)
    np.testing.assert_allclose(np.load(lost.parent / "answers.npz")["test/class"], answers, atol=1e-5)
    assert [row["arm"] for row in after["baselines"]] == [row["arm"] for row in before["baselines"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": ("regression(z)",)}, "--mode fewshot tells classes, and --target regression has none"),
        ({"target": ("class(smoothing=0.1)",)}, "smoothing was given, but there is no head to train"),
        ({"target": ("class(a,b)",)}, "has 2 columns, expected one of names"),
        ({"init": ("scratch+imagenet",)}, "makes no networks to take the mean of"),
        ({"init": ("imagenet:adapter",)}, "its adapter would learn nothing"),
        ({"epochs": 3}, "--epochs was given, but there is nothing that trains for steps"),
        ({"trials": 4}, "no search"),
    ],
)
def test_what_is_refused(place: Path, tmp_path: Path, changes, message):
    plain = options(place, out=str(tmp_path / "o"), mode="fewshot", **changes)
    with pytest.raises(UsageError, match=message):
        finetune(plain, silent)
