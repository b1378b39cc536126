"""What `predict` and `embed` take over from the records of a run when it cuts stamps from new images."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from pyarrow import parquet

from astrokeras.config import (
    ConvertConfig,
    EmbedConfig,
    FinetuneConfig,
    PredictConfig,
    option_fields,
    replaced,
    values_of,
)
from astrokeras.embedding.embed import embed
from astrokeras.embedding.inference import new_images
from astrokeras.embedding.inference.new_images import Before, conversion_for
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.finetune import finetune
from astrokeras.progress import not_shown
from astrokeras.records.conversion.convert import convert
from astrokeras.serving.predict import predict
from astrokeras.serving.trained import load_trained
from tests.tiny import TINY

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def trained_run(sample_records, tmp_path_factory):
    out = tmp_path_factory.mktemp("new") / "run"
    options = {"backbone": (TINY,), "repeats": 1, "mode": "frozen"}
    finetune(FinetuneConfig(records=str(sample_records), out=str(out), **options), print)
    return out


def ask(run_directory, survey, out, report, **changes):
    """Predict what the images of a survey show; return the table."""
    options = {
        "run": str(run_directory), "data": f"{survey}/images/{{field}}_{{band}}.fits", "workers": 1,
        "catalog": f"{survey}/catalog.fits", "out": str(out), "overwrite": True,
    }  # fmt: skip
    predict(PredictConfig(**{**options, **changes}), report, not_shown)
    return Table.read(out)


@pytest.fixture(scope="module")
def usual(trained_run, sample_survey, tmp_path_factory):
    """What the run itself predicts of the sample survey's images, asked for nothing else."""
    return ask(trained_run, sample_survey, tmp_path_factory.mktemp("usual") / "p.ecsv", print)


@pytest.fixture
def asked(trained_run, sample_survey, tmp_path):
    """A prediction of the sample survey's images, with the lines that are said."""
    lines = []

    def run(run_directory=trained_run, **changes):
        lines.clear()
        return ask(run_directory, sample_survey, tmp_path / "p.ecsv", lines.append, **changes)

    run.lines = lines
    return run


def changed_run(run, path, **conversion):
    """A copy of a run whose records were converted otherwise."""
    shutil.copytree(run, path)
    content = json.loads((path / "run.json").read_text())
    content["records"]["conversion"] |= conversion
    (path / "run.json").write_text(json.dumps(content))
    return path


def _zero_point(file):
    with fits.open(file) as hdus:
        return next(hdu.header["MAGZPT"] for hdu in hdus if "MAGZPT" in hdu.header)


def test_every_option_of_convert_is_decided_upon():
    """Who adds an option to `convert` says here whether it describes the stamps that a network was trained on."""
    groups = (new_images.STAMPS, new_images.COLUMNS, new_images.GIVEN, new_images.LEFT)
    decided = [name for group in groups for name in group]
    assert sorted(decided) == sorted(option_fields(ConvertConfig))


def test_only_what_describes_the_stamps_is_taken_over(trained_run, tmp_path, asked, usual):
    """No cluster is asked, no other table read, and no limit of the training ends the prediction."""
    others = {
        "scheduler": "tcp://127.0.0.1:1", "splits_from": "/nowhere", "where": "nothing > 3", "max_reject_fraction": 0.0,
        "resume": True, "overwrite": True, "weight": "/nowhere/{field}_{band}.w.fits", "hcompress": True,
        "survey": "no", "max_image_bytes": 1, "mask": None, "object_column": "NONE", "magnitudes": "M_{band}",
        "something_new": [1],
    }  # fmt: skip
    run = changed_run(trained_run, tmp_path / "run", **others)
    trained = load_trained(run)
    before = Before(run / "run.json", trained.unit, trained.conversion)
    data = "{field}_{band}.fits"
    options = conversion_for(before, PredictConfig(run="", data=data, out="x.csv"), data, lambda line: None)
    fields, values = option_fields(ConvertConfig), values_of(options)
    assert all(values[name] == fields[name].default for name in others if name in fields)
    assert len(asked(run)) == len(usual) > 100


def test_weights_are_given_anew_and_missed_in_a_line(trained_run, sample_survey, tmp_path, asked):
    run = changed_run(trained_run, tmp_path / "run", weight="w/{field}_{band}.fits")
    everything = asked(run)
    assert any("--weight w/{field}_{band}.fits, which is not taken over" in line for line in asked.lines)
    for file in (sample_survey / "images").glob("*.fits"):  # the left half of every image is bad
        image = fits.getdata(file)
        weight = np.ones(image.shape, np.float32)
        weight[:, : image.shape[1] // 2] = 0
        (tmp_path / "w").mkdir(exist_ok=True)
        fits.writeto(tmp_path / "w" / file.name, weight)
    half = asked(run, weight=f"{tmp_path}/w/{{field}}_{{band}}.fits")
    assert not any("not taken over" in line for line in asked.lines)
    rejects = Table.read(tmp_path / "p.rejects.ecsv")
    assert set(half["id"]) | set(rejects["id"][rejects["reason"] == "bad_pixels"]) >= set(everything["id"])
    assert 0 < len(half) < 0.8 * len(everything)
    masked = asked(run, mask=f"{tmp_path}/w/{{field}}_{{band}}.fits", mask_bits="1")  # the right half now
    assert 0 < len(masked) < 0.8 * len(everything)
    assert len(set(masked["id"]) - set(half["id"])) > 20


def test_zero_points_of_new_fields_are_given(trained_run, sample_survey, tmp_path, asked, usual):
    images = sample_survey / "images"
    fields = sorted(file.name.removesuffix("_g.fits") for file in images.glob("*_g.fits"))
    values = {band: [_zero_point(images / f"{field}_{band}.fits") for field in fields] for band in "gri"}
    table = tmp_path / "old.csv"
    Table({"field": fields[:1], **{b: v[:1] for b, v in values.items()}}).write(table)
    run = changed_run(trained_run, tmp_path / "run", zero_point=str(table))
    old = asked(run)
    assert any(f"fields that are not in {table} are rejected" in line for line in asked.lines)
    Table({"field": fields, **values}).write(tmp_path / "new.csv")
    new = asked(run, zero_point=str(tmp_path / "new.csv"))
    assert len(old) < len(new) == len(usual)
    np.testing.assert_allclose(new["p_star"], usual["p_star"], atol=1e-5)
    brighter = asked(trained_run, zero_point="20")
    assert np.abs(np.asarray(brighter["p_star"]) - np.asarray(usual["p_star"])).max() > 1e-3
    table.unlink()
    with pytest.raises(UsageError, match=r"old.csv, which is not here; give those of the new images by --zero-point"):
        asked(run)


def test_edges_may_be_padded(asked, usual):
    assert set(usual["id"]) < set(asked(edge="pad")["id"])


def test_columns_that_a_new_catalogue_lacks_are_told(trained_run, sample_survey, tmp_path, asked, usual):
    catalog = Table.read(sample_survey / "catalog.fits")
    run = changed_run(trained_run, tmp_path / "run", ra_column="ALPHA", dec_column="DEC", label="KIND")
    table = asked(run)
    assert any(line.startswith("--ra-column ALPHA of the records is not taken over") for line in asked.lines)
    assert any(line.startswith("--label KIND of the records is not taken over") for line in asked.lines)
    assert "label" not in table.colnames
    truth = {str(name).strip(): str(kind).strip() for name, kind in catalog.iterrows("ID", "CLASS")}
    masked = np.ma.getmaskarray(usual["label"])
    assert not masked.all()
    for row, hidden in zip(usual, masked, strict=True):
        assert hidden or row["label"] == truth[row["id"]]
    carried = {str(name).strip(): value for name, value in catalog.iterrows("ID", "MAG_TRUE_r")}
    assert [row["MAG_TRUE_r"] for row in usual] == pytest.approx([carried[n] for n in usual["id"]], nan_ok=True)


def test_integers_stay_integers_and_positions_stand_beside(trained_run, sample_survey, tmp_path, asked):
    """A merge with the catalogue works, from images and from records; without a WCS there are x and y."""
    catalog = Table.read(sample_survey / "catalog.fits")
    catalog["OWN"] = np.arange(len(catalog)) + 2**53
    catalog.write(tmp_path / "catalog.fits")
    run = changed_run(trained_run, tmp_path / "run", id_column="OWN")
    table = asked(run, catalog=str(tmp_path / "catalog.fits"))
    assert table.colnames[:4] == ["id", "ra", "dec", "class"]
    assert table["id"].dtype == np.int64
    rows = np.asarray(table["id"]) - 2**53
    lower = {name.lower(): name for name in catalog.colnames}
    for axis in ("ra", "dec"):
        np.testing.assert_array_equal(table[axis], np.asarray(catalog[lower[axis]], float)[rows])
        assert table[axis].unit == "deg"


def test_a_table_of_other_records_is_refused(trained_run, sample_records, tmp_path):
    shutil.copytree(sample_records, tmp_path / "records")
    objects = tmp_path / "records/objects.parquet"
    table = parquet.read_table(objects)
    parquet.write_table(table.take([*range(1, len(table)), 0]), objects)
    config = PredictConfig(run=str(trained_run), data=str(tmp_path / "records"), out=str(tmp_path / "p.csv"))
    with pytest.raises(AstrokerasError, match=r"objects.parquet .*convert the survey again"):
        predict(config, print, not_shown)


@pytest.mark.parametrize("odd", [{"size": None}, {"bands": "gri"}, {"zero_point": 5}, {"columns": [None]}])
def test_a_damaged_run_is_named(trained_run, tmp_path, asked, odd):
    run = changed_run(trained_run, tmp_path / "run", **odd)
    with pytest.raises(AstrokerasError, match=r"run.json is damaged"):
        asked(run)
    assert not Path(tmp_path / "p.ecsv").exists()


def test_images_become_levels_as_those_of_the_records(sample_config, sample_survey, tmp_path):
    """The encoder that ships sees the same on images as on the records that were made of them."""
    chosen = {
        "where": f"ID in {[f'SIM-{n:07d}' for n in range(1, 20)]}",
        "columns": (),
        "edge": "pad",
        "splits": "train=1",
    }
    config = replaced(sample_config, **chosen, levels="lupton", size=88, out=str(tmp_path / "records"))
    convert(config, lambda line: None)
    images, records = f"{sample_survey}/images/{{field}}_{{band}}.fits", str(tmp_path / "records")
    like = {"like": records, "catalog": f"{sample_survey}/catalog.fits"}
    vectors = []
    for number, (data, options) in enumerate([(records, {}), (images, like)]):
        out = str(tmp_path / f"{number}.parquet")
        embed(EmbedConfig(encoder="sdss-gri-compact", data=data, out=out, workers=1, **options), lambda line: None)
        table = parquet.read_table(out).to_pydict()
        vectors.append(dict(zip(table["id"], table["embedding"], strict=True)))
    written, cut = vectors
    assert len(written) > 10 and written.keys() < cut.keys()
    for name, vector in written.items():
        np.testing.assert_allclose(cut[name], vector, atol=1e-5)


def test_pictures_are_levels_already():
    """Zero points and levels of the records do not go with JPEG; their bands are red, green and blue."""
    conversion = {
        "bands": ["i", "r", "g"],
        "levels": "lupton",
        "zero_point": "header:MAGZPT",
        "size": 32,
        "edge": "pad",
    }
    before, lines = Before(Path("convert.json"), "display", conversion), []

    def told(data):
        lines.clear()
        return conversion_for(
            before, EmbedConfig(encoder="", data=data, out="e.parquet"), data, lines.append
        ).photometry

    assert (told("{id}.jpg").levels, told("{id}.jpg").zero_point) == (None, None)
    assert (told("{id}_{band}.fits").levels, told("{id}_{band}.fits").zero_point) == ("lupton", "header:MAGZPT")
    assert "levels lupton" in lines[0]
