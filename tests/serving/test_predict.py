import dataclasses

import numpy as np
import pytest
from astropy.table import Table, vstack
from pyarrow import parquet

from astrokeras.config import ConvertConfig, FinetuneConfig, PredictConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.finetune import finetune
from astrokeras.records.convert import convert
from astrokeras.records.directory import Records
from astrokeras.serving.predict import predict


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


def test_records_of_other_bands_are_refused(served, sample_records, tmp_path):
    records = Records.load(sample_records)
    options = {**records.conversion, "bands": ("r",), "out": str(tmp_path / "r"), "workers": 1}
    convert(ConvertConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}))
    with pytest.raises(AstrokerasError, match=rf"was trained on bands {', '.join(records.bands)}, .* has r$"):
        run(PredictConfig(run=str(served / "classes"), data=str(tmp_path / "r"), out=str(tmp_path / "p.csv")))
