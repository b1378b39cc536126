"""Conversions that measure: what is on the stamps ends in the records."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from astrokeras.config import ConvertConfig, configure, values_of
from astrokeras.errors import UsageError
from astrokeras.records.conversion.plan import make_plan
from astrokeras.records.conversion.resolve import resolve
from astrokeras.survey.measure import SHAPES
from tests.sky import config_for, examples_of, run, write_image

SIZE = 32


def star_field(directory: Path, zero_point: float = 25.0) -> tuple[np.ndarray, np.ndarray]:
    """Forty stars of known flux on two bands; their positions and counts."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((240, 300))
    x = np.tile(np.arange(20, 300, 36), 5) + rng.uniform(-0.5, 0.5, 40)
    y = np.repeat(np.arange(20, 240, 45), 8) + rng.uniform(-0.5, 0.5, 40)
    counts = rng.uniform(2000, 20000, 40)
    for band, (colour, noise) in {"g": (0.5, 3), "r": (1.0, 4)}.items():
        pixels = rng.normal(500, noise, rows.shape)
        for at_x, at_y, count in zip(x, y, counts, strict=True):
            star = np.exp(-((columns - at_x) ** 2 + (rows - at_y) ** 2) / (2 * 1.8**2)) / (2 * np.pi * 1.8**2)
            pixels += colour * count * star
        write_image(directory / f"A_{band}.fits", pixels.astype(np.float32), MAGZPT=zero_point)
    lines = [f"{i},{at_x},{at_y},A,10" for i, (at_x, at_y) in enumerate(zip(x, y, strict=True))]
    (directory / "catalog.csv").write_text("\n".join(["id,x,y,field,MAG_AUTO_g", *lines]) + "\n")
    return np.stack([x, y]), counts


@pytest.mark.parametrize("zero_point", [None, "header:MAGZPT"])
def test_measured_magnitudes_and_shapes_are_in_the_records(tmp_path: Path, zero_point: str | None):
    _, counts = star_field(tmp_path)
    config = config_for(
        tmp_path, catalog=str(tmp_path / "catalog.csv"), size=SIZE, measure=True, zero_point=zero_point, columns=("x",)
    )
    records, examples, _ = run(config)
    assert records.columns == ("x", *SHAPES)
    base = 25 if zero_point else 0
    magnitudes = np.array([examples[str(i)]["magnitudes"] for i in range(40)])
    expected = base - 2.5 * np.log10(counts[:, None] * [0.5, 1.0])
    assert np.median(magnitudes - expected, axis=0) == pytest.approx([0, 0], abs=0.02)
    assert np.abs(magnitudes - expected).max() < 0.15
    radius = [np.frombuffer(examples[str(i)]["half_light_radius"])[0] for i in range(40)]
    assert np.median(radius) == pytest.approx(1.8 * np.sqrt(2 * np.log(2)), rel=0.05)
    content = json.loads((records.path / "convert.json").read_text())
    assert content["magnitudes_from"]["source"] == "stamps"
    assert content["magnitudes_from"]["system"] == ("AB" if zero_point else "instrumental")
    assert sum(records.magnitudes(split)["g"] for split in records.splits) == 40
    features = json.loads((records.path / "features.json").read_text())["featuresDict"]["features"]
    assert set(SHAPES) < features.keys()


def test_what_cannot_be_measured_is_missing_and_no_reject(tmp_path: Path):
    star_field(tmp_path)
    with (tmp_path / "catalog.csv").open("a") as stream:
        stream.write("empty,38,42,A,10\n")
    _, examples, rejects = run(config_for(tmp_path, catalog=str(tmp_path / "catalog.csv"), size=SIZE, measure=True))
    assert "empty" not in rejects
    assert np.isnan(examples["empty"]["magnitudes"]).all()
    assert np.isnan(np.frombuffer(examples["empty"]["ellipticity"])).all()


def test_colour_stamps_are_measured_in_display_levels(tmp_path: Path):
    rows, columns = np.indices((40, 40))
    star = 200 * np.exp(-((columns - 19.5) ** 2 + (rows - 19.5) ** 2) / 18)
    for name in "abcdef":
        Image.fromarray(np.repeat(star[..., None], 3, axis=2).astype(np.uint8)).save(tmp_path / f"{name}.png")
    config = config_for(
        tmp_path, images=str(tmp_path / "{id}.png"), bands=("i", "r", "g"), catalog=None, size=SIZE, measure=True,
        splits="train=1",
    )  # fmt: skip
    records, examples, _ = run(config)
    expected = -2.5 * np.log10(np.floor(star).sum())
    assert examples["a"]["magnitudes"] == pytest.approx([expected] * 3, abs=0.05)
    assert records.content["magnitudes_from"]["system"] == "instrumental"


def test_the_catalogue_is_named_where_magnitudes_are_its_own(sample_records: Path):
    content = json.loads((sample_records / "convert.json").read_text())
    assert content["magnitudes_from"] == {
        "source": "catalogue", "magnitudes": "MAG_AUTO_{band}", "magnitude_errors": "MAGERR_AUTO_{band}"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"magnitudes": "MAG_AUTO_{band}"}, "--magnitudes"),
        ({"magnitude_errors": "E_{band}"}, "--magnitude-errors"),
        ({"columns": ("ellipticity",)}, "every record has these"),
    ],
)
def test_options_that_contradict_measuring(tmp_path: Path, options: dict, said: str):
    with pytest.raises(UsageError, match=said):
        make_plan(resolve(config_for(tmp_path, measure=True, **options), print), print)


def test_a_task_measures_the_same_in_any_process(sample_config: ConvertConfig, tmp_path: Path):
    results = []
    for workers in (1, 2):
        options = {
            **values_of(sample_config),
            "out": str(tmp_path / f"w{workers}"),
            "measure": True,
            "workers": workers,
        }
        records, _, _ = run(configure(ConvertConfig, **options))
        results.append({file.name: file.read_bytes() for file in records.path.iterdir()})
    assert results[0] == results[1]
    assert examples_of(records)
