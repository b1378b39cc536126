"""What TensorBoard itself shows of comparisons as a whole, asked by HTTP."""

import io
import json
import re
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from tests.evaluation.comparing import rows_of

pytestmark = pytest.mark.long

TWO = "further/down/two"


class Plugins:
    """The plugins of a TensorBoard."""

    def __init__(self, address: str) -> None:
        self.address = f"{address}data/plugin/"

    def get(self, place: str, **options: str) -> bytes:
        with urllib.request.urlopen(f"{self.address}{place}?{urllib.parse.urlencode(options)}") as answer:
            return answer.read()

    def ask(self, place: str, **options: str):
        return json.loads(self.get(place, **options))


@pytest.fixture(scope="module")
def plugins(tensorboard: str) -> Plugins:
    return Plugins(tensorboard)


def run_of(run: str, arm: str) -> str:
    return f"{run}/tensorboard/{arm}/all-budgets"


def test_score_against_labels_comes_first_with_one_curve_an_arm(several: Path, plugins: Plugins):
    first, second, *_ = plugins.ask("custom_scalars/layout")["category"]
    assert first["title"] == "Score against the number of labels"
    assert [chart["title"] for chart in second["chart"]] == ["accuracy", "macro F1", "AUROC"]
    plain, sure = first["chart"]  # once, not once for each comparison
    (pattern,) = plain["multiline"]["tag"]
    series = sure["margin"]["series"][0]
    for arm in ("scratch", "magnitudes"):
        (points,) = plugins.ask("custom_scalars/scalars", run=run_of(TWO, arm), tag=pattern)["tag_to_events"].values()
        rows = [row for row in rows_of(several / TWO / "comparison.csv") if row["arm"] == arm]
        assert [step for _, step, _ in points] == [int(row["labels"]) for row in rows]
        expected = [float(row["test_balanced_accuracy_mean"]) for row in rows]
        assert [value for *_, value in points] == pytest.approx(expected, rel=1e-6)
        limits = [
            plugins.ask("custom_scalars/scalars", run=run_of(TWO, arm), tag=f"^{re.escape(series[end])}$")
            for end in ("lower", "upper")
        ]
        low, high = (next(iter(limit["tag_to_events"].values())) for limit in limits)
        assert all(a[2] <= value <= b[2] for a, value, b in zip(low, expected, high, strict=True))


def test_a_word_leaves_the_runs_of_the_arms_alone(tensorboard: str):
    with urllib.request.urlopen(f"{tensorboard}data/runs") as answer:
        runs = json.load(answer)
    assert len(runs) == 18 + 5
    assert {run for run in runs if "all-budgets" in run} == {
        run_of("one", "scratch"), *(run_of(r, a) for r in (TWO, "further/copied") for a in ("scratch", "magnitudes"))
    }  # fmt: skip


def test_precision_and_recall_are_those_of_the_table_of_answers(several: Path, plugins: Plugins):
    answers = pandas.read_parquet(several / TWO / "predictions.parquet")
    mine = answers[(answers.arm == "scratch") & (answers.budget == "all")]
    tag = "precision and recall/red"
    assert f"{tag}/pr_curves" in plugins.ask("pr_curves/tags")[run_of(TWO, "scratch")]
    (curve,) = plugins.ask("pr_curves/pr_curves", run=run_of(TWO, "scratch"), tag=f"{tag}/pr_curves")[
        run_of(TWO, "scratch")
    ]
    place = int(np.argmin(np.abs(np.array(curve["thresholds"]) - 0.5)))
    sure, right = mine["p_red"] >= curve["thresholds"][place], mine.label == "red"
    assert curve["recall"][place] == pytest.approx((sure & right).sum() / right.sum(), abs=0.02)
    assert curve["precision"][place] == pytest.approx((sure & right).sum() / sure.sum(), abs=0.02)


def test_confusion_and_captioned_mistakes_are_pictures(plugins: Plugins):
    shown = plugins.ask("images/tags")[run_of(TWO, "magnitudes")]
    assert set(shown) == {"confusion matrix", "most confident mistakes"}
    for tag in shown:
        (picture,) = plugins.ask("images/images", run=run_of(TWO, "magnitudes"), tag=tag, sample="0")
        image = Image.open(io.BytesIO(plugins.get(f"images/individualImage?{picture['query']}")))
        assert image.width > 150 and image.height > 100
        assert len(np.unique(np.asarray(image.convert("L")))) > 10  # something is drawn


def test_the_projector_has_embeddings_labels_and_pictures(several: Path, plugins: Plugins):
    winner = json.loads((several / TWO / "run.json").read_text())["result"]["winner"]["arm"]
    run = run_of(TWO, winner)
    assert run in plugins.ask("projector/runs")
    (about,) = plugins.ask("projector/info", run=run)["embeddings"]
    count, width = about["tensorShape"]
    name = {"run": run, "name": about["tensorName"]}
    vectors = np.frombuffer(plugins.get("projector/tensor", **name), np.float32).reshape(count, width)
    assert np.isfinite(vectors).all() and vectors.std(axis=0)[0] > 0
    head, *lines = plugins.get("projector/metadata", **name).decode().splitlines()
    assert head.split("\t") == ["id", "label", "split"]
    labels = [line.split("\t")[1] for line in lines]
    assert len(lines) == count and set(labels) == {"blue", "red", "–"}
    tested = pandas.read_parquet(several / TWO / "predictions.parquet").drop_duplicates("id").set_index("id").label
    assert {line.split("\t")[0]: line.split("\t")[1] for line in lines if "–" not in line} == tested.to_dict()
    sprite = Image.open(io.BytesIO(plugins.get("projector/sprite_image", **name)))
    side = about["sprite"]["singleImageDim"][0]
    assert sprite.width == sprite.height == side * int(np.ceil(np.sqrt(count)))


def test_a_comparison_told_again_stands_there_once(several: Path):
    for run in ("one", TWO):
        for place in (several / run / "tensorboard").glob("*/all-budgets"):
            assert len(list(place.glob("events*"))) == 1
            assert sum(file.stat().st_size for file in place.iterdir()) < 1_000_000
