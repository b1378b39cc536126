import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from astrokeras import __version__
from astrokeras.config import EmbedConfig
from astrokeras.embedding.embed import embed
from astrokeras.embedding.inference import piece
from astrokeras.embedding.table import Embeddings
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.encoder import build_encoder
from astrokeras.parallel.processes import SerialExecutor
from astrokeras.pipeline.dataset import load_arrays, read_columns
from astrokeras.progress import not_shown
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.tfrecord import offsets
from tests.synthetic import write_records
from tests.tampering import tamper
from tests.tiny import TINY


@pytest.fixture(scope="module")
def survey_encoder(sample_records, tmp_path_factory):
    path = tmp_path_factory.mktemp("survey") / "encoder.keras"
    build_encoder(RecordsDirectory.load(sample_records), backbone=TINY).save(path)
    return path


@pytest.fixture
def config(embedded, tmp_path):
    return EmbedConfig(
        encoder=str(embedded / "encoder.keras"), data=str(embedded / "records"), out=str(tmp_path / "e.parquet"),
        batch_size=16,
    )  # fmt: skip


def quiet(config, executor=None, lines=None):
    report = (lambda line: None) if lines is None else lines.append
    return embed(config, report, not_shown, executor)


def test_every_record_has_the_embedding_that_the_encoder_gives_it(config, embedded):
    result = quiet(config)
    table, records = Embeddings.load(config.out), RecordsDirectory.load(embedded / "records")
    assert result["embedded"] == len(table) == 100
    assert result["rejected"] == 0
    start = 0
    for split in records.splits:
        flux, label, ids = load_arrays(records, split)
        rows = slice(start, start + len(flux))
        start = rows.stop
        assert table.ids[rows].tolist() == list(ids)
        assert set(table.split[rows]) == {split}
        names = [None if number < 0 else records.classes[number] for number in label]
        assert table.label[rows].tolist() == names
        expected = build_like(config, flux)
        np.testing.assert_allclose(table.vectors[rows], expected, atol=1e-5)
        columns = read_columns(records, split)
        np.testing.assert_array_equal(table.columns["redshift"][rows], columns["redshift"])
        np.testing.assert_array_equal(table.columns["magnitude_r"][rows], columns["magnitudes"][:, 1])
    about = table.metadata
    assert about["encoder"]["sha256"] == table.encoder_sha256 == result["encoder"]["sha256"]
    assert about["records"] == {"path": str(records.path), "fingerprint": records.fingerprint}
    assert about["options"]["batch_size"] == 16
    assert about["version"] == __version__
    assert [file.name for file in table.path.parent.iterdir()] == ["e.parquet"]


def build_like(config, flux):
    from astrokeras.models.saving import load_model  # noqa: PLC0415

    return load_model(config.encoder).predict(flux, verbose=0)


def test_processes_and_devices_make_no_difference(config, monkeypatch, tmp_path):
    """The same bytes from one process, from two with a piece each, and from two devices."""
    monkeypatch.setattr(piece, "OBJECTS_A_PIECE", 50)
    quiet(config)
    for name, changes in [("workers", {"workers": 2}), ("devices", {"devices": "cpu:2"})]:
        out = tmp_path / f"{name}.parquet"
        quiet(dataclasses.replace(config, out=str(out), **changes))
        alone, other = parquet.read_table(config.out), parquet.read_table(out)
        assert alone.equals(other, check_metadata=True)


class _StopsAfter(SerialExecutor):
    def __init__(self, count):
        self.count, self.done = count, 0

    def map(self, function, works):
        for work in works:
            if self.done == self.count:
                raise KeyboardInterrupt
            yield function(work)
            self.done += 1


def test_a_run_that_was_stopped_goes_on(config, monkeypatch, tmp_path):
    monkeypatch.setattr(piece, "OBJECTS_A_PIECE", 25)
    lines, stopped = [], _StopsAfter(2)
    with pytest.raises(KeyboardInterrupt):
        quiet(config, stopped, lines)
    assert lines[-1] == "stopped; 2 of 4 pieces are kept, and the same command goes on from there"
    with pytest.raises(AstrokerasError, match=r"unfinished work on .*--split was all and is test"):
        quiet(dataclasses.replace(config, split="test"))
    rest = _StopsAfter(2)
    with pytest.raises(AstrokerasError, match=r"--batch-size was 16 and is 32"):
        quiet(dataclasses.replace(config, batch_size=32), rest)
    assert rest.done == 0
    result = quiet(config, rest, lines)
    assert (rest.done, result["embedded"]) == (2, 100)
    whole = dataclasses.replace(config, out=str(tmp_path / "whole.parquet"))
    quiet(whole)
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "e.parquet").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_table_that_is_complete_is_left(config, embedded, tmp_path):
    quiet(config)
    before = (tmp_path / "e.parquet").stat()
    with pytest.raises(AstrokerasError, match="already exists; use --overwrite"):
        quiet(config)
    again = dataclasses.replace(config, resume=True, workers=2)
    assert quiet(again)["embedded"] == 100
    with pytest.raises(AstrokerasError, match="is complete, but --split was all and is val; use --overwrite"):
        quiet(dataclasses.replace(again, split="val"))
    assert (tmp_path / "e.parquet").stat() == before
    assert quiet(dataclasses.replace(config, split="val", overwrite=True))["embedded"] == 10
    (tmp_path / "e.parquet").write_text("no table")
    with pytest.raises(AstrokerasError, match="no Parquet file"):
        quiet(again)


def test_images_give_what_their_records_give(sample_survey, sample_records, survey_encoder, tmp_path):
    """Stamps that were never written, with the same positions, labels and carried columns."""
    common = {"encoder": str(survey_encoder), "batch_size": 64}
    quiet(EmbedConfig(**common, data=str(sample_records), out=str(tmp_path / "records.parquet")))
    images = EmbedConfig(
        **common, data=f"{sample_survey}/images/{{field}}_{{band}}.fits", catalog=f"{sample_survey}/catalog.fits",
        out=str(tmp_path / "images.parquet"), like=str(sample_records),
    )  # fmt: skip
    result = quiet(images)
    records, other = (Embeddings.load(tmp_path / f"{name}.parquet") for name in ("records", "images"))
    place = {name: row for row, name in enumerate(other.ids)}
    rows = [place[name] for name in records.ids]
    assert len(rows) == len(other)
    # Their places in batches are others, by which a network may round otherwise; the stamps are equal (test_piece).
    np.testing.assert_allclose(records.vectors, other.vectors[rows], rtol=1e-4, atol=1e-5)
    for name in ("ra", "dec", "label"):
        np.testing.assert_array_equal(records.named(name), other.named(name)[rows])
    np.testing.assert_array_equal(records.columns["MAG_TRUE_r"], other.columns["MAG_TRUE_r"][rows])
    assert np.isfinite(records.ra).all()
    assert set(other.split) == {None}
    rejects = (tmp_path / "images.rejects.ecsv").read_text()
    assert result["rejected"] == sum(RecordsDirectory.load(sample_records).content["rejects"].values()) > 0
    assert "edge" in rejects
    with pytest.raises(UsageError, match=r"does not say how its stamps were cut; .*--like RECORDS"):
        quiet(dataclasses.replace(images, like=None, out=str(tmp_path / "other.parquet")))


def test_images_without_a_usable_object_leave_no_table(sample_survey, sample_records, survey_encoder, tmp_path):
    weights = tmp_path / "weights"
    shutil.copytree(sample_survey / "images", weights)
    for file in weights.glob("*_g.fits"):
        file.write_bytes(b"no image")
    config = EmbedConfig(
        encoder=str(survey_encoder), data=f"{sample_survey}/images/{{field}}_{{band}}.fits", like=str(sample_records),
        catalog=f"{sample_survey}/catalog.fits", weight=f"{weights}/{{field}}_{{band}}.fits",
        out=str(tmp_path / "e.parquet"),
    )  # fmt: skip
    with pytest.raises(AstrokerasError, match=r"^no image can be used; the first: .*_g.fits is no FITS file"):
        quiet(config)
    assert not (tmp_path / "e.parquet").exists()


def test_wrong_requests_write_nothing(config, embedded, sample_records, tmp_path):
    for changes, kind, said in [
        ({"out": str(tmp_path / "e.csv")}, UsageError, "embeddings are written as .parquet"),
        ({"split": "holdout"}, AstrokerasError, "no split 'holdout'"),
        ({"catalog": "x.fits"}, UsageError, "--catalog goes with an image template"),
        ({"like": "x"}, UsageError, "--like goes with an image template"),
        ({"data": "{field}_{band}.fits", "split": "test"}, UsageError, "--split goes with records"),
        ({"scheduler": "tcp://127.0.0.1:1", "workers": 2}, UsageError, "with --scheduler the cluster decides"),
        ({"data": str(tmp_path)}, AstrokerasError, "no records directory"),
        ({"encoder": str(tmp_path / "none")}, UsageError, "no such run directory"),
        ({"max_model_bytes": 1000}, AstrokerasError, "--max-model-bytes allows 1,000"),
        ({"devices": "tpu"}, UsageError, "expected auto, cpu:N or gpu:N"),
    ]:
        with pytest.raises(kind, match=said):
            quiet(dataclasses.replace(config, **changes))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ({"bands": ("g", "r")}, "takes 3 bands, .* has 2"),
        ({"size": 12}, "has stamps of 12 pixels, .* needs 16"),
    ],
)
def test_stamps_that_the_encoder_does_not_take_are_refused(config, tmp_path, kind, said):
    other = write_records(tmp_path / "other", counts={"train": 3, "val": 0, "test": 0}, **kind)
    with pytest.raises(AstrokerasError, match=said):
        quiet(dataclasses.replace(config, data=str(other.path)))


def test_a_damaged_shard_is_named(config, embedded, tmp_path):
    shutil.copytree(embedded / "records", tmp_path / "records")
    records = RecordsDirectory.load(tmp_path / "records")
    shard = Path(records.shards("val")[0])
    whole, length = shard.read_bytes(), offsets(shard)[1]
    for content, said in [
        (whole[:100] + b"\xff" + whole[101:], "record 0 is damaged"),
        (whole[:length], "has 1 records, expected 5"),
        (b"", "has 0 records, expected 5"),
    ]:
        tampered = tamper(tmp_path / "records", "val", 0, content)
        with pytest.raises(AstrokerasError, match=rf"^{shard}:? {said}; convert the survey again"):
            quiet(dataclasses.replace(config, data=str(tampered.path)))
    assert not list(tmp_path.glob("e*"))


def test_a_split_without_records_gives_a_table_without_rows(config, tmp_path):
    empty = write_records(tmp_path / "records", counts={"train": 3, "val": 0, "test": 0}, shards=1)
    assert quiet(dataclasses.replace(config, data=str(empty.path), split="val"))["embedded"] == 0
    assert Embeddings.load(config.out).vectors.shape == (0, 32)
