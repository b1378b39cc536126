"""Rows that show one object at several times, by --object-column: its number is carried, its split is one."""

from pathlib import Path

import numpy as np
import pytest

from astrokeras.errors import UsageError
from astrokeras.records.splitting.assignment import load_splitting
from tests.sky import VISITS, config_for, run, write_visits

N = 60


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    return write_visits(tmp_path, N)


def test_the_rows_of_an_object_share_a_number_and_a_split(visits: Path):
    records, examples, rejects = run(config_for(visits, object_column="GALAXY", splits="train=0.6,val=0.4"))
    assert records.columns == ("object",)
    assert not rejects
    number = {name: np.frombuffer(example["object"], "<f8")[0] for name, example in examples.items()}
    splits = {name: example["split"] for name, example in examples.items()}
    for n in range(N):
        if n % 3 == 0:
            assert np.isnan(number[f"{n}A"])
            continue
        assert len({splits[f"{n}{visit}"] for visit in VISITS}) == 1
        (same,) = {number[f"{n}{visit}"] for visit in VISITS}
        assert same == n - n // 3 - 1  # in alphabetical order, from 0
    assert len(set(splits.values())) == 2


def test_without_the_column_they_would_not(visits: Path):
    _, examples, _ = run(config_for(visits, splits="train=0.6,val=0.4"))
    assert any(len({examples[f"{n}{visit}"]["split"] for visit in VISITS}) == 2 for n in range(1, N, 3))


def test_a_split_by_visits_keeps_an_object_in_the_split_of_most_of_its_rows(visits: Path):
    options = {"object_column": "galaxy", "split_by": "field", "splits": "train=0.7,val=0.3"}
    _, examples, rejects = run(config_for(visits, **options))
    by_object: dict[str, set[str]] = {}
    for name, example in examples.items():
        by_object.setdefault(name[:-1], set()).add(example["split"])
    assert all(len(splits - {"margin"}) == 1 for splits in by_object.values())
    # Of three visits two are for training, and the third holds one row of each of the forty named objects.
    assert not rejects
    assert [example["split"] for example in examples.values()].count("margin") == 40
    assert len(examples) == 140
    assert {examples[f"{n}{v}"]["split"] for n in range(1, N, 3) for v in VISITS} == {"train", "margin"}


def test_a_later_conversion_must_split_by_objects_too(visits: Path):
    run(config_for(visits, object_column="galaxy"))
    assert load_splitting(str(visits / "records")).objects
    later = {"splits_from": str(visits / "records"), "out": str(visits / "later")}
    with pytest.raises(UsageError, match="all rows of an object in one split; give their --object-column"):
        run(config_for(visits, **later))
    _, before, _ = run(config_for(visits, object_column="galaxy", overwrite=True))
    _, after, _ = run(config_for(visits, object_column="galaxy", **later))
    assert {name: e["split"] for name, e in before.items()} == {name: e["split"] for name, e in after.items()}


def test_an_earlier_conversion_without_objects_is_not_gone_on_with(visits: Path):
    run(config_for(visits))
    with pytest.raises(UsageError, match="each id by itself; leave it out"):
        run(config_for(visits, object_column="galaxy", splits_from=str(visits / "records"), out=str(visits / "later")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"object_column": "galaxies"}, "--object-column: catalogue column"),
        ({"object_column": "galaxy", "columns": ("object",)}, "object"),
    ],
)
def test_what_is_no_object_column(visits: Path, options: dict, message: str):
    with pytest.raises(UsageError, match=message):
        run(config_for(visits, **options))
