import dataclasses
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from astropy.table import Table, vstack
from pyarrow import parquet
from scipy.special import entr

from astrokeras.config import ConvertConfig, FinetuneConfig, PredictConfig, PretrainConfig, configure
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.finetune import finetune
from astrokeras.models.saving import load_model
from astrokeras.pipeline.dataset import load_arrays, read_columns
from astrokeras.progress import not_shown
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.objects import Column
from astrokeras.serving import predict as predict_module
from astrokeras.serving.predict import predict
from astrokeras.serving.predictor import _of_targets, _of_tasks, find_predictor
from astrokeras.serving.trained import load_trained
from astrokeras.survey.tables import read_table
from astrokeras.tasks.target import Output
from astrokeras.training.pretrain import pretrain
from tests.synthetic import write_records
from tests.tiny import TINY

pytestmark = pytest.mark.long


def run(config):
    return predict(config, print, not_shown)


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "parquet"])
def test_every_record_gets_a_line_in_every_format(served, tmp_path, suffix):
    out = tmp_path / f"p.{suffix}"
    config = PredictConfig(run=str(served / "classes"), data=str(served / "records"), out=str(out))
    result = run(config)
    # Another reader than ours: astropy's own for Parquet wants pandas.
    table = Table(parquet.read_table(out).to_pydict()) if suffix == "parquet" else Table.read(out)
    assert len(table) == result["predicted"] == sum(RecordsDirectory.load(served / "records").counts.values())
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
    options = {"backbone": (TINY,), "repeats": 1, "mode": "frozen"}
    finetune(FinetuneConfig(records=str(sample_records), out=str(tmp_path / "run"), **options), print)
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
    out, records = tmp_path / f"p.{suffix}", RecordsDirectory.load(served / "records")
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


class _Carries:
    """Objects whose catalogue has columns that are called as a result's."""

    kinds: ClassVar = {
        "id": Column("int64"), "ra": Column("float64", "deg"), "dec": Column("float64", "deg"), "split": Column("str"),
        "Class": Column("int64"), "p_RED": Column("float64"), "entropy": Column("float64"), "z": Column("float64"),
    }  # fmt: skip


def test_a_carried_column_never_takes_the_place_of_a_result(served):
    table = predict_module._Predictions(find_predictor(str(served / "classes")), None, _Carries())
    assert list(table.kinds) == [
        "id", "ra", "dec", "class", "p_blue", "p_red", "entropy", "catalog_Class", "catalog_p_RED", "catalog_entropy",
        "z", "split",
    ]  # fmt: skip
    assert table.kinds["catalog_Class"].kind == "int64"
    assert table.kinds["entropy"].kind == "float32"


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

    monkeypatch.setattr(predict_module, "run_pieces", None)  # the work
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
    predict(config, lines.append, not_shown)
    assert "noise too; --novelty says" in lines[0]
    assert lines[1:] == [
        f"stamps of 20 pixels: only the middle 16 of them are looked at, as many as {served / 'classes'} takes"
    ]
    flux = load_arrays(large, "test")[0][:, 2:-2, 2:-2]
    expected = load_trained(served / "classes").model.predict(flux, verbose=0)
    np.testing.assert_allclose(Table.read(tmp_path / "p.csv")["p_blue"], expected[:, 0], atol=1e-6)
    lines.clear()
    predict(dataclasses.replace(config, data=str(served / "records"), out=str(tmp_path / "q.csv")), lines.append)
    assert not any("only the middle" in line for line in lines)


def test_records_of_other_bands_are_refused(served, sample_records, tmp_path):
    records = RecordsDirectory.load(sample_records)
    options = {**records.conversion, "bands": ("r",), "out": str(tmp_path / "r"), "workers": 1}
    convert(configure(ConvertConfig, **{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}))
    with pytest.raises(AstrokerasError, match=rf"was trained on bands {', '.join(records.bands)}, .* has r$"):
        run(PredictConfig(run=str(served / "classes"), data=str(tmp_path / "r"), out=str(tmp_path / "p.csv")))


def test_the_entropy_says_how_sure_it_is(served, tmp_path):
    run(PredictConfig(run=str(served / "classes"), data=str(served / "records"), out=str(tmp_path / "p.ecsv")))
    table = Table.read(tmp_path / "p.ecsv")
    chances = np.stack([table["p_blue"], table["p_red"]], axis=1).astype(np.float64)
    np.testing.assert_allclose(table["entropy"], entr(chances).sum(axis=1), atol=1e-5)


@pytest.fixture(scope="module")
def pretrained(served, tmp_path_factory):
    """A pre-training of two steps, by two tasks of which one says nothing of a stamp alone."""
    out = tmp_path_factory.mktemp("pretrained") / "run"
    options = {"task": ("magnitudes", "rotation"), "epochs": 1, "batch_size": 30, "backbone": TINY}
    pretrain(PretrainConfig(records=str(served / "records"), out=str(out), **options), lambda line: None)
    return out


def test_a_pre_training_predicts_magnitudes_with_their_residuals(served, pretrained, tmp_path):
    records = RecordsDirectory.load(served / "records")
    config = PredictConfig(run=str(pretrained), data=str(records.path), out=str(tmp_path / "p.ecsv"), split="test")
    assert run(config)["classes"] == {}
    table = Table.read(tmp_path / "p.ecsv")
    flux, _, _ = load_arrays(records, "test")
    expected = load_model(pretrained / "model.keras").predict(flux, verbose=0)
    truth = read_columns(records, "test")["magnitudes"]
    for number, band in enumerate(records.bands):
        np.testing.assert_allclose(table[f"predicted_{band}"], expected[:, number], atol=1e-4)
        np.testing.assert_allclose(
            np.ma.filled(table[f"residual_magnitude_{band}"], np.nan), expected[:, number] - truth[:, number], atol=1e-4
        )
        assert table[f"predicted_{band}"].unit == table[f"residual_magnitude_{band}"].unit == "mag"
        np.testing.assert_array_equal(np.ma.filled(table[f"magnitude_{band}"], np.nan), truth[:, number])


def test_of_several_tasks_each_is_told():
    tell = _of_tasks(["magnitudes", "clusters"], ["g", "r"])
    outputs = {
        "embedding": np.zeros((3, 4)), "prediction/magnitudes": np.full((3, 2), 20, np.float32),
        "prediction/clusters": np.eye(3, dtype=np.float32),
    }  # fmt: skip
    told = {one.name: one for one in tell(outputs, {"magnitude_r": np.array([19, np.nan, 21], np.float32)})}
    assert list(told) == [
        "predicted_g", "predicted_r", "residual_magnitude_r", "clusters_0", "clusters_1", "clusters_2",
    ]  # fmt: skip
    np.testing.assert_array_equal(told["residual_magnitude_r"].values, [1, np.nan, -1])


def test_a_table_that_is_complete_is_left(served, tmp_path):
    config = PredictConfig(run=str(served / "classes"), data=str(served / "records"), out=str(tmp_path / "p.parquet"))
    first = run(config)
    again = run(dataclasses.replace(config, resume=True))
    assert (again["predicted"], again["classes"]) == (first["predicted"], first["classes"])
    with pytest.raises(AstrokerasError, match="is complete, but --split was all and is test"):
        run(dataclasses.replace(config, resume=True, split="test"))
    Table.read(tmp_path / "p.parquet").write(tmp_path / "p.csv")
    with pytest.raises(AstrokerasError, match=r"p.csv already exists"):
        run(dataclasses.replace(config, resume=True, out=str(tmp_path / "p.csv")))


class _Numbers:
    """A target of one number, of integers and of flags, called as a table's own column."""

    names = ()

    def outputs(self):
        return (Output("ra", "deg", "a number"), Output("count", None, "another"), Output("flag", None, "a third"))

    def describe(self, prediction):
        return {
            "ra": prediction[:, 0],
            "count": prediction[:, 1].astype(np.int16),
            "flag": prediction[:, 2] > 0,
        }


def test_numbers_of_every_kind_are_told_with_their_units(served):
    predictor = find_predictor(str(served / "classes"))
    tell = _of_targets(SimpleNamespace(targets={"numbers": _Numbers()}))
    told = tell({"prediction": np.array([[1.5, 2, 3]], np.float32)}, {})
    assert [(one.name, one.values.tolist(), one.values.dtype.name, one.unit) for one in told] == [
        ("ra", [1.5], "float32", "deg"), ("count", [2], "int64", None), ("flag", [1], "int64", None),
    ]  # fmt: skip
    narrow = dataclasses.replace(predictor, tell=lambda outputs, known: tell({"prediction": np.empty((0, 3))}, known))
    kinds = predict_module._Predictions(narrow, None, _Carries()).kinds
    assert kinds["ra"] == Column("float64", "deg")
    assert kinds["predicted_ra"].unit == "deg"
