"""The table of objects, written again from the shards and the catalogue."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from astrokeras.errors import AstrokerasError
from astrokeras.files import write_json
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.metadata import signed
from astrokeras.records.objects import OBJECTS
from astrokeras.records.reindex import reindex
from astrokeras.records.verify import verify
from tests.sky import config_for, write_visits


def as_before(path: Path) -> RecordsDirectory:
    """Records as they were made before there was a table."""
    (path / OBJECTS).unlink()
    content = RecordsDirectory.load(path).content
    content["files"] = [file for file in content["files"] if file["file"] != OBJECTS]
    write_json(path / "convert.json", signed(content))
    return RecordsDirectory.load(path)


def test_ids_labels_and_positions_are_there_again(sample_records: Path, tmp_path: Path):
    shutil.copytree(sample_records, tmp_path / "records")
    before = RecordsDirectory.load(tmp_path / "records").objects()
    said: list[str] = []
    reindex(as_before(tmp_path / "records"), said.append)
    records = RecordsDirectory.load(tmp_path / "records")
    after = records.objects()
    verify(records)
    assert said == [f"{records.path / OBJECTS} written: {len(before)} objects, positions are those of the catalogue"]
    assert after.colnames == before.colnames
    for name in set(before.colnames) - {"x", "y", "field"}:
        assert after[name].dtype == before[name].dtype
        assert after[name].unit == before[name].unit
        np.testing.assert_array_equal(np.asarray(after[name]), np.asarray(before[name]), err_msg=name)
    reindex(records, said.append)
    assert said[-1].endswith("as it was written; nothing to do")


def test_a_damaged_table_is_written_again_and_verification_names_the_way(sample_records: Path, tmp_path: Path):
    path = Path(shutil.copytree(sample_records, tmp_path / "records")) / OBJECTS
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(AstrokerasError, match=r"objects\.parquet is damaged.*inspect --reindex"):
        verify(RecordsDirectory.load(path.parent))
    reindex(RecordsDirectory.load(path.parent), lambda line: None)
    verify(RecordsDirectory.load(path.parent))
    assert np.isfinite(RecordsDirectory.load(path.parent).objects()["ra"]).all()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path: path.unlink(), "is gone"),
        (lambda path: Table.read(path)[:3].write(path, overwrite=True), "has changed"),
        (lambda path: None, "has none"),
    ],
)
def test_without_the_catalogue_there_are_no_positions_and_why_is_said(tmp_path: Path, change, why: str):
    write_visits(tmp_path, 6)
    table = Table.read(tmp_path / "catalog.fits")
    table["number"] = 2**60 + np.arange(len(table))
    table.write(tmp_path / "catalog.fits", overwrite=True)
    config = config_for(tmp_path, columns=("number",))
    convert(config, report=lambda line: None)
    records = as_before(Path(config.running.out))
    change(tmp_path / "catalog.fits")
    said: list[str] = []
    reindex(records, said.append)
    assert why in said[0]
    assert "without positions" in said[0]
    records = RecordsDirectory.load(config.running.out)
    verify(records)
    objects = records.objects()
    assert np.isnan(objects["ra"]).all()
    number = dict(zip(table["id"].tolist(), table["number"].tolist(), strict=True))
    assert objects["number"].tolist() == [number[name] for name in objects["id"].tolist()]
