import bz2
import io
import json
from datetime import date
from pathlib import Path

import click
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astrokeras.cli import cli
from astrokeras.config import ConvertConfig, configure, option_fields, replaced
from astrokeras.errors import UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.survey.presets import DESCRIBING, FOLDER, check_pixel_scale, read_survey, survey_names, with_survey
from astrokeras.survey.template import ImageTemplate
from tests.sky import SCALE, examples_of, tan_header

SIDE, COUNT = 48, 12
WEIGHTS = np.ones((SIDE, SIDE))
WEIGHTS[22:24, 22] = 0
FIELDS = ("0001m002", "0002m002")
# Where the columns of the public catalogue differ in case from the names of the bands in file names.
COLUMN_CASE = {"des": str.upper, "hsc": str.lower}
# File names as the surveys' documentation and archives have them: field, band.
FILES = {
    "des": ("DES0334-2332/DES0334-2332_r2682p01_g.fits.fz", "DES0334-2332", "g"),
    "euclid": (
        "102018211/NISP/EUC_MER_BGSUB-MOSAIC-NIR-H_TILE102018211-31E2C9_20241018T143048.358037Z_00.00.fits",
        "102018211",
        "NIR-H",
    ),
    "hsc": ("HSC-I/9813/4,4/calexp-HSC-I-9813-4,4.fits", "9813-4,4", "I"),
    "kids": ("KiDS_DR4.0_140.0_0.5_r_sci.fits", "140.0_0.5", "r"),
    "legacy": ("000/0001m002/legacysurvey-0001m002-image-g.fits.fz", "0001m002", "g"),
    "sdss": ("3716/6/frame-g-003716-6-0117.fits.bz2", "003716-6-0117", "g"),
    "splus": ("STRIPE82-0003_F378_swp.fz", "STRIPE82-0003", "F378"),
}


def magnitude(band: int) -> float:
    return 20 + band / 4


def write_tile(path: Path, survey: dict, band: int, field: int, pixels: np.ndarray | None = None) -> None:
    """An image in the survey's layout; without `pixels`, all of them have the band's magnitude."""
    zero_point = survey.get("zero_point", 22 + band + field)
    keyword = zero_point.removeprefix("header:") if isinstance(zero_point, str) else None
    zero_point = 24.5 + band + field if keyword else zero_point
    scale = survey["pixel_scale"] / (SCALE * 3600)
    header = tan_header((SIDE, SIDE), ra=150 + 60 * field * scale * SCALE)
    for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
        header[key] *= scale
    if keyword:
        header[keyword] = zero_point
    if pixels is None:
        pixels = np.full((SIDE, SIDE), 10 ** (-0.4 * (magnitude(band) - zero_point)))
    if path.suffix == ".fz":
        image = fits.CompImageHDU(pixels, header, compression_type="GZIP_1", quantize_level=0)
    else:
        image = fits.ImageHDU(pixels, header)
    hdus = [fits.PrimaryHDU(), image, fits.ImageHDU(np.zeros((SIDE, SIDE)), name="DECOY")]
    if "ext" in survey:
        assert survey["ext"] in ("1", "SCI")
        image.name = "SCI" if survey["ext"] == "SCI" else "IMAGE"
    elif path.suffix != ".fz":
        hdus = [fits.PrimaryHDU(pixels, header), fits.ImageHDU(np.zeros((SIDE, SIDE)), name="DECOY")]
    stream = io.BytesIO()
    if "weight_ext" in survey:
        hdus.append(fits.CompImageHDU(WEIGHTS, name=survey["weight_ext"], compression_type="GZIP_1", quantize_level=0))
    fits.HDUList(hdus).writeto(stream)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bz2.compress(stream.getvalue()) if path.suffix == ".bz2" else stream.getvalue())


def write_survey(directory: Path, name: str) -> list[str]:
    """A tiny survey laid out as the file of that name says; the options that no survey can know.

    Row 0 of the catalogue has the first mark of a missing magnitude in every band, row 1 the last.
    """
    loaded = read_survey(name)
    survey, n_bands = loaded.options, len(loaded.options["bands"])
    for field, title in enumerate(FIELDS):
        for band, letter in enumerate(survey["bands"]):
            if "weight" in survey and "weight_ext" not in survey:
                file = survey["weight"].replace("{field}", title).replace("{band}", letter).replace("*", "x1")
                write_tile(directory / "images" / file, {**survey, "zero_point": 0}, band, field, WEIGHTS)
            file = survey["images"].replace("{field}", title).replace("{band}", letter).replace("*", "x1")
            write_tile(directory / "images" / file, survey, band, field)
    case = COLUMN_CASE.get(name, str)
    scale = survey["pixel_scale"] / 3600
    field_of = np.arange(COUNT) % 2
    table = Table({part: 100 + np.arange(COUNT) for part in survey["id_column"].split(",")})
    table[survey["ra_column"]] = 150 + 60 * field_of * scale + (np.arange(COUNT) - COUNT / 2) * scale
    table[survey["dec_column"]] = np.full(COUNT, 2.0)
    if survey.get("field_column"):
        table[survey["field_column"]] = np.array(FIELDS)[field_of]
    marks = loaded.source["missing"]
    for band, letter in enumerate(survey.get("catalog_bands", survey["bands"])):
        if "fluxes" in survey:
            flux = 10 ** (-0.4 * (magnitude(band) - survey["flux_zero_point"]))
            values, errors = np.full(COUNT, flux), np.full(COUNT, flux * 0.1 * np.log(10) / 2.5)
            if "flux_ivars" in survey:
                errors = 1 / errors**2
            template, error_template = survey["fluxes"], survey.get("flux_errors") or survey["flux_ivars"]
        else:
            values, errors = np.full(COUNT, magnitude(band)), np.full(COUNT, 0.1)
            template, error_template = survey["magnitudes"], survey["magnitude_errors"]
        values[0], values[1] = marks[0], marks[-1]
        table[case(template.replace("{band}", letter))] = values
        table[case(error_template.replace("{band}", letter))] = errors
    table.write(directory / "catalog.fits")
    if "zero_point" in survey:
        return []
    rows = {"Field": FIELDS} | {
        f"ZP_{letter}": [22.0 + band + field for field in (0, 1)]
        for band, letter in enumerate(survey.get("catalog_bands", survey["bands"]))
    }
    assert len(rows) == n_bands + 1
    Table(rows).write(directory / "zero_points.csv")
    return ["--zero-point", str(directory / "zero_points.csv")]


def convert(directory: Path, *arguments: str) -> tuple[RecordsDirectory, dict[str, dict]]:
    out = directory / "records"
    common = ["--out", str(out), "--size", "8", "--splits", "train=1", "--workers", "1"]
    cli.main(args=["convert", *arguments, *common], prog_name="astrokeras", standalone_mode=False)
    records = RecordsDirectory.load(out)
    return records, examples_of(records)


@pytest.mark.parametrize("name", survey_names())
def test_a_survey_converts_by_its_name_directory_and_catalogue_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture, name: str
):
    extra = write_survey(tmp_path, name)
    arguments = ["--survey", name, "--images", str(tmp_path / "images"), "--catalog", str(tmp_path / "catalog.fits")]
    records, examples = convert(tmp_path, *arguments, *extra)
    assert "warning" not in capsys.readouterr().err
    survey = read_survey(name).options
    parts = len(survey["id_column"].split(","))
    assert sorted(examples) == sorted("-".join([str(100 + i)] * parts) for i in range(COUNT))
    assert records.unit == "nJy"
    assert list(records.bands) == survey["bands"]
    truth = np.array([magnitude(band) for band in range(len(records.bands))])
    hidden = 0
    for i in range(COUNT):
        example = examples["-".join([str(100 + i)] * parts)]
        seen = np.isfinite(example["image"]).all(axis=-1)
        np.testing.assert_allclose(
            example["image"][seen], np.tile(10 ** (0.4 * (31.4 - truth)), (seen.sum(), 1)), rtol=1e-5
        )
        hidden += np.count_nonzero(~seen)
        if i < 2:
            assert np.isnan(example["magnitudes"]).all()
        else:
            np.testing.assert_allclose(example["magnitudes"], truth, rtol=1e-6)
            np.testing.assert_allclose(example["magnitude_errors"], 0.1, rtol=1e-5)
    assert bool(hidden) == ("weight" in survey)
    # What was used stands in full in the records, without the survey's file.
    options = records.content["options"]
    assert options["images"].startswith(str(tmp_path / "images"))
    assert all(options[key] == value for key, value in survey.items() if key not in ("images", "weight", "zero_point"))


@pytest.mark.parametrize("name", survey_names())
def test_every_survey_says_where_its_facts_stand(name: str):
    source = read_survey(name).source
    assert all(link.startswith("https://") for link in source["links"])
    assert len(source["links"]) >= 2
    assert isinstance(source["checked"], date)
    assert source["release"]
    page = Path(__file__).resolve().parents[2] / "docs" / "surveys.md"
    text = page.read_text(encoding="utf-8")
    assert f"--survey {name} " in text
    assert all(link in text for link in source["links"])


@pytest.mark.parametrize("name", survey_names())
def test_files_of_the_archive_are_found_in_its_tree_and_in_one_directory(tmp_path: Path, name: str):
    file, field, band = FILES[name]
    for where in ("tree", "flat"):
        path = tmp_path / where / (file if where == "tree" else Path(file).name)
        path.parent.mkdir(parents=True)
        path.touch()
        options = {"survey": name, "bands": (band,), "images": str(tmp_path / where), "out": "x"}
        template = ImageTemplate(with_survey(configure(ConvertConfig, **options)).images.images, (band,))
        assert template.discover() == [field]
        assert template.path(field, band) == path


def own_survey(path: Path, **changes) -> str:
    """A survey file of one's own, the legacy survey's with other keys."""
    keys = {**tomllike("legacy"), **changes}
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if value is not None]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def tomllike(name: str) -> dict:
    return {key.replace("_", "-"): value for key, value in read_survey(name).options.items()}


def test_what_is_typed_wins_over_a_configuration_file_and_that_over_the_survey(tmp_path: Path):
    write_survey(tmp_path, "legacy")
    mine = own_survey(tmp_path / "mine.toml", **{"zero-point": 20, "magnitudes": None})
    config = tmp_path / "config.toml"
    config.write_text('bands = ["g", "z"]\nzero-point = 21\n')
    places = ["--images", str(tmp_path / "images"), "--catalog", str(tmp_path / "catalog.fits")]
    for order in ([f"--survey={mine}", f"--config={config}"], [f"--config={config}", f"--survey={mine}"]):
        records, _ = convert(tmp_path, *order, *places, "--overwrite")
        options = records.content["options"]
        assert (options["bands"], options["zero_point"], options["pixel_scale"]) == (["g", "z"], "21", 0.262)
    records, _ = convert(tmp_path, *order, *places, "--overwrite", "--zero-point", "22")
    assert records.content["options"]["zero_point"] == "22"
    config.write_text(f'[convert]\nsurvey = "{mine}"\nimages = "{tmp_path / "images"}"\n')
    records, _ = convert(tmp_path, f"--config={config}", *places, "--overwrite")
    assert records.content["options"]["zero_point"] == "20"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"zero-pont": 25}, "'zero-pont' is unknown; did you mean zero-point"),
        ({"catalog": "x.fits"}, "'catalog' is unknown"),
        ({"images": "tiles"}, "placeholder"),
        ({"images": None}, "images"),
        ({"bands": 3.5}, "expected text or a list"),
        ({"catalog-bands": "G, R"}, "as many catalog-bands as bands"),
        ({"catalog-bands": 7.5}, "expected text or a list"),
        ({"pixel-scale": "half"}, "expected a number"),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_a_survey_file_that_says_what_no_survey_can_say_is_a_usage_error(tmp_path: Path, changes: dict, said: str):
    with pytest.raises((UsageError, click.UsageError), match=said):
        convert(tmp_path, "--survey", own_survey(tmp_path / "mine.toml", **changes), "--catalog", "x.fits")


def test_a_survey_that_is_not_there_is_a_usage_error(tmp_path: Path):
    with pytest.raises(UsageError, match="did you mean splus"):
        read_survey("s-plus")
    with pytest.raises(UsageError, match="No such file"):
        read_survey(str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text("images = {")
    with pytest.raises(UsageError, match="no TOML"):
        read_survey(str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text('images = "{field}.fits"\nsource = 3\n')
    with pytest.raises(UsageError, match="table"):
        read_survey(str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text('images = "{field}.fits"\n[source]\nlink = "x"\n')
    with pytest.raises(UsageError, match="did you mean links"):
        read_survey(str(tmp_path / "mine.toml"))
    with pytest.raises(UsageError, match="is a directory"):
        with_survey(configure(ConvertConfig, images=str(tmp_path), bands=("g",), out="x"))


def test_all_that_a_survey_can_say_are_options_of_convert():
    assert set(DESCRIBING) <= set(option_fields(ConvertConfig))
    assert FOLDER.is_dir()
    assert len(survey_names()) >= 7


@pytest.mark.parametrize("name", ["kids", "splus"])
def test_objects_may_be_found_on_the_images_of_a_survey(tmp_path: Path, name: str):
    extra = write_survey(tmp_path, name)
    for file in (tmp_path / "images").iterdir():
        with fits.open(file, mode="update") as hdus:
            image = next(hdu for hdu in hdus if hdu.data is not None)
            pixels = image.data * np.random.default_rng(0).normal(1, 0.01, image.data.shape)
            pixels[20:24, 20:24] *= 3
            image.data = pixels
    bands = read_survey(name).options["bands"][:2]
    arguments = ["--survey", name, "--images", str(tmp_path / "images"), "--bands", ",".join(bands)]
    records, examples = convert(tmp_path, *arguments, "--detect", bands[0], *extra)
    assert sorted(examples) == [f"{field}-000001" for field in FIELDS]
    assert records.unit == "nJy"


def test_weights_that_are_not_there_are_left_out_and_said_so(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_survey(tmp_path, "kids")
    for file in (tmp_path / "images").glob("*_wei.fits"):
        file.unlink()
    arguments = ["--survey", "kids", "--images", str(tmp_path / "images"), "--catalog", str(tmp_path / "catalog.fits")]
    records, examples = convert(tmp_path, *arguments)
    assert "the survey's weight images are not used" in capsys.readouterr().err
    assert len(examples) == COUNT
    assert records.content["options"]["weight"] is None


def test_weights_go_with_the_survey_s_own_images_alone(tmp_path: Path):
    write_survey(tmp_path, "des")
    fitted = {"survey": "des", "bands": ("g",), "out": "x", "catalog": "x"}
    own = {key: read_survey("des").options[key] for key in ("weight", "weight_ext")}
    there = with_survey(configure(ConvertConfig, images=str(tmp_path / "images"), **own, **fitted))
    assert there.images.weight == there.images.images
    assert there.images.weight_ext == "WGT"
    assert with_survey(there) == there
    elsewhere = with_survey(
        configure(ConvertConfig, images=str(tmp_path / "images/{field}/{field}_x1_{band}.fits.fz"), **own, **fitted)
    )
    assert (elsewhere.images.weight, elsewhere.images.weight_ext) == (None, None)
    typed = with_survey(
        configure(ConvertConfig, images=str(tmp_path / "images"), weight="", weight_ext="WGT", **fitted)
    )
    assert (typed.images.weight, typed.images.weight_ext) == ("", None)


def test_of_some_bands_the_survey_knows_the_other_names_too(tmp_path: Path):
    extra = write_survey(tmp_path, "splus")
    arguments = ["--survey", "splus", "--images", str(tmp_path / "images"), "--catalog", str(tmp_path / "catalog.fits")]
    records, examples = convert(tmp_path, *arguments, "--bands", "R,F378", *extra)
    assert records.content["options"]["catalog_bands"] == ["r", "J0378"]
    np.testing.assert_allclose(examples["105"]["magnitudes"], [magnitude(7), magnitude(1)])
    each = {"images": "{field}.fits", "bands": ["g", "r"], "zero-point": "g=20, r=21", "ext": "g=1,r=2"}
    mine = own_survey(tmp_path / "mine.toml", **{**dict.fromkeys(tomllike("legacy")), **each})
    config = configure(
        ConvertConfig, images="x", bands=("r",), out="x", survey=mine, zero_point="g=20, r=21", ext="g=3,r=4"
    )
    assert with_survey(config).photometry.zero_point.strip() == "r=21"
    assert with_survey(config).images.ext == "g=3,r=4"
    assert with_survey(replaced(config, ext="g=1,r=2")).images.ext == "r=2"


def test_without_a_catalogue_or_where_magnitudes_are_measured_the_names_of_columns_are_left_out():
    known = read_survey("kids").options
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in known.items()}
    config = configure(ConvertConfig, **{**options, "zero_point": "0"}, survey="kids", out="x")
    assert with_survey(config).photometry.magnitudes is None
    assert with_survey(replaced(config, catalog="c.fits", measure=True)).photometry.magnitudes is None
    assert with_survey(replaced(config, catalog="c.fits")).photometry.magnitudes == "MAG_GAAP_{band}"
    typed = replaced(config, magnitudes="MAG_{band}")
    assert with_survey(typed).photometry.magnitudes == "MAG_{band}"


def test_pixels_of_another_size_are_warned_of():
    assert check_pixel_scale(0.2, {"a": 0.2095, "b": 0.191}) is None
    assert check_pixel_scale(0.2, {}) is None
    line = check_pixel_scale(0.2, {"a": 0.2, "b": 0.22, "c": 0.3})
    assert line.startswith("warning: 2 of 3 fields")
    assert "c of 0.3" in line
