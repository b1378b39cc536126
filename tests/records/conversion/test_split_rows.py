"""Which split each row goes to, through whole conversions."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from astrokeras.config import ConvertConfig, configure, replaced, values_of
from astrokeras.errors import UsageError
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.inspect import describe_records
from tests.sky import config_for, run, write_visits


@pytest.fixture
def tile(tmp_path: Path, sample_survey: Path) -> ConvertConfig:
    """The options of a survey of two tiles, by area of sky."""
    return configure(
        ConvertConfig,
        images=str(sample_survey / "images" / "{field}_{band}.fits"), bands=("g", "r"), out=str(tmp_path / "records"),
        catalog=str(sample_survey / "catalog.fits"), size=8, workers=1, splits="train=0.6,test=0.4", label="CLASS",
    )  # fmt: skip


def test_objects_of_tiles_are_split_by_sky_and_none_is_lost(tile: ConvertConfig):
    lines: list[str] = []
    convert(tile, report=lines.append)
    records = RecordsDirectory.load(tile.running.out)
    assert any(line.startswith("splits: by sky (the default") for line in lines)
    assert "overlap: 0.0% of the test stamps share sky with training stamps" in lines
    assert "HEALPix" in records.content["split_by"]
    assert set(records.splits) == {"train", "test", "margin"}
    assert "straddles_splits" not in records.content["rejects"]
    assert records.content["overlaps"] == {"test": 0.0}
    assert "overlap: 0.0%" in describe_records(records.content)
    objects = records.objects()
    assert set(objects["split"]) == {"train", "test", "margin"}
    assert len(objects) == sum(records.counts.values())
    where = {name: objects[objects["split"] == name] for name in ("train", "test")}
    for field in np.unique(objects["field"]):
        a, b = (where[name][where[name]["field"] == field] for name in ("train", "test"))
        apart = np.maximum(np.abs(a["x"] - b["x"][:, None]), np.abs(a["y"] - b["y"][:, None]))
        assert apart.min() >= tile.stamps.size


def test_published_splits_are_taken_as_they_are(survey_with_sets: Path):
    lines: list[str] = []
    config = config_for(survey_with_sets, split_column="SET", size=8)
    convert(config, report=lines.append)
    records, examples, _ = run(config_for(survey_with_sets, split_column="SET", size=8, out=config.running.out + "2"))
    table = Table.read(survey_with_sets / "catalog.fits")
    expected = {"train": "train", "validation": "val", "test": "test", "--": "margin"}
    assert {name: example["split"] for name, example in examples.items()} == {
        str(row["id"]): expected[str(row["SET"])] for row in table if str(row["id"]) in examples
    }
    assert records.content["split_by"] == "column SET"
    assert any("without a value are neither trained nor tested on" in line for line in lines)
    with pytest.raises(UsageError, match="give the column again"):
        convert(
            config_for(survey_with_sets, splits_from=config.running.out, out=config.running.out + "3"),
            report=lambda line: None,
        )


@pytest.fixture
def survey_with_sets(tmp_path: Path) -> Path:
    write_visits(tmp_path, 20)
    table = Table.read(tmp_path / "catalog.fits")
    sets = ["train", "train", "validation", "test", ""]
    table["SET"] = [sets[i % len(sets)] for i in range(len(table))]
    table.write(tmp_path / "catalog.fits", overwrite=True)
    return tmp_path


@pytest.mark.parametrize("option", [{"split_by": "id"}, {"splits": "train=1"}, {"cell_size": 3.0}])
def test_a_column_of_splits_leaves_nothing_to_say(survey_with_sets: Path, option: dict):
    with pytest.raises(UsageError, match="says already in which split each object is"):
        run(config_for(survey_with_sets, split_column="SET", **option))


def test_a_single_split_has_no_margin(tile: ConvertConfig):
    content = convert(replaced(tile, size=64, splits="train=1"), report=lambda line: None)
    assert set(content["splits"]) == {"train"}


def test_a_survey_too_small_for_areas(tile: ConvertConfig, tmp_path: Path):
    small = {**values_of(tile), "size": 64, "splits": "train=0.6,val=0.2,test=0.2"}
    with pytest.raises(UsageError, match="--split-by"):
        convert(configure(ConvertConfig, **small), report=lambda line: None)
