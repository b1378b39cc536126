import contextlib
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.stats import sigma_clip
from astropy.table import Table
from astropy.wcs import WCS
from photutils.aperture import CircularAperture
from photutils.centroids import centroid_2dg

from astrokeras.config import SimulateConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.survey import simulate as module
from astrokeras.survey.simulate import OFF_IMAGES, SAMPLE, simulate
from tests import sky

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
TINY = SimulateConfig(out="", fields=1, bands=("g", "r"), size=96, objects=24, seed=3)
FIELDS = [f"F{i:02d}" for i in range(SAMPLE.fields)]


def run(config, out):
    return simulate(dataclasses.replace(config, out=str(out)))


def contents(directory):
    return {p.relative_to(directory): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def cards(content):
    """Every byte, in lines of 80, sorted: astropy 7 writes a compressed image's cards in another order than 8."""
    return sorted(content[i : i + 80] for i in range(0, len(content), 80))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulate") / "survey"
    counts = run(SAMPLE, out)
    table = Table.read(out / "catalog.fits").filled("")
    images = {}
    for path in sorted((out / "images").iterdir()):
        with fits.open(path) as hdus:
            assert not hdus[0].header["NAXIS"]
            images[path.stem] = (np.array(hdus[1].data, float), hdus[1].header.copy())
    return out, counts, table, images


def bright_stars(table, limit=20.5):
    """Labelled stars with nothing near that matters."""
    sky = SkyCoord(table["RA"], table["DEC"])
    near = sky[:, None].separation(sky[None, :]).arcsec + 1e9 * np.eye(len(table))
    magnitude = np.array(table["MAG_TRUE_r"])
    harmful = (near < 8) & (magnitude[None, :] < magnitude[:, None] + 3.5)
    stars = (table["CLASS"] == "star") & (magnitude > 17) & (magnitude < limit)
    return table[stars & ~harmful.any(axis=1)]


def cutout(pixels, x, y, half=9):
    """The pixels around a position and its place in them, or None at an edge or a bad pixel."""
    x0, y0 = round(x) - half, round(y) - half
    stamp = pixels[max(y0, 0) : y0 + 2 * half + 1, max(x0, 0) : x0 + 2 * half + 1]
    if min(x0, y0) < 0 or stamp.shape != (2 * half + 1,) * 2 or not np.isfinite(stamp).all():
        return None
    border = np.concatenate([stamp[[0, -1]].ravel(), stamp[:, [0, -1]].ravel()])
    return stamp - np.median(border), x0, y0


def test_files_columns_and_counts(sample):
    out, counts, table, images = sample
    assert {p.name for p in out.iterdir()} == {"images", "catalog.fits", "simulate.json"}
    assert set(images) == {f"{name}_{band}" for name in FIELDS for band in "ugriz"}
    assert all(pixels.shape == (640, 640) for pixels, _ in images.values())
    written = json.loads((out / "simulate.json").read_text())
    assert written["bands"] == list("ugriz")
    assert "visits" not in written
    assert len(table) == len(set(table["ID"])) == SAMPLE.objects
    measured = np.array([table[f"MAG_AUTO_{band}"] for band in "ugriz"])
    errors = np.array([table[f"MAGERR_AUTO_{band}"] for band in "ugriz"])
    np.testing.assert_array_equal(measured == 99, errors == 99)
    assert counts == {
        "fields": 4,
        "images": 20,
        "objects": 2000,
        "labelled": np.count_nonzero(table["CLASS"] != ""),
        "undetected": np.count_nonzero((measured == 99).all(axis=0)),
    }
    assert "DATE" not in " ".join(k for _, header in images.values() for k in header)


def test_some_rows_lie_beside_the_tiles(sample):
    *_, table, _ = sample
    off = (table["X"] < -0.5) | (table["Y"] < -0.5) | (table["X"] > 639.5) | (table["Y"] > 639.5)
    assert np.count_nonzero(off) == OFF_IMAGES
    assert np.all(table["MAG_AUTO_r"][off] == 99)


def test_wcs_and_pixel_columns_find_the_stars(sample):
    *_, table, images = sample
    offsets = []
    for star in bright_stars(table):
        pixels, header = images[f"{star['FIELD']}_r"]
        x, y = WCS(header).all_world2pix(star["RA"], star["DEC"], 0)
        assert (x, y) == pytest.approx((star["X"], star["Y"]), abs=1e-3)
        if (cut := cutout(pixels, float(x), float(y))) is not None:
            offsets.append(np.array(centroid_2dg(cut[0])) + cut[1:] - (x, y))
    assert len(offsets) >= 20
    assert np.abs(offsets).max() < 0.05


@pytest.mark.parametrize("band", "ugriz")
def test_star_magnitudes_follow_from_pixels_and_header(sample, band):
    *_, table, images = sample
    table = bright_stars(table)
    table = table[table[f"MAG_TRUE_{band}"] < 20.5]
    from_pixels, from_catalogue = [], []
    for star in table:
        pixels, header = images[f"{star['FIELD']}_{band}"]
        if star[f"MAG_AUTO_{band}"] == 99 or (cut := cutout(pixels, star["X"], star["Y"], 12)) is None:
            continue
        flux = CircularAperture((star["X"] - cut[1], star["Y"] - cut[2]), 9).do_photometry(cut[0])[0][0]
        from_pixels.append(header["MAGZPT"] - 2.5 * np.log10(flux) - star[f"MAG_TRUE_{band}"])
        from_catalogue.append(star[f"MAG_AUTO_{band}"] - star[f"MAG_TRUE_{band}"])
    assert len(from_pixels) >= 10
    assert abs(np.median(from_pixels)) < 0.03
    assert abs(np.median(from_catalogue)) < 0.03


def test_zero_points_differ_so_that_calibration_matters(sample):
    *_, images = sample
    points = [header["MAGZPT"] for _, header in images.values()]
    assert len(set(points)) == len(points)
    assert np.ptp(points) > 0.5


def test_sky_noise_is_that_of_the_header(sample):
    *_, table, images = sample
    reach = np.where(table["MAG_TRUE_r"] < 20, 40, 12)
    for name in FIELDS:
        x, y = WCS(images[f"{name}_r"][1]).all_world2pix(table["RA"], table["DEC"], 0)
        distance = np.hypot(*(np.indices((640, 640))[::-1, ::8, ::8, None] - np.array([x, y])[:, None, None]))
        empty = (distance > reach).all(axis=-1)
        for band in "ugriz":
            pixels, header = images[f"{name}_{band}"]
            sky = pixels[::8, ::8][empty]
            sky = sigma_clip(sky[np.isfinite(sky)], sigma=4, masked=False)
            assert sky.size > 500
            assert sky.std() == pytest.approx(header["SKYNOISE"], rel=4 / np.sqrt(2 * sky.size))
            assert 1 < sky.mean() < 14  # the pedestal


def test_dead_columns_are_in_every_band(sample):
    *_, images = sample
    for name in FIELDS:
        bad = np.all([np.isnan(images[f"{name}_{band}"][0]) for band in "ugriz"], axis=0)
        assert 1 <= np.count_nonzero(bad.sum(axis=0) >= 0.2 * 640 - 1) <= 3
        assert bad.mean() < 0.01


def test_a_star_in_the_overlap_is_on_both_tiles_and_in_one_row(sample):
    *_, table, images = sample
    found = 0
    for star in bright_stars(table, limit=22):
        places = []
        for name in FIELDS:
            pixels, header = images[f"{name}_r"]
            wcs = WCS(header)
            x, y = (float(v) for v in wcs.all_world2pix(star["RA"], star["DEC"], 0))
            if (cut := cutout(pixels, x, y, half=6)) is not None:
                places.append(wcs.pixel_to_world(*(np.array(centroid_2dg(cut[0])) + cut[1:])))
        if len(places) > 1:
            found += 1
            assert places[0].separation(places[1]).arcsec < 0.1
    assert found >= 2


def test_an_object_belongs_to_the_tile_it_lies_deepest_in(sample):
    *_, table, images = sample
    depths = []
    for name in FIELDS:
        x, y = WCS(images[f"{name}_r"][1]).all_world2pix(table["RA"], table["DEC"], 0)
        depths.append(np.minimum.reduce([x, y, 639 - x, 639 - y]))
    assert np.count_nonzero(np.sum(np.array(depths) > 0, axis=0) > 1) > 50  # on more tiles than one
    assert list(table["FIELD"]) == [FIELDS[i] for i in np.argmax(depths, axis=0)]


def test_colours_separate_ellipticals_from_spirals(sample):
    *_, table, _ = sample
    colour = table["MAG_TRUE_g"] - table["MAG_TRUE_r"]
    red, blue = (colour[table["CLASS"] == name] for name in ("elliptical", "spiral"))
    cut = (np.median(red) + np.median(blue)) / 2
    assert np.mean(red > cut) > 0.85
    assert np.mean(blue < cut) > 0.85


def test_labels_are_of_bright_objects_and_order_does_not_tell_them(sample):
    *_, table, _ = sample
    bright = table["MAG_TRUE_r"] < 21.7
    labelled = table["CLASS"] != ""
    assert 0.5 < labelled[bright].mean() < 0.7
    assert not labelled[table["MAG_TRUE_r"] > 22].any()
    serial = np.array([int(name[4:]) for name in table["ID"]])
    for order in (np.arange(len(table)), serial):
        for name in ("elliptical", "spiral", "irregular", "star"):
            ranks = order[table["CLASS"] == name] / len(table)
            assert abs(ranks.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(ranks))


def test_same_options_same_bytes_and_another_seed_another_sky(tmp_path):
    run(TINY, tmp_path / "a")
    run(TINY, tmp_path / "b")
    run(dataclasses.replace(TINY, seed=4), tmp_path / "c")
    first, second, other = (contents(tmp_path / name) for name in "abc")
    assert first == second
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first)


def test_committed_sample_is_what_its_options_make(sample):
    fresh, committed = contents(sample[0]), contents(ROOT / SAMPLE.out)
    assert fresh.keys() == committed.keys()
    assert [str(name) for name in fresh if cards(fresh[name]) != cards(committed[name])] == []


def test_sample_is_small_and_has_enough_labels_and_its_readme_says_how_it_is_made():
    assert sum(map(len, contents(ROOT / SAMPLE.out).values())) <= 6_000_000
    names, counts = np.unique(Table.read(ROOT / SAMPLE.out / "catalog.fits").filled("")["CLASS"], return_counts=True)
    labelled = dict(zip(names.tolist(), counts.tolist(), strict=True))
    labelled.pop("")
    assert labelled.keys() == {"elliptical", "spiral", "irregular", "star"}
    assert min(labelled.values()) >= 60
    assert sum(labelled.values()) >= 600
    command = (
        f"astrokeras simulate --out {SAMPLE.out} --fields {SAMPLE.fields} --bands {','.join(SAMPLE.bands)}"
        f" --size {SAMPLE.size} --objects {SAMPLE.objects} --seed {SAMPLE.seed}"
    )
    assert command in (ROOT / "data" / "README.md").read_text(encoding="utf-8")


def test_unknown_bands_get_images_and_columns(tmp_path):
    run(dataclasses.replace(TINY, bands=("J0378", "odd", "Ks")), tmp_path / "out")
    assert {p.name for p in (tmp_path / "out" / "images").iterdir()} == {
        f"F00_{band}.fits" for band in ("J0378", "odd", "Ks")
    }
    assert "MAG_AUTO_odd" in Table.read(tmp_path / "out" / "catalog.fits").colnames


def test_progress_counts_the_fields(tmp_path):
    seen, done = [], []

    @contextlib.contextmanager
    def watch(label, total):
        seen.append((label, total))
        yield done.append

    config = dataclasses.replace(TINY, out=str(tmp_path / "out"), fields=2)
    simulate(config, watch)
    assert seen == [("fields", 2)] and done == [1, 1]


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    out = tmp_path_factory.mktemp("visits") / "survey"
    config = SimulateConfig(out=str(out), fields=2, bands=("g", "r"), size=128, objects=60, visits=3, seed=3)
    return out, simulate(config), Table.read(out / "catalog.fits").filled("")


def test_visits_show_the_same_objects(visits):
    out, counts, table = visits
    names = [f"F{field:02d}V{visit}" for visit in range(3) for field in range(2)]
    assert {path.stem for path in (out / "images").iterdir()} == {f"{name}_{band}" for name in names for band in "gr"}
    assert json.loads((out / "simulate.json").read_text())["visits"] == counts["visits"] == 3
    assert counts["images"] == 12
    assert counts["objects"] == 60
    assert len(table) == 180
    first, *others = (table[60 * visit : 60 * (visit + 1)] for visit in range(3))
    for visit, rows in enumerate((first, *others)):
        assert list(rows["VISIT"]) == [f"{field}V{visit}" for field in rows["FIELD"]]
        for column in ("ID", "FIELD", "RA", "DEC", "CLASS", "MAG_TRUE_g", "MAG_TRUE_r", "FLUX_RADIUS"):
            np.testing.assert_array_equal(rows[column], first[column])
    assert counts["labelled"] == np.count_nonzero(first["CLASS"] != "")
    measured = np.array(table["MAG_AUTO_r"]).reshape(3, 60)
    seen = (measured < 90).all(axis=0) & (np.array(first["MAG_TRUE_r"]) < 22)
    assert np.count_nonzero(seen) >= 8
    assert np.ptp(measured, axis=0)[seen].min() > 0
    assert np.median(np.abs(measured - np.array(first["MAG_TRUE_r"]))[:, seen]) < 0.15


def test_visits_differ_in_seeing_sky_and_place(visits):
    out, _, table = visits
    seeing, noise = {}, {}
    for path in sorted((out / "images").iterdir()):
        with fits.open(path) as hdus:
            header = hdus[1].header
        seeing.setdefault(path.stem[:3] + path.stem[-1], []).append(header["SEEING"])
        noise.setdefault(path.stem[:3] + path.stem[-1], []).append(header["SKYNOISE"])
        rows = table[table["VISIT"] == path.stem[:-2]]
        x, y = WCS(header).all_world2pix(rows["RA"], rows["DEC"], 0)
        np.testing.assert_allclose([x, y], [rows["X"], rows["Y"]], atol=1e-3)
    for values, widest in ((seeing, 1.3 / 0.8), (noise, 1.2 / 0.95)):
        assert all(1 < max(several) / min(several) < widest * 1.01 for several in values.values())
        assert max(max(several) / min(several) for several in values.values()) > 1.1
    places = np.array([table["X"], table["Y"]]).reshape(2, 3, 60)
    assert 0 < np.ptp(places, axis=1).max() <= 8.01


def test_visits_become_records_that_know_the_objects(visits, tmp_path):
    options = {
        "images": str(visits[0] / "images" / "{field}_{band}.fits"), "catalog": str(visits[0] / "catalog.fits"),
        "zero_point": "header:MAGZPT", "label": "CLASS",
        "field_column": "VISIT", "id_column": "ID,VISIT", "object_column": "ID", "splits": "train=0.6,test=0.4",
    }  # fmt: skip
    _, examples, _ = sky.run(sky.config_for(tmp_path, **options))
    objects = {}
    for name, example in examples.items():
        objects.setdefault(name[: len("SIM-0000000")], []).append(example)
    assert sum(len(rows) == 3 for rows in objects.values()) > 30
    for rows in objects.values():
        assert len({row["object"] for row in rows}) == 1
        assert len({row["split"] for row in rows} - {"margin"}) <= 1
        assert len({int(row["label"][0]) for row in rows}) == 1


def test_an_empty_directory_is_filled_and_a_full_one_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    run(TINY, tmp_path / "empty")
    before = contents(tmp_path / "empty")
    with pytest.raises(AstrokerasError, match="exists and is not an empty directory"):
        run(dataclasses.replace(TINY, seed=4), tmp_path / "empty")
    assert contents(tmp_path / "empty") == before


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "measure_apertures", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(TINY, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AstrokerasError, match="cannot write"):
        run(TINY, tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fields": 0}, "--fields 0"),
        ({"size": 10}, "--size 10"),
        ({"objects": 2}, "--objects 2"),
        ({"visits": 0}, "--visits 0"),
        ({"seed": -1}, "--seed -1"),
        ({"bands": ()}, "--bands"),
        ({"bands": ("Y", "y")}, "more than case"),
        ({"bands": ("g/r",)}, "not a band name"),
    ],
)
def test_options_out_of_range_are_usage_errors(tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        run(dataclasses.replace(TINY, **change), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
