"""The table of anomalies, the feedback, the sheet."""

import numpy as np
import pytest
from PIL import Image

import astrokeras as ak
from astrokeras.config import AnomaliesConfig
from astrokeras.embedding.anomalies import anomalies
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.picture import CAPTION, CELL, HEAD
from astrokeras.survey.tables import read_table
from tests.embedding.samples import CLASSES, grouped, write
from tests.synthetic import write_records

BORING, LIKED = [f"train-{i}" for i in range(4, 10)], [f"train-{i}" for i in range(80, 86)]
ODD = dict.fromkeys(BORING, 4) | dict.fromkeys(LIKED, 5)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """Ninety objects in three groups, and two kinds of odd ones, of six each."""
    work = tmp_path_factory.mktemp("anomalies")
    records = write_records(work / "records", counts={"train": 90}, size=16)
    vectors, group = grouped(90)
    for name, axis in ODD.items():
        vectors[int(name[6:]), axis] += 30
    about = {"records": {"path": str(records.path), "fingerprint": records.fingerprint}}
    label = [CLASSES[g] for g in group]
    return write(work / "e.parquet", vectors, ids=[f"train-{i}" for i in range(90)], label=label, about=about)


def found(embedded, out, **options):
    said = []
    result = anomalies(AnomaliesConfig(str(embedded), str(out), **options), said.append)
    return read_table(out), result, said


def test_all_objects_stand_there_the_oddest_first(embedded, tmp_path):
    table, result, _ = found(embedded, tmp_path / "a.parquet")
    assert table.colnames == ["id", "ra", "dec", "rank", "score", "anomalous", "chance", "label", "split"]
    assert set(table["id"][:12]) == set(ODD) and len(table) == 90
    assert table["rank"].tolist() == list(range(1, 91))
    assert (np.diff(table["score"]) <= 0).all() and (np.diff(table["chance"]) >= 0).all()
    np.testing.assert_array_equal(table["anomalous"], table["score"] > result["threshold"])
    assert result["anomalous"] == table["anomalous"].sum() and result["objects"] == result["normal"] == 90


def test_what_is_normal_can_be_said(embedded, tmp_path):
    table, result, _ = found(embedded, tmp_path / "a.parquet", normal=("spiral",), normal_split="train")
    assert result["normal"] == 15
    usual = (table["label"] == "spiral") & (table["split"] == "train")
    assert np.median(table["score"][~usual]) > 2 * np.median(table["score"][usual]), "the other groups are odd now"
    assert result["anomalous_of_normal"] == pytest.approx(table["anomalous"][usual].mean())


def test_feedback_lets_the_boring_kind_sink(embedded, tmp_path):
    given = [f"{name},boring" for name in (*BORING[:3], "train-0", "elsewhere")] + [
        f"{name},interesting" for name in LIKED[:3]
    ]
    (tmp_path / "f.csv").write_text("\n".join(["id,label", *given]) + "\n")
    before, *_ = found(embedded, tmp_path / "a.parquet")
    table, _, said = found(embedded, tmp_path / "b.parquet", feedback=str(tmp_path / "f.csv"))
    assert (np.diff(table["reranked"]) <= 0).all()
    assert "3 interesting and 4 other objects" in said[-1]
    place = {name: rank for rank, name in enumerate(table["id"])}
    assert max(place[name] for name in LIKED) < min(place[name] for name in BORING[:3])
    assert np.mean([place[name] for name in LIKED]) < np.mean([place[name] for name in BORING[3:]])
    scores = dict(zip(before["id"], before["score"], strict=True))
    assert [scores[name] for name in table["id"]] == table["score"].tolist()
    _, _, said = found(embedded, tmp_path / "c.parquet", feedback=str(tmp_path / "f.csv"), interesting=("odd",))
    assert "no label is odd" in said[-1]


def test_a_sheet_of_the_oddest(embedded, tmp_path):
    _, _, said = found(embedded, tmp_path / "a.csv", sheet=str(tmp_path / "s.png"))
    assert said[-1] == f"contact sheet in {tmp_path}/s.png"
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.height == HEAD + 8 * (CELL + CAPTION)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"method": "lof", "low_variance": 0.1}, UsageError, "--low-variance goes with --method gaussian"),
        ({"normal": ("spirals",)}, AstrokerasError, "has 'spirals'; there are: elliptical, spiral, star"),
        ({"normal_split": "val"}, AstrokerasError, "--normal-split: no object .* has 'val'; there are: test, train"),
        ({"feedback": "none.csv"}, AstrokerasError, r"none\.csv"),
        ({"sheet": "s.jpg"}, UsageError, "ends in .png"),
    ],
)
def test_what_is_refused(embedded, tmp_path, options, kind, message):
    with pytest.raises(kind, match=message):
        found(embedded, tmp_path / "a.csv", **options)
    assert not (tmp_path / "a.csv").exists()


def test_feedback_on_other_objects(embedded, tmp_path):
    (tmp_path / "f.csv").write_text("id,label\nelsewhere,boring\n")
    with pytest.raises(AstrokerasError, match="none of its 1 ids is in"):
        found(embedded, tmp_path / "a.csv", feedback=str(tmp_path / "f.csv"))


def test_in_python_anomalies_are_a_table(embedded, tmp_path):
    table = ak.anomalies(embedded, tmp_path / "a.ecsv", method="forest")
    assert len(table) == 90 and "chance" not in table.colnames
