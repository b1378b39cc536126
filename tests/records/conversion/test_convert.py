import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from photutils.centroids import centroid_2dg

from astrokeras.config import ConvertConfig, configure, replaced
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.conversion import assemble as finish
from astrokeras.records.conversion import convert as module
from astrokeras.records.conversion import plan
from astrokeras.records.conversion.convert import convert
from astrokeras.records.conversion.workspace import workspace_path
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.tfrecord import checksum
from tests.records.tasks import contents, quiet
from tests.sky import config_for, noise_image, run, tan_header, write_image

SHAPE = (96, 80)


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """Everything that goes wrong in a survey at once: 150 rows, seven fields, two bands."""
    rng = np.random.default_rng(0)
    n = 150
    for index, field in enumerate("ABCDEF"):
        for band in "gr":
            pixels = noise_image(index, SHAPE)
            pixels[40:60, 30:50] = np.nan
            write_image(tmp_path / f"{field}_{band}.fits", pixels, tan_header(SHAPE, ra=150 + index / 10))
    (tmp_path / "C_r.fits").unlink()
    (tmp_path / "D_g.fits").write_bytes((tmp_path / "D_g.fits").read_bytes()[:9000])
    (tmp_path / "E_g.fits").unlink()
    write_image(tmp_path / "E_g.fits", noise_image(0, (50, 50)))
    (tmp_path / "F_r.fits").unlink()  # sound header, but no zero point
    write_image(tmp_path / "F_r.fits", noise_image(1, SHAPE), tan_header(SHAPE, ra=150.5))
    for path in set(tmp_path.glob("?_?.fits")) - {tmp_path / "D_g.fits", tmp_path / "F_r.fits"}:
        fits.setval(path, "MAGZPT", value=25.0)
    table = Table(
        {
            "id": [f"{i:04d}" for i in range(n)],
            "field": rng.choice(list("AAAABBBBCDEFG"), n),
            "x": rng.uniform(-10, 90, n),
            "y": rng.uniform(-10, 106, n),
            "class": rng.choice(["s", "g", ""], n),
            "mag_g": rng.uniform(15, 25, n),
        }
    )
    table["id"][[7, 80, 81]] = ["", table["id"][10], ""]
    table["x"][[20, 21, 22]] = [np.nan, np.inf, 1e300]
    table.write(tmp_path / "catalog.fits")
    return tmp_path


def messy_config(directory: Path, **options) -> ConvertConfig:
    defaults = {"x_column": "x", "label": "class", "zero_point": "header:MAGZPT"}
    return config_for(directory, **{**defaults, **options})


@pytest.mark.parametrize(
    "options",
    [{}, {"edge": "pad"}, {"max_bad_fraction": 1.0}, {"split_by": "sky", "splits": "train=0.7,test=0.3", "size": 8}],
    ids=["reject", "pad", "keep bad", "sky"],
)
def test_every_row_is_in_a_shard_or_among_the_rejects_exactly_once(messy: Path, options: dict):
    config = messy_config(messy, **options)
    records, examples, _ = run(config)
    table = Table.read(messy / "catalog.fits")
    catalogue = sorted("" if np.ma.is_masked(name) else str(name) for name in table["id"])
    rejected = Table.read(config.running.out + "/rejects.ecsv")
    names = ["" if np.ma.is_masked(name) else str(name) for name in rejected["id"]]
    assert sorted([*examples, *names]) == catalogue
    content = json.loads((Path(config.running.out) / "convert.json").read_text())
    assert content["rows"] == len(table)
    assert sum(records.counts.values()) == len(examples)
    found = {reason: list(rejected["reason"]).count(reason) for reason in set(rejected["reason"])}
    assert content["rejects"] == found
    expected = {"no_id", "duplicate_id", "off_image", "no_position", "missing_image", "unreadable_image"}
    expected |= {"different_grids", "no_zero_point"}
    expected |= {"edge"} if "edge" not in options else set()
    expected |= {"bad_pixels"} if "max_bad_fraction" not in options else set()
    assert ("margin" in records.splits) == (options.get("split_by") == "sky")
    assert set(found) == expected
    assert all(str(detail) for detail in rejected["detail"])
    for split in records.splits:
        mine = [example for example in examples.values() if example["split"] == split]
        assert records.count(split) == len(mine)
        for index, name in enumerate(records.classes):
            assert records.labels(split)[name] == sum(int(e["label"][0]) == index for e in mine)
        finite = np.isfinite([e["magnitudes"] for e in mine]).reshape(-1, 2).sum(axis=0).tolist()
        assert list(records.magnitudes(split).values()) == finite


def test_one_process_and_two_write_the_same_bytes(messy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan, "STAMP_BYTES_PER_TASK", 16 * 16 * 2 * 4 * 15)
    one, two = (messy_config(messy, out=str(messy / f"out{workers}"), workers=workers) for workers in (1, 2))
    quiet(one)
    quiet(two)
    first = contents(Path(one.running.out))
    assert sum(name.startswith("survey-train") for name in first) > 2
    assert first == contents(Path(two.running.out))


def test_order_of_rows_does_not_change_what_a_record_is_or_where_it_goes(messy: Path):
    _, before, _ = run(messy_config(messy))
    table = Table.read(messy / "catalog.fits")
    table[np.argsort(table["y"])].write(messy / "sorted.fits")
    _, after, _ = run(messy_config(messy, out=str(messy / "other"), catalog=str(messy / "sorted.fits")))
    duplicate = {str(table["id"][10])}  # whichever comes first counts
    for name in (set(before) & set(after)) - duplicate:
        np.testing.assert_array_equal(before[name]["image"], after[name]["image"])
    assert set(before) - duplicate == set(after) - duplicate


def test_stars_come_out_in_the_middle_with_their_flux(tmp_path: Path):
    """Gaussian stars of known AB magnitude, drawn where astropy's own WCS puts them."""
    header = tan_header(SHAPE, angle=25)
    rng = np.random.default_rng(3)
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(16.0, 70, 16), np.arange(16.0, 90, 16)))
    x, y = x + rng.uniform(-0.5, 0.5, x.size), y + rng.uniform(-0.5, 0.5, y.size)
    ra, dec = WCS(header).all_pix2world(x, y, 0)
    magnitude = rng.uniform(18, 22, x.size)
    column, row = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    for band, zero_point in (("g", 25.0), ("r", 30.0)):
        pixels = np.zeros(SHAPE)
        for cx, cy, m in zip(x, y, magnitude, strict=True):
            psf = np.exp(-((column - cx) ** 2 + (row - cy) ** 2) / 2 / 1.3**2) / (2 * np.pi * 1.3**2)
            pixels += 10 ** (0.4 * (zero_point - m)) * psf
        write_image(tmp_path / f"A_{band}.fits", pixels.astype(np.float32), header, MAGZPT=zero_point)
    Table({"ra": ra, "dec": dec, "id": np.arange(x.size)}).write(tmp_path / "catalog.fits")
    _, examples, rejects = run(config_for(tmp_path, zero_point="header:MAGZPT", size=15))
    assert not rejects
    for i in range(x.size):
        image = examples[str(i)]["image"].astype(np.float64)
        for band in range(2):
            centre = np.array(centroid_2dg(image[..., band])) + np.ceil((x[i] - 7.5, y[i] - 7.5))
            assert centre == pytest.approx((x[i], y[i]), abs=0.01)
            total = image[..., band].sum()
            assert 31.4 - 2.5 * np.log10(total) == pytest.approx(magnitude[i], abs=0.01)


def test_what_was_there_stays_whatever_fails_and_a_rerun_makes_the_same(messy: Path, monkeypatch: pytest.MonkeyPatch):
    config = messy_config(messy, overwrite=True)
    quiet(config)
    before = contents(Path(config.running.out))

    def no_space(*args, **options):
        raise OSError(28, "No space left on device")

    def interrupt(*args, **options):
        raise KeyboardInterrupt

    rename = Path.rename

    def last_rename(broken: Callable) -> Callable:
        return lambda path, to: broken() if path.name == "records" and to.name == "records" else rename(path, to)

    steps = [(module, "run_and_keep"), (finish, "write_table"), (finish, "write_json")]
    for broken, raised in ((no_space, AstrokerasError), (interrupt, KeyboardInterrupt)):
        for where, name in [*steps, (Path, "rename")]:
            with monkeypatch.context() as patch:
                patch.setattr(where, name, last_rename(broken) if where is Path else broken)
                with pytest.raises(raised):
                    quiet(config)
            assert contents(Path(config.running.out)) == before
            assert list(messy.glob(".*")) == ([workspace_path(Path(config.running.out))] if where is not module else [])
        quiet(config)
        assert contents(Path(config.running.out)) == before
        assert not list(messy.glob(".*"))
    with pytest.raises(AstrokerasError, match="no catalogue row"):
        quiet(replaced(config, size=95))
    assert contents(Path(config.running.out)) == before
    assert not list(messy.glob(".*"))


def test_only_records_are_overwritten_and_only_if_asked_to(messy: Path):
    config = messy_config(messy)
    quiet(config)
    with pytest.raises(AstrokerasError, match="--overwrite"):
        quiet(config)
    quiet(replaced(config, overwrite=True, size=8))
    assert RecordsDirectory.load(config.running.out).size == 8
    assert not list(messy.glob(".*"))
    thesis = messy / "thesis"
    thesis.mkdir()
    (thesis / "chapter.tex").write_text("years of work")
    for out in (thesis, thesis / "chapter.tex"):
        with pytest.raises(AstrokerasError, match="no records directory"):
            quiet(replaced(config, overwrite=True, out=str(out)))
    assert (thesis / "chapter.tex").read_text() == "years of work"


@pytest.mark.parametrize("name", ["Survey", "1a", "a-b", "", "a/b"])
def test_a_name_that_tensorflow_datasets_cannot_read_is_refused(messy: Path, name: str):
    with pytest.raises(UsageError, match="--name"):
        quiet(messy_config(messy, name=name))


def test_no_training_row_is_an_error(tmp_path: Path):
    for band in "gr":
        write_image(tmp_path / f"A_{band}.fits", noise_image(0))
    table = {"id": ["a", "b"], "x": [40.0, 500.0], "y": [40.0, 40.0], "group": [1, 2], "field": ["A", "A"]}
    Table(table).write(tmp_path / "catalog.fits")
    quiet(config_for(tmp_path, splits="train=1"))
    pixels = noise_image(0)
    pixels[:] = np.nan
    (tmp_path / "A_g.fits").unlink()
    write_image(tmp_path / "A_g.fits", pixels)
    with pytest.raises(AstrokerasError, match="1 bad_pixels"):
        quiet(config_for(tmp_path, splits="train=1", out=str(tmp_path / "other")))


def test_a_band_without_any_sky_still_has_a_noise(tmp_path: Path):
    write_image(tmp_path / "A_g.fits", np.full(SHAPE, np.nan))
    write_image(tmp_path / "A_r.fits", np.full(SHAPE, 3.0))
    Table({"x": [40.0], "y": [40.0], "field": ["A"]}).write(tmp_path / "catalog.fits")
    records, _, _ = run(config_for(tmp_path, splits="train=1", max_bad_fraction=1.0))
    assert records.sky == (0.0, 3.0)
    assert records.noise == (1.0, 1.0)


def test_inputs_are_listed_with_their_checksums(sample_records: Path, sample_survey: Path):
    content = json.loads((sample_records / "convert.json").read_text())
    listed = {Path(entry["path"]).name: entry["bytes"] for entry in content["inputs"]}
    files = [sample_survey / "catalog.fits", *(sample_survey / "images").iterdir()]
    assert listed == {path.name: path.stat().st_size for path in files}
    assert len(content["inputs"][0]["sha256"]) == 64
    assert all(entry["crc32c"] == checksum(Path(entry["path"])) for entry in content["inputs"][1:])


def test_progress_and_report_tell_what_happens(messy: Path):
    lines: list[str] = []
    totals: list[tuple[str, int]] = []

    done: list[int] = []

    @contextlib.contextmanager
    def watch(label, total):
        totals.append((label, total))
        yield done.append

    convert(messy_config(messy), report=lines.append, progress=watch)
    # A, B, and F, whose missing zero point is noticed only when its pixels are read
    assert totals == [("tasks", 3)] and done == [1, 1, 1]
    assert any(line.startswith("catalogue: x from x") for line in lines)
    assert any("rows rejected" in line for line in lines)


def test_real_field_in_nine_bands(real_data: Path, tmp_path: Path):
    directory = real_data / "kids9"
    table = Table.read(directory / "catalog.fits")[:400]
    table.write(tmp_path / "catalog.fits")
    optical, infrared = ("u", "g", "r", "i"), ("Z", "Y", "J", "H", "Ks")
    zero_points = ",".join([*(f"{band}=0" for band in optical), *(f"{band}=30" for band in infrared)])
    config = configure(
        ConvertConfig,
        images=str(directory / "{band}.fits"), bands=(*optical, *infrared), out=str(tmp_path / "out"),
        catalog=str(tmp_path / "catalog.fits"), label="LABEL_SG", zero_point=zero_points, size=24, workers=1,
        hcompress=True, split_by="id",
    )  # fmt: skip

    records, examples, rejects = run(config)
    assert len(examples) + len(rejects) == 400
    assert records.classes == ("0", "1")
    noise = np.array(records.noise)
    assert noise.max() / noise.min() < 1e3  # in one unit the bands no longer differ by 12 orders of magnitude


def test_real_galaxies_in_colour(real_data: Path, tmp_path: Path):
    import tarfile  # noqa: PLC0415 - the data come packed

    with tarfile.open(real_data / "efigi" / "stamps.tar") as archive:
        members = [member for member in archive if member.isfile()][:60]
        archive.extractall(tmp_path, members, filter="data")
    template = str(tmp_path / Path(members[0].name).parent / "{id}.jpg")
    table = Table.read(real_data / "efigi" / "catalog.csv", format="ascii.csv")
    ids = [Path(member.name).stem for member in members]
    table[np.isin(table["id"].astype(str), ids)].write(tmp_path / "catalog.csv")
    config = configure(
        ConvertConfig,
        images=template, bands=("r", "g", "b"), out=str(tmp_path / "out"), catalog=str(tmp_path / "catalog.csv"),
        label="morphology", size=64, workers=1,
    )  # fmt: skip

    records, examples, rejects = run(config)
    assert (len(examples), rejects) == (60, {})
    assert records.unit == "display"
    assert set(records.classes) <= {"elliptical", "lenticular", "spiral", "irregular"}
