"""Objects that are trained on and judged by are found before anything is trained."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from astrokeras.config import PretrainConfig
from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.objects import OBJECTS
from astrokeras.training.leaks import check_leaks
from astrokeras.training.pretrain import pretrain
from tests.synthetic import write_records

COUNTS = {"train": 8, "val": 4, "test": 6}
_ARCSEC = 1 / 3600


def records_at(
    path: Path, *, prefix: str = "", ra: float = 10.0, near: dict[str, int] | None = None
) -> RecordsDirectory:
    """Records whose objects are a degree apart, but for the first `near` of a split, which lie by training ones."""
    records = write_records(path, counts=COUNTS, seed=3)
    ids, splits, place = [], [], []
    for split, count in COUNTS.items():
        for row in range(count):
            ids.append(f"{prefix}{split}-{row}")
            splits.append(split)
            by = row < (near or {}).get(split, 0)
            place.append(ra + (row + 0.5 * _ARCSEC if by else len(place)))
    columns = {"id": ids, "split": splits, "ra": place, "dec": np.zeros(len(ids))}
    parquet.write_table(pa.table(columns), path / OBJECTS)
    return records


def start_of(records: RecordsDirectory, **changes: object) -> dict:
    """What stands in ``run.json`` of a start from a pre-training on these records."""
    where = {"path": str(records.path), "name": "x", "fingerprint": records.fingerprint}
    return {"kind": "run", "path": "/runs/first", "command": "pretrain", "records": where, **changes}


def test_splits_that_share_nothing(tmp_path: Path):
    lines: list[str] = []
    records = records_at(tmp_path / "records")
    check_leaks(records, {"scratch": {"kind": "scratch"}, "first": start_of(records)}, lines.append, allow=False)
    assert lines == []


@pytest.mark.parametrize("allow", [False, True])
def test_objects_of_two_splits_within_an_arcsecond(tmp_path: Path, allow: bool):
    lines: list[str] = []
    records = records_at(tmp_path / "records", near={"val": 2, "test": 3})
    said = "3 test and 2 validation objects are in the training split too (5 of them by place, within an arcsecond; as"
    if allow:
        check_leaks(records, {}, lines.append, allow=True)
        assert lines == [f"WARNING: {said} test-0, test-1, test-2, val-0, val-1): scores will be too good"]
    else:
        with pytest.raises(AstrokerasError, match=r"--split-by sky.*--allow-leaks") as caught:
            check_leaks(records, {}, lines.append, allow=False)
        assert str(caught.value).startswith(said)


def test_what_an_earlier_run_was_trained_on_counts_too(tmp_path: Path):
    """Other records of other ids: their training objects lie where some of the test split do."""
    records = records_at(tmp_path / "records")
    test = 10 + COUNTS["train"] + COUNTS["val"]
    earlier = records_at(tmp_path / "earlier", prefix="other-", ra=test + 0.3 * _ARCSEC)
    earlier.content["fingerprint"] = "another"
    first = start_of(earlier)
    (tmp_path / "earlier" / "convert.json").write_text(json.dumps(earlier.content))
    second = start_of(records, path="/runs/second", init=first)
    with pytest.raises(AstrokerasError, match=r"6 test objects are among those that /runs/first, which runs/second"):
        check_leaks(records, {"runs/second": second}, lambda line: None, allow=False)


@pytest.mark.parametrize("case", ["gone", "changed", "table"])
def test_what_cannot_be_compared_is_said(tmp_path: Path, case: str):
    records, lines = records_at(tmp_path / "records"), []
    start = start_of(records)
    if case == "table":
        start["split_column"] = "SET"
    else:
        where = str(tmp_path / "nowhere") if case == "gone" else str(records.path)
        start["records"] = {**start["records"], "fingerprint": "another", "path": where}
    check_leaks(records, {"run": start}, lines.append, allow=False)
    assert len(lines) == 1
    assert lines[0].startswith("WARNING: what run was trained on cannot be compared")


def test_pretraining_is_refused_before_anything_is_written(tmp_path: Path):
    records = records_at(tmp_path / "records", near={"test": 1})
    config = PretrainConfig(str(records.path), str(tmp_path / "run"), epochs=1, batch_size=4, task=("rotation",))
    with pytest.raises(AstrokerasError, match="1 test objects are in the training split too"):
        pretrain(config, lambda line: None)
    assert not (tmp_path / "run").exists()


def test_of_a_shipped_encoder_it_is_said_that_nothing_can_be_compared(tmp_path: Path):
    records, lines = records_at(tmp_path / "records"), []
    shipped = {"kind": "encoder", "name": "some", "backbone": "compact", "sha256": "x"}
    check_leaks(records, {"some": shipped}, lines.append, allow=False)
    check_leaks(records, {"run": start_of(records, init=shipped)}, lines.append, allow=False)
    assert len(lines) == 2
    assert all("what the shipped encoder some was trained on is not here" in line for line in lines)
