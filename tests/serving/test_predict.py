import dataclasses

import numpy as np
import pytest
from astropy.table import Table, vstack
from pyarrow import parquet

from astrokeras.config import ConvertConfig, FinetuneConfig, PredictConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.finetune import finetune
from astrokeras.pipeline.dataset import load_arrays, read_columns
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import Records
from astrokeras.serving import predict as predict_module
from astrokeras.serving.predict import predict
from astrokeras.serving.trained import load_trained
from astrokeras.survey.tables import read_table
from tests.synthetic import write_records


def run(config):
    return predict(config, print, lambda items, _: items)


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "parquet"])
def test_every_record_gets_a_line_in_every_format(served, tmp_path, suffix):
    out = tmp_path / f"p.{suffix}"
    config = PredictConfig(run=str(served / "classes"), data=str(served / "records"), out=str(out))
    result = run(config)
    # Another reader than ours: astropy's own for Parquet wants pandas.
    table = Table(parquet.read_table(out).to_pydict()) if suffix == "parquet" else Table.read(out)
    assert len(table) == result["predicted"] == sum(Records.load(served / "records").counts.values())
    assert len(set(table["id"])) == len(table)
    total = np.asarray(table["p_blue"]) + np.asarray(table["p_red"])
    np.testing.assert_allclose(total, 1, atol=1e-5)
    winner = np.where(np.asarray(table["p_red"]) > np.asarray(table["p_blue"]), "red", "blue")
    assert list(winner) == [str(name) for name in table["class"]]
    with pytest.raises(AstrokerasError, match="already exists"):
        run(config)


def test_wrong_requests_write_nothing(served, tmp_path):
    config = PredictConfig(run=str(served / "classes"), data=str(served / "records"), out=str(tmp_path / "p.csv"))
    for changes, error in [
        ({"out": str(tmp_path / "p.docx")}, UsageError),
        ({"run": str(served / "records")}, AstrokerasError),
        ({"data": str(tmp_path)}, AstrokerasError),
        ({"split": "holdout"}, AstrokerasError),
        ({"catalog": "x.fits"}, UsageError),
        ({"weight": "{field}.fits"}, UsageError),
        ({"edge": "pad"}, UsageError),
    ]:
        with pytest.raises(error):
            run(dataclasses.replace(config, **changes))
    assert list(tmp_path.iterdir()) == []


def test_images_give_what_their_records_give(sample_survey, sample_records, tmp_path):
    """Straight from images: the same stamps, hence the same numbers; every other row is in the second table."""
    finetune(FinetuneConfig(records=str(sample_records), out=str(tmp_path / "run"), repeats=1, mode="frozen"), print)
    common = {"run": str(tmp_path / "run")}
    run(PredictConfig(**common, data=str(sample_records), out=str(tmp_path / "records.ecsv")))
    images = f"{sample_survey}/images/{{field}}_{{band}}.fits"
    result = run(
        PredictConfig(
            **common, data=images, catalog=f"{sample_survey}/catalog.fits", out=str(tmp_path / "images.ecsv"), workers=1
        )
    )
    by_id = [
        {row["id"]: row["p_star"] for row in Table.read(tmp_path / f"{name}.ecsv")} for name in ("records", "images")
    ]
    assert by_id[0].keys() <= by_id[1].keys()
    for name, probability in by_id[0].items():
        assert by_id[1][name] == pytest.approx(probability, abs=1e-5)
    rejects = Table.read(tmp_path / "images.rejects.ecsv")
    both = vstack([Table.read(tmp_path / "images.ecsv")["id",], rejects["id",]])
    catalog = Table.read(f"{sample_survey}/catalog.fits")
    assert sorted(both["id"]) == sorted(str(name).strip() for name in catalog["ID"])
    assert result["rejected"] == len(rejects) > 0
    assert {p.name for p in tmp_path.iterdir()} == {"run", "records.ecsv", "images.ecsv", "images.rejects.ecsv"}


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "parquet"])
def test_what_is_known_of_the_records_stands_beside(served, tmp_path, suffix):
    """The true label by its name, nothing where there is none, and the carried columns; equal in every format."""
    out, records = tmp_path / f"p.{suffix}", Records.load(served / "records")
    run(PredictConfig(run=str(served / "classes"), data=str(records.path), out=str(out), split="test"))
    table, columns = read_table(out), read_columns(records, "test")
    assert [_text(name) for name in table["id"]] == list(columns["id"])
    np.testing.assert_array_equal(table["redshift"], columns["redshift"])
    hidden = np.ma.getmaskarray(table["label"])
    names = ["" if h else _text(n) for n, h in zip(table["label"], hidden, strict=True)]
    expected = [("" if label < 0 else records.classes[label]) for label in columns["label"]]
    assert names == expected
    assert {"", "blue", "red"} == set(expected)
    assert table.colnames[-1] == "split"


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def test_a_carried_column_never_takes_the_place_of_a_result(served, tmp_path, monkeypatch):
    """A carried `Class` and `p_RED` keep their numbers under other names."""
    described = predict_module.describe_objects

    def more(records, split):
        table = described(records, split)
        table["Class"], table["p_RED"] = np.arange(len(table)), np.full(len(table), 7.0)
        return table

    monkeypatch.setattr(predict_module, "describe_objects", more)
    out = tmp_path / "p.fits"
    run(PredictConfig(run=str(served / "classes"), data=str(served / "records"), out=str(out), split="test"))
    table = Table.read(out)
    assert list(table["catalog_Class"]) == list(range(30))
    assert set(table["catalog_p_RED"]) == {7.0}
    assert set(table["class"]) == {"blue", "red"}
    assert max(table["p_red"]) <= 1


def test_ids_that_a_format_cannot_hold_are_refused_before_the_work(served, tmp_path, monkeypatch):
    odd = write_records(
        tmp_path / "odd", counts={"train": 9, "val": 0, "test": 3}, name_of=lambda split, i: f"β{split}{i}"
    )
    broken = write_records(
        tmp_path / "broken", counts={"train": 4, "val": 0, "test": 3}, name_of="{}\x0b{}\u2028".format
    )
    run_directory = str(served / "classes")
    run(PredictConfig(run=run_directory, data=str(odd.path), out=str(tmp_path / "p.csv")))
    assert sorted(read_table(tmp_path / "p.csv")["id"])[0] == "βtest0"
    run(PredictConfig(run=run_directory, data=str(broken.path), out=str(tmp_path / "p.parquet")))
    assert "test\x0b0\u2028" in set(read_table(tmp_path / "p.parquet")["id"])

    monkeypatch.setattr(predict_module, "run_model", None)  # the work
    for records, suffix, said in [
        (odd, "fits", r"'βtest0'.*printable ASCII.*use .parquet, .ecsv, .csv$"),
        (broken, "ecsv", r"'test\\x0b0\\u2028'.*use .parquet$"),
        (broken, "csv", r"'test\\x0b0\\u2028'.*use .parquet$"),
    ]:
        with pytest.raises(UsageError, match=said):
            run(PredictConfig(run=run_directory, data=str(records.path), out=str(tmp_path / f"q.{suffix}")))
    assert not list(tmp_path.glob("q.*"))


def test_what_is_cut_off_is_told(served, tmp_path):
    """Records of 20 pixels for a network of 16: their middle gives the same numbers, and a line says so."""
    large = write_records(tmp_path / "large", counts={"train": 4, "val": 0, "test": 3}, size=20, missing=0)
    lines = []
    config = PredictConfig(run=str(served / "classes"), data=str(large.path), out=str(tmp_path / "p.csv"), split="test")
    predict(config, lines.append, lambda items, _: items)
    assert lines == [
        f"stamps of 20 pixels: only the middle 16 of them are looked at, as many as {served / 'classes'} takes"
    ]
    flux = load_arrays(large, "test")[0][:, 2:-2, 2:-2]
    expected = load_trained(served / "classes").model.predict(flux, verbose=0)
    np.testing.assert_allclose(Table.read(tmp_path / "p.csv")["p_blue"], expected[:, 0], atol=1e-6)
    lines.clear()
    predict(dataclasses.replace(config, data=str(served / "records"), out=str(tmp_path / "q.csv")), lines.append, None)
    assert lines == []


def test_records_of_other_bands_are_refused(served, sample_records, tmp_path):
    records = Records.load(sample_records)
    options = {**records.conversion, "bands": ("r",), "out": str(tmp_path / "r"), "workers": 1}
    convert(ConvertConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}))
    with pytest.raises(AstrokerasError, match=rf"was trained on bands {', '.join(records.bands)}, .* has r$"):
        run(PredictConfig(run=str(served / "classes"), data=str(tmp_path / "r"), out=str(tmp_path / "p.csv")))
