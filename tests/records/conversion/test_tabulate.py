"""The table of objects beside the shards: its rows, positions, units, types and bytes."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from PIL import Image
from pyarrow import parquet

from astrokeras.config import ConvertConfig, configure, replaced
from astrokeras.errors import AstrokerasError
from astrokeras.files import write_json
from astrokeras.records import objects
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.example import decode
from astrokeras.records.metadata import describe_small_file, signed
from astrokeras.records.tfrecord import read
from astrokeras.records.verify import verify
from tests.records.tasks import contents, quiet, small_tasks

pytestmark = pytest.mark.long


def stored(records: RecordsDirectory, split: str) -> list[dict]:
    """The records of a split as they are read."""
    return [decode(record) for shard in records.shards(split) for record in read(Path(shard))]


def small(survey: Path, out: Path, **options: object) -> ConvertConfig:
    images = str(survey / "{field}_{band}.fits")
    given = {"images": images, "bands": ("g", "r"), "size": 16, "catalog": str(survey / "catalog.fits"), "workers": 1}
    return configure(ConvertConfig, out=str(out), **{**given, "label": "class", "split_by": "id", **options})


def test_rows_are_the_records_in_the_order_in_which_they_are_read(sample_records):
    records = RecordsDirectory.load(sample_records)
    table = records.objects()
    assert table.colnames == [
        "id", "split", "shard", "row", "ra", "dec", "x", "y", "field", "label", "magnitude_g", "magnitude_r",
        "magnitude_i", "MAG_TRUE_r",
    ]  # fmt: skip
    begin = 0
    for split in records.splits:
        examples = stored(records, split)
        here, begin = table[begin : begin + len(examples)], begin + len(examples)
        assert here["id"].tolist() == [example["id"].decode() for example in examples]
        assert set(here["split"]) == {split}
        labels = [int(example["label"][0]) for example in examples]
        assert here["label"].filled("").tolist() == [records.classes[n] if n >= 0 else "" for n in labels]
        magnitudes = np.stack([here[f"magnitude_{band}"] for band in "gri"], axis=1)
        np.testing.assert_array_equal(magnitudes, [example["magnitudes"] for example in examples])
        carried = [np.frombuffer(example["MAG_TRUE_r"], "<f8")[0] for example in examples]
        np.testing.assert_array_equal(here["MAG_TRUE_r"], carried)
        places = [
            (Path(name).name, row)
            for name, length in zip(records.shards(split), records.shard_lengths(split), strict=True)
            for row in range(length)
        ]
        assert list(zip(here["shard"], here["row"], strict=True)) == places
        assert records.objects(split)["id"].tolist() == here["id"].tolist()
    assert begin == len(table)


def test_the_pixels_at_x_and_y_of_the_field_are_those_of_the_record(sample_records, sample_survey):
    records = RecordsDirectory.load(sample_records)
    table, examples = records.objects("test"), stored(RecordsDirectory.load(sample_records), "test")
    for row, example in zip(table, examples, strict=True):
        stamp = np.frombuffer(example["image"], "<f4").reshape(32, 32, 3)
        with fits.open(sample_survey / "images" / f"{row['field']}_r.fits") as hdus:
            top, left = (int(np.ceil(row[axis] - 16)) for axis in "yx")
            window = hdus[1].data[top : top + 32, left : left + 32].astype(np.float64)
            window *= 10 ** (-0.4 * (hdus[1].header["MAGZPT"] - 31.4))
        np.testing.assert_allclose(stamp[..., 1], window, rtol=1e-5)


def test_positions_are_those_of_the_catalogue_and_of_the_images_wcs(sample_records, sample_survey):
    table = RecordsDirectory.load(sample_records).objects()
    catalogue = Table.read(sample_survey / "catalog.fits")
    of_id = {str(row["ID"]).strip(): row for row in catalogue}
    for row in table:
        assert (row["ra"], row["dec"]) == (of_id[row["id"]]["RA"], of_id[row["id"]]["DEC"])
        wcs = WCS(fits.getheader(sample_survey / "images" / f"{row['field']}_g.fits", 1))
        x, y = wcs.all_world2pix(row["ra"], row["dec"], 0)
        np.testing.assert_allclose((row["x"], row["y"]), (x, y), atol=1e-6)


def test_where_the_catalogue_has_pixels_alone_the_wcs_gives_ra_and_dec(sample_config, sample_survey, tmp_path):
    catalogue = Table.read(sample_survey / "catalog.fits")
    catalogue.remove_columns(["RA", "DEC"])
    catalogue.write(tmp_path / "pixels.fits")
    config = replaced(sample_config, catalog=str(tmp_path / "pixels.fits"), out=str(tmp_path / "records"))
    quiet(config)
    table = RecordsDirectory.load(tmp_path / "records").objects()
    assert len(table)
    for row in table:
        sky = WCS(fits.getheader(sample_survey / "images" / f"{row['field']}_g.fits", 1)).pixel_to_world(
            row["x"], row["y"]
        )
        np.testing.assert_allclose((row["ra"], row["dec"]), (sky.icrs.ra.deg, sky.icrs.dec.deg), atol=1e-9)


def test_without_a_wcs_there_is_no_ra_and_dec(tmp_path, monkeypatch):
    quiet(small(small_tasks(tmp_path, monkeypatch), tmp_path / "out"))
    table = RecordsDirectory.load(tmp_path / "out").objects()
    assert np.isnan(table["ra"]).all()
    assert np.isfinite(table["x"]).all()
    assert parquet.read_table(tmp_path / "out" / "objects.parquet")["dec"].null_count == len(table)


def test_units_are_seen_by_astropy_pandas_and_arrow(sample_records):
    path, said = sample_records / "objects.parquet", {"ra": "deg", "dec": "deg", "x": "pix", "magnitude_r": "mag"}
    for table in (RecordsDirectory.load(sample_records).objects(), Table.read(path)):
        assert {name: str(table[name].unit) for name in said} == said
        assert table["id"].unit is None
    assert pd.read_parquet(path).attrs["units"].items() >= said.items()
    assert parquet.read_schema(path).field("ra").metadata == {b"unit": b"deg"}
    assert pd.read_parquet(path)["label"].isna().sum() == sum(
        split["unlabelled"] for split in RecordsDirectory.load(sample_records).content["splits"].values()
    )


def test_units_are_seen_by_what_reads_the_votable_in_the_file(sample_records, tmp_path):
    header = parquet.read_schema(sample_records / "objects.parquet").metadata
    assert header[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    (tmp_path / "header.vot").write_bytes(header[b"IVOA.VOTable-Parquet.content"])
    table = Table.read(tmp_path / "header.vot", format="votable")
    assert table.colnames == RecordsDirectory.load(sample_records).objects().colnames
    assert table["dec"].unit == u.deg
    assert table["magnitude_i"].unit == u.mag


@pytest.mark.parametrize(
    ("ids", "suffix", "kind"),
    [
        ([7, 2**60 + 1, 30], "fits", "i"),
        ([7, -5, 30], "csv", "i"),
        (["007", "8", "9"], "csv", "U"),
        (["7", "8", "9"], "fits", "U"),
        ([7, 2**63 + 1, 9], "ecsv", "U"),
        (["a-1", "2", "3"], "csv", "U"),
    ],
)
def test_ids_keep_their_type(tmp_path, monkeypatch, ids, suffix, kind):
    small_tasks(tmp_path, monkeypatch)
    dtype = np.uint64 if max(map(str, ids), key=len) == str(2**63 + 1) else None
    table = Table(
        {"id": np.array(ids, dtype=dtype), "field": ["A", "B", "A"], "x": [20.0, 60, 30], "y": [20.0, 60, 30]}
    )
    table.write(tmp_path / f"few.{suffix}")
    quiet(small(tmp_path, tmp_path / "out", catalog=str(tmp_path / f"few.{suffix}"), label=None, splits="train=1"))
    found = RecordsDirectory.load(tmp_path / "out").objects()["id"]
    assert found.dtype.kind == kind
    assert sorted(map(str, found.tolist())) == sorted(map(str, ids))
    verify(RecordsDirectory.load(tmp_path / "out"))


def test_a_carried_column_of_a_name_that_is_taken_is_the_catalogues(sample_config, tmp_path):
    quiet(replaced(sample_config, columns=("X",), out=str(tmp_path / "out")))
    table = RecordsDirectory.load(tmp_path / "out").objects()
    assert "X" not in table.colnames
    assert np.isfinite(table["catalog_X"]).all()


def test_stamps_with_files_of_their_own_have_the_catalogues_positions(tmp_path):
    rng = np.random.default_rng(0)
    for name in range(12):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    Table({"id": np.arange(12), "RA": np.arange(12) + 0.5, "DEC": -np.arange(12.0)}).write(tmp_path / "all.ecsv")
    given = {"images": str(tmp_path / "{id}.png"), "bands": ("b", "g", "r"), "size": 16, "workers": 1}
    quiet(
        configure(
            ConvertConfig, out=str(tmp_path / "out"), catalog=str(tmp_path / "all.ecsv"), splits="train=1", **given
        )
    )
    table = RecordsDirectory.load(tmp_path / "out").objects()
    np.testing.assert_array_equal(table["ra"], table["id"] + 0.5)
    np.testing.assert_array_equal(table["dec"], -table["id"])
    assert np.isnan(table["x"]).all()
    assert table["field"].mask.all()


def test_measured_magnitudes_and_shapes_are_in_the_table(tmp_path, sample_config):
    config = replaced(sample_config, measure=True, columns=(), out=str(tmp_path / "out"))
    quiet(config)
    records = RecordsDirectory.load(tmp_path / "out")
    table, examples = records.objects("val"), stored(records, "val")
    np.testing.assert_array_equal(table["magnitude_i"], [example["magnitudes"][2] for example in examples])
    radii = [np.frombuffer(example["half_light_radius"], "<f8")[0] for example in examples]
    np.testing.assert_array_equal(table["half_light_radius"], radii)
    assert np.isfinite(table["half_light_radius"]).any()
    verify(records)


def test_the_bytes_do_not_depend_on_who_works_nor_on_a_rerun(tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "ROWS_A_GROUP", 7)
    survey = small_tasks(tmp_path, monkeypatch)
    found = []
    for name, workers in (("one", 1), ("two", 2)):
        quiet(small(survey, tmp_path / name, workers=workers))
        found.append((tmp_path / name / "objects.parquet").read_bytes())
    assert found[0] == found[1]
    assert parquet.ParquetFile(tmp_path / "one" / "objects.parquet").num_row_groups > 3
    verify(RecordsDirectory.load(tmp_path / "one"))


def edited(records: Path, out: Path, change) -> RecordsDirectory:
    """A copy with another table of objects, signed anew."""
    shutil.copytree(records, out)
    path = out / "objects.parquet"
    parquet.write_table(change(parquet.read_table(path)), path)
    content = RecordsDirectory.load(out).content
    content["files"] = [describe_small_file(out / file["file"]) for file in content["files"]]
    write_json(out / "convert.json", signed(content))
    return RecordsDirectory.load(out)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.slice(1),
        lambda table: table.slice(0, len(table) - 1),
        lambda table: table.take([1, 0, *range(2, len(table))]),
        lambda table: table.set_column(9, "label", table["label"].take([*range(1, len(table)), 0])),
        lambda table: table.drop_columns(["magnitude_g"]),
        lambda table: table.set_column(13, "MAG_TRUE_r", table["MAG_TRUE_r"].take([*range(1, len(table)), 0])),
    ],
)
def test_verification_finds_a_table_that_says_other_than_the_shards(sample_records, tmp_path, change):
    with pytest.raises(AstrokerasError, match=r"objects\.parquet (does not say|is damaged)"):
        verify(edited(sample_records, tmp_path / "edited", change))


def test_older_records_have_ids_and_labels_but_no_positions(sample_records, tmp_path):
    shutil.copytree(sample_records, tmp_path / "old")
    (tmp_path / "old" / "objects.parquet").unlink()
    content = RecordsDirectory.load(tmp_path / "old").content
    content["files"] = [file for file in content["files"] if file["file"] != "objects.parquet"]
    write_json(tmp_path / "old" / "convert.json", signed(content))
    old, new = (RecordsDirectory.load(path).objects() for path in (tmp_path / "old", sample_records))
    assert "ra" not in old.colnames
    for name in old.colnames:
        np.testing.assert_array_equal(np.asarray(old[name]), np.asarray(new[name]), err_msg=name)
    verify(RecordsDirectory.load(tmp_path / "old"))
    assert len(RecordsDirectory.load(tmp_path / "old").objects("val")) == old["split"].tolist().count("val")


def test_the_order_within_a_shard_is_mixed_and_each_row_stands_where_its_id_puts_it(tmp_path, monkeypatch):
    survey = small_tasks(tmp_path, monkeypatch)
    monkeypatch.undo()
    orders = []
    for seed in (0, 0, 1):
        out = tmp_path / f"out{len(orders)}"
        quiet(small(survey, out, seed=seed, splits="train=1"))
        orders.append(RecordsDirectory.load(out).objects())
    first = orders[0][orders[0]["field"] == "A"]
    assert first["id"].tolist() != first[np.argsort(first["y"])]["id"].tolist()
    assert abs(np.corrcoef(np.arange(len(first)), first["y"])[0, 1]) < 0.4
    assert orders[0]["id"].tolist() == orders[1]["id"].tolist() != orders[2]["id"].tolist()
    some = Table.read(survey / "catalog.fits")[::2]
    some.write(survey / "some.fits")
    quiet(small(survey, tmp_path / "some", catalog=str(survey / "some.fits"), splits="train=1"))
    kept = set(some["id"])
    assert RecordsDirectory.load(tmp_path / "some").objects()["id"].tolist() == [
        i for i in orders[0]["id"] if i in kept
    ]


def test_files_are_the_same_however_it_is_converted(tmp_path, monkeypatch):
    survey = small_tasks(tmp_path, monkeypatch)
    for workers in (1, 2):
        quiet(small(survey, tmp_path / str(workers), workers=workers))
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
