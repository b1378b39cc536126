"""Labels from tables: joined by id, counted, and refused where they can't be meant."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from pyarrow import parquet

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.finetune import finetune
from astrokeras.evaluation.labels import gather_labels
from astrokeras.evaluation.regrouping import regrouped, sets_of
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.reader import Reader
from astrokeras.tasks.registry import parse_targets
from astrokeras.tasks.target import TARGETS
from astrokeras.training.leaks import check_leaks
from tests.evaluation.comparing import options, silent
from tests.synthetic import write_records
from tests.tiny import TINY

pytestmark = pytest.mark.long

SPLITS = ("train", "val", "test")
COUNTS = {"train": 6, "val": 2, "test": 3}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    """Records whose ids are 000, 001, …, in which `rejects.ecsv` tells of one row more."""
    numbers = iter(range(100))
    path = tmp_path_factory.mktemp("labels") / "records"
    found = write_records(path, counts=COUNTS, name_of=lambda split, row: f"{next(numbers):03d}")
    rejects = Table({"id": ["900"], "reason": ["edge"], "detail": ["over the edge"]})
    rejects.write(path / "rejects.ecsv", format="ascii.ecsv", overwrite=True)
    return found


def gathered(records: RecordsDirectory, table: Table | Path, target: str = "class(kind)", **changes: object):
    """Return the labels of a table, the table, and what was said."""
    path = table if isinstance(table, Path) else records.path.parent / "labels.csv"
    if isinstance(table, Table):
        table.write(path, format="ascii.csv", overwrite=True)
    config = FinetuneConfig(str(records.path), "out", labels=str(path), **changes)
    said: list[str] = []
    labels, found = gather_labels(config, records, None, parse_targets([target]), SPLITS, said.append)
    return labels, found, said


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "vot", "parquet"])
def test_every_format_is_joined_by_id_as_text(records: RecordsDirectory, tmp_path: Path, suffix: str):
    kind = MaskedColumn(["b", "a", "c", "a"], mask=[False, False, False, True])
    table = Table({"ObjID": ["010", "001", "900", "002"], "kind": kind})
    path = tmp_path / f"labels.{suffix}"
    table.write(path, **({"format": "votable"} if suffix == "vot" else {}))
    labels, found, said = gathered(records, path)
    assert {s: labels.split(s)["kind"].filled("-").tolist() for s in SPLITS} == {
        "train": ["-", "a", "-", "-", "-", "-"], "val": ["-", "-"], "test": ["-", "-", "b"],
    }  # fmt: skip
    assert labels.distinct("kind") == ("a", "b"), "c is a class of no record"
    assert dict(found.unmatched) == {"900": "rejected at conversion (edge)"}
    assert said[0].endswith(
        "of 4 ids 2 are in train, 0 are in val, 1 are in test, 1 in no record (1 rejected at conversion (edge))"
    )


def test_integers_and_text_are_one_id_only_where_they_read_alike(records: RecordsDirectory, tmp_path: Path):
    Table({"id": [1, 10], "kind": ["a", "b"]}).write(tmp_path / "whole.fits")
    with pytest.raises(AstrokerasError, match=r"none of its ids \(id: 1, 10\) is one of .*\(000, 001"):
        gathered(records, tmp_path / "whole.fits")


def test_classes_get_names_and_negative_numbers_are_none(records: RecordsDirectory):
    table = Table({"id": ["000", "001", "002", "003"], "kind": [1, 0, -1, 1]})
    labels, _, said = gathered(records, table, label_names=("1=galaxy", "0=star"))
    assert labels.split("train")["kind"].filled("-").tolist() == ["galaxy", "star", "-", "galaxy", "-", "-"]
    assert labels.distinct("kind") == ("galaxy", "star")
    assert any("1 of 4 rows are unlabelled" in line for line in said)


def test_several_rows_of_one_id(records: RecordsDirectory, monkeypatch: pytest.MonkeyPatch):
    table = Table({"id": ["000", "001", "000", "000"], "kind": [2.0, 1.0, np.nan, 5.0]})
    with pytest.raises(AstrokerasError, match=r"1 ids have several rows: 000 \(3 rows\); leave one row of each"):
        gathered(records, table)
    kind = TARGETS.get("class")
    monkeypatch.setattr(kind, "repeated_rows", True)
    monkeypatch.setattr(kind, "of_classes", False)
    labels, _, _ = gathered(records, table)
    assert labels.split("train")["kind"].filled(-1).tolist() == [7, 1, -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("columns", "changes", "message"),
    [
        ({"object name": ["000"], "kind": ["a"]}, {}, "no column of ids is known; name it with --id-column"),
        ({"id": ["000"], "kind": ["a"]}, {"id_column": "nr"}, "nr"),
        ({"id": ["000"], "sort": ["a"]}, {}, "has no column 'kind'; there are id, sort: name another one"),
        ({"id": ["000"], "kind": ["a\u202eb"]}, {}, "characters in it that no table keeps"),
        ({"id": ["000"], "kind": [0.5]}, {}, "holds fractions"),
    ],
)
def test_what_is_no_table_of_labels(records: RecordsDirectory, columns: dict, changes: dict, message: str):
    with pytest.raises(UsageError, match=message):
        gathered(records, Table(columns), **changes)


def test_a_column_is_of_classes_or_of_numbers(records: RecordsDirectory):
    path = records.path.parent / "labels.csv"
    Table({"id": ["000", "001"], "kind": [1, 0]}).write(path, format="ascii.csv", overwrite=True)
    config = FinetuneConfig(str(records.path), "out", labels=str(path))
    with pytest.raises(UsageError, match="column kind is read as classes and as numbers"):
        gather_labels(config, records, None, parse_targets(["class(kind)", "regression(kind)"]), SPLITS, silent)


def test_without_a_table_other_columns_are_those_of_the_records(records: RecordsDirectory):
    config = FinetuneConfig(str(records.path), "out")
    labels, table = gather_labels(config, records, None, {"magnitude": (_Magnitude, {})}, SPLITS, silent)
    assert table is None
    expected = records.objects("test")["magnitude_g"]
    np.testing.assert_array_equal(labels.split("test")["magnitude_g"].filled(np.nan), np.asarray(expected))


class _Magnitude(TARGETS.get("class")):
    of_classes = False

    @classmethod
    def columns(cls):
        return ("magnitude_g",)


@pytest.mark.parametrize("mode", ["frozen", "full"])
def test_finetuning_on_a_table(place: Path, tmp_path: Path, mode: str):
    """The labels of the records, without those of some; budgets for each class, classes that count alike."""
    own = RecordsDirectory.load(place / "records").objects()
    named = np.ma.filled(np.ma.asarray(own["label"]), "").tolist()
    kind = ["" if row % 5 == 0 else name for row, name in enumerate(named)]
    Table({"id": [*own["id"].tolist(), "nobody"], "label": [*kind, "blue"]}).write(tmp_path / "labels.csv")
    config = options(
        place, out=str(tmp_path / "out"), mode=mode, budget=("6/class", "all"), repeats=1,
        labels=str(tmp_path / "labels.csv"), class_weights="balanced",
    )  # fmt: skip
    lines: list[str] = []
    rows = finetune(config, lines.append)["rows"]
    assert [row["budget"] for row in rows] == ["6/class", "all"]
    assert rows[0]["labels"] == 12
    assert rows[1]["labels"] == sum(name != "" for name in kind[: sum(own["split"] == "train")])
    assert (tmp_path / "out/scratch/budget-6-per-class/repeat-0/run.json").is_file()
    assert (tmp_path / "out/unmatched_labels.csv").read_text() == "id,reason\nnobody,no such id in the catalogue\n"
    said = "of 181 ids 80 are in train, 40 are in val, 60 are in test, 1 in no record (1 no such id in the catalogue)"
    assert any(line.endswith(said) for line in lines)


def test_options_of_tables_need_one(place: Path, tmp_path: Path):
    for option in ({"id_column": "x"}, {"split_column": "x"}):
        config = dataclasses.replace(options(place, out=str(tmp_path / "out")), **option)
        with pytest.raises(UsageError, match=r"there is no table of labels \(--labels\)"):
            finetune(config, silent)


def test_published_splits_of_a_table(place: Path, tmp_path: Path):
    """Objects of every split of the records in every split of the table, and some in none."""
    own = RecordsDirectory.load(place / "records").objects()
    sets = [("training", "validation", "test", "")[row % 4] for row in range(len(own))]
    table = Table({"id": own["id"], "label": own["label"], "set": sets})
    table.write(tmp_path / "labels.ecsv")
    config = options(
        place, out=str(tmp_path / "out"), mode="full", repeats=1, labels=str(tmp_path / "labels.ecsv"),
        split_column="SET",
    )  # fmt: skip
    (row,) = finetune(config, silent)["rows"]
    known = np.asarray(own["label"].filled("") if hasattr(own["label"], "filled") else own["label"]) != ""
    assert row["labels"] == int((known & (np.array(sets) == "training")).sum())
    with pytest.raises(UsageError, match="--task: pretext tasks learn from the splits of the records"):
        finetune(dataclasses.replace(config, out=str(tmp_path / "other"), task=("rotation",)), silent)


def test_the_table_of_objects_goes_with_regrouped_records(sample_records: Path):
    """Each split holds all objects, whatever split the table of the conversion names."""
    records = RecordsDirectory.load(sample_records)
    stored = [example["id"].decode() for split in records.splits for _, example in Reader(records).examples(split)]
    for split in SPLITS:
        assert [str(name) for name in regrouped(records).objects(split)["id"]] == stored


def test_published_splits_of_a_survey_with_a_table_of_objects(sample_records: Path, tmp_path: Path):
    own = RecordsDirectory.load(sample_records).objects()
    sets = [("train", "val", "test", "")[row % 4] for row in range(len(own))]
    Table({"id": own["id"], "label": own["label"], "set": sets}).write(tmp_path / "labels.ecsv")
    config = FinetuneConfig(
        str(sample_records), str(tmp_path / "out"), labels=str(tmp_path / "labels.ecsv"), split_column="set",
        mode="frozen", repeats=1, allow_leaks=True, backbone=(TINY,),
    )  # fmt: skip
    finetune(config, silent)
    answers = parquet.read_table(tmp_path / "out" / "predictions.parquet").to_pylist()
    given = {str(name): (str(label), where) for name, label, where in zip(own["id"], own["label"], sets, strict=True)}
    assert answers
    assert all(given[row["id"]] == (row["label"], "test") for row in answers)


def test_the_sets_of_a_table_are_looked_through_for_leaks(records: RecordsDirectory):
    table = Table({"id": ["000", "010", "006", "003"], "kind": list("abab"), "set": ["test", "train", "val", ""]})
    path = records.path.parent / "labels.csv"
    table.write(path, format="ascii.csv", overwrite=True)
    config = FinetuneConfig(str(records.path), "out", labels=str(path), split_column="set")
    labels, found = gather_labels(config, records, None, parse_targets(["class(kind)"]), SPLITS, silent)
    assert {s: np.flatnonzero(~np.ma.getmaskarray(labels.split(s)["kind"])).tolist() for s in SPLITS} == {
        "train": [10], "val": [6], "test": [0],
    }  # fmt: skip
    sets = sets_of(records, found)
    assert {name: where.ids.tolist() for name, where in sets.splits.items()} == {
        "train": ["010"], "val": ["006"], "test": ["000"],
    }  # fmt: skip
    start = {"kind": "run", "path": "/runs/first", "command": "pretrain", "mode": None, "init": {"kind": "scratch"}}
    start["records"] = {"path": str(records.path), "name": "x", "fingerprint": records.fingerprint}
    with pytest.raises(AstrokerasError, match="1 test objects are among those that first was trained on"):
        check_leaks(records, {"first": start}, silent, allow=False, sets=sets)
