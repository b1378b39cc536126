"""Conversions whose fluxes become levels: `--levels`."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from astrokeras.config import ConvertConfig, values_of
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.conversion.convert import convert
from astrokeras.records.conversion.resolve import resolve
from astrokeras.records.inspect import describe_records
from astrokeras.shipped_encoders.load import encoder_for
from astrokeras.survey.levels import levels_of
from tests.sky import SCALE, config_for, run, tan_header, write_image

SHAPE, SIZE, BANDS = (60, 60), 8, ("g", "r", "i")
X, Y = np.repeat([10, 20, 30, 40, 50], 5), np.tile([10, 20, 30, 40, 50], 5)


def nanomaggies(band: str) -> np.ndarray:
    """A slope, another for each band, that a frame of SDSS's pixels would show."""
    rows, columns = np.indices(SHAPE)
    return {"g": 0.002 * rows, "r": 0.001 * (rows + columns), "i": 0.003 * columns}[band]


def write_survey(directory: Path, pedestal: float = 0.0) -> Path:
    """One field in g, r and i with a zero point of 20, and a catalogue with a magnitude for each band."""
    for band in BANDS:
        pixels = nanomaggies(band) * (SCALE * 3600 / 0.396) ** 2 * 10 ** (0.4 * (20 - 22.5)) + pedestal
        pixels = pixels.astype(np.float32)
        if band == "i":
            pixels[12, 10] = np.nan
            pixels[48:52, 48:52] = np.nan
        write_image(directory / f"A_{band}.fits", pixels, tan_header(SHAPE))
    columns = {"id": [f"o{i:02d}" for i in range(25)], "field": ["A"] * 25, "x": X, "y": Y}
    magnitudes = {f"MAG_{name}": np.full(25, value) for name, value in zip("BLR", (21.0, 20.0, 19.0), strict=True)}
    Table({**columns, **magnitudes}).write(directory / "catalog.fits")
    return directory


def asked(directory: Path, **changes) -> ConvertConfig:
    options = {"bands": BANDS, "size": SIZE, "levels": "lupton", "zero_point": "20"}
    return config_for(directory, **{**options, **changes})


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_survey(tmp_path_factory.mktemp("survey"))


@pytest.fixture(scope="module")
def made(survey: Path):
    config = asked(
        survey, magnitudes="MAG_{band}", catalog_bands=("B", "L", "R"), valid=True, zero_point="g=20,r=20,i=20"
    )
    return run(config)


def test_records_have_the_levels_of_a_picture(made):
    records, examples, rejects = made
    assert (records.unit, records.bands) == ("display", ("i", "r", "g"))
    assert rejects == {"o24": "bad_pixels"}
    for number, (x, y) in enumerate(zip(X[:24], Y[:24], strict=True)):
        window = np.s_[y - 4 : y + 4, x - 4 : x + 4]
        flux = np.stack([nanomaggies(band)[window] for band in "irg"], axis=-1)
        if number == 0:
            flux[6, 4, 0] = np.nan
        # The flux was stored in single precision, which moves a few pixels over the edge of a level.
        off = np.abs(examples[f"o{number:02d}"]["image"] - levels_of(flux))
        assert np.nanmax(off) <= 1 and np.nanmean(off) < 0.1 and np.isnan(off).sum() == (number == 0)
    valid = np.frombuffer(examples["o00"]["valid"], np.uint8).reshape(SIZE, SIZE, 3)
    assert np.argwhere(valid == 0).tolist() == [[6, 4, 0]]


def test_magnitudes_go_with_their_bands(made):
    records, examples, _ = made
    for example in examples.values():
        assert example["magnitudes"] == pytest.approx([19, 20, 21])
    assert records.conversion["catalog_bands"] == ["R", "L", "B"]
    assert "unit display (levels of fluxes, lupton)" in describe_records(records.content)


def test_an_encoder_that_ships_takes_them(made):
    records, examples, _ = made
    encoder = encoder_for("sdss-gri-compact", records)
    found = encoder.predict(np.stack([examples["o00"]["image"], examples["o23"]["image"]]), verbose=0)
    assert np.isfinite(found).all() and np.abs(found[0] - found[1]).max() > 0.01


def test_what_is_measured_is_the_flux(sample_config: ConvertConfig, tmp_path: Path):
    """Magnitudes and shapes are those of the same conversion to nJy, band by band."""
    ids = [f"SIM-{n:07d}" for n in range(1, 40)]
    values = values_of(sample_config) | {"measure": True, "columns": (), "where": f"ID in {ids}"}
    flux, levels = (
        run(config_for(tmp_path, **values | {"out": str(tmp_path / str(kind)), "levels": kind}))
        for kind in (None, "lupton")
    )
    assert flux[1].keys() == levels[1].keys() and len(flux[1]) > 20
    for name, example in flux[1].items():
        np.testing.assert_allclose(levels[1][name]["magnitudes"], np.array(example["magnitudes"])[[2, 1, 0]], atol=2e-3)
        assert levels[1][name]["split"] == example["split"]
    content = json.loads((levels[0].path / "convert.json").read_text())
    assert content["magnitudes_from"]["system"] == "AB" and content["unit"] == "display"


def test_a_sky_that_is_not_subtracted_is_warned_of(survey: Path, tmp_path: Path):
    lines: list[str] = []
    convert(asked(survey, out=str(tmp_path / "flat"), overwrite=True), lines.append)
    assert any("in the order i, r, g" in line for line in lines)
    flat = write_survey(tmp_path / "bright", pedestal=0.5)
    more: list[str] = []
    convert(asked(flat), more.append)
    (warning,) = [line for line in more if "level" in line and line.startswith("warning")]
    assert "subtract the sky" in warning and " in i" in warning


def files_of_objects(directory: Path) -> Path:
    """Three objects with files of their own; that of the second has no WCS."""
    for band in BANDS:
        for name in "abc":
            pixels = (nanomaggies(band)[20:30, 20:30] / 10).astype(np.float32)
            write_image(directory / f"{name}_{band}.fits", pixels, None if name == "b" else tan_header((10, 10)))
    return directory


def test_files_of_objects_tell_their_pixels_themselves(tmp_path: Path):
    stamps = files_of_objects(tmp_path)
    images = str(stamps / "{id}_{band}.fits")
    options = {"images": images, "catalog": None, "splits": "train=1", "size": 10}
    _, some, rejects = run(asked(tmp_path, **options))
    assert (some.keys(), rejects) == ({"a", "c"}, {"b": "no_pixel_scale"})
    records, examples, rejects = run(asked(tmp_path, **options, pixel_scale=1.0, out=str(tmp_path / "told")))
    assert not rejects and records.pixel_scale == 1.0
    np.testing.assert_array_equal(examples["a"]["image"], some["a"]["image"])  # a WCS counts for more
    assert examples["a"]["image"].sum() > 1.5 * examples["b"]["image"].sum()


def test_without_any_pixel_scale_a_line_asks_for_it(tmp_path: Path):
    for band in BANDS:
        write_image(tmp_path / f"A_{band}.fits", nanomaggies(band).astype(np.float32))
    Table({"id": ["a"], "field": ["A"], "x": [30], "y": [30]}).write(tmp_path / "catalog.fits")
    with pytest.raises(AstrokerasError, match=r"no_pixel_scale \(.*has no WCS.*--pixel-scale"):
        convert(asked(tmp_path, splits="train=1"), lambda line: None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bands": ("g", "r")}, "expected --bands with g, i, r and no others, got g,r"),
        ({"bands": ("g", "r", "z")}, "got g,r,z"),
        ({"bands": ("u", *BANDS)}, "got u,g,r,i"),
        ({"zero_point": None}, "--zero-point"),
        ({"images": "{id}.jpg", "zero_point": None}, "JPEG and PNG hold levels already"),
        ({"images": "{field}.fits"}, "--images names one file for all bands.* order i,r,g.* give --bands i,r,g"),
        ({"mask": "{field}_mask.fits"}, "--mask names one file"),
        ({"images": "{field}.fits", "ext": "g=1,r=2,i=3", "weight": "{field}.fits"}, "--weight names one file"),
    ],
)
def test_what_is_no_calibrated_gri_is_refused(survey: Path, changes: dict, said: str):
    with pytest.raises(UsageError, match=said):
        resolve(asked(survey, **changes), lambda line: None)


@pytest.mark.parametrize(
    "changes",
    [
        {"bands": ("i", "r", "g"), "mask": "{field}_mask.fits"},
        {"images": "{field}.fits", "ext": "g=1,r=2,i=3"},
    ],
)
def test_images_whose_order_is_known_are_not(survey: Path, changes: dict):
    conversion = resolve(asked(survey, **changes), lambda line: None)
    assert conversion.config.images.bands == conversion.cutting.template.bands == ("i", "r", "g")
    assert resolve(conversion.config, lambda line: None).config == conversion.config
