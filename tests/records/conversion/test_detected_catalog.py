import os
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS

from astrokeras.config import ConvertConfig
from astrokeras.errors import AstrokerasError
from astrokeras.records.conversion import convert as module
from astrokeras.records.conversion import detected_catalog as detection
from astrokeras.records.conversion.convert import convert
from astrokeras.records.conversion.detected_catalog import DETECTED, find_duplicates
from astrokeras.records.directory import RecordsDirectory
from tests.sky import SCALE, config_for, run, tan_header, write_image

SHAPE = (120, 140)


def sky(directory: Path, fields: str = "AB") -> tuple[np.ndarray, np.ndarray]:
    """Fields 90 pixels apart, hence with an overlap of 50, and the stars on them."""
    rng = np.random.default_rng(0)
    middle = tan_header(SHAPE)
    columns, rows = np.meshgrid(np.arange(-60, 200, 24), np.arange(14, 110, 22))
    x, y = columns.ravel() + rng.uniform(-4, 4, columns.size), rows.ravel() + rng.uniform(-4, 4, rows.size)
    ra, dec = WCS(middle).all_pix2world(x, y, 0)
    for index, field in enumerate(fields):
        header = tan_header(SHAPE, ra=150 + 90 * SCALE * index)
        here = np.stack(WCS(header).all_world2pix(ra, dec, 0), axis=1)
        yy, xx = np.indices(SHAPE)
        for band, seed in (("g", 10), ("r", 20)):
            pixels = np.random.default_rng(seed + index).normal(100, 5, SHAPE)
            for at_x, at_y in here:
                pixels += 300 * np.exp(-((xx - at_x) ** 2 + (yy - at_y) ** 2) / (2 * 1.8**2))
            write_image(directory / f"{field}_{band}.fits", pixels.astype(np.float32), header)
    return ra, dec


def options(directory: Path, **more) -> ConvertConfig:
    defaults = {"catalog": None, "detect": "g+r", "splits": "train=1", "edge": "pad", "max_bad_fraction": 1.0}
    return config_for(directory, **{**defaults, **more})


def test_every_star_is_kept_once_in_the_field_where_it_lies_deepest(tmp_path: Path):
    ra, dec = sky(tmp_path)
    records, examples, rejects = run(options(tmp_path))
    table = Table.read(records.path / DETECTED)
    assert len(set(table["ID"])) == len(table)
    assert set(examples) | set(rejects) == set(table["ID"])
    assert not set(examples) & set(rejects)
    assert set(rejects.values()) == {"duplicate_detection"}
    kept = table[[name in examples for name in table["ID"]]]
    # Stars on a field, each once, by position.
    inside = [np.all([(p > 3) & (p < n - 4) for p, n in zip(place, SHAPE[::-1], strict=True)], axis=0) for place in (
        WCS(tan_header(SHAPE, ra=150 + 90 * SCALE * index)).all_world2pix(ra, dec, 0) for index in (0, 1)
    )]  # fmt: skip
    for at_ra, at_dec in zip(ra[inside[0] | inside[1]], dec[inside[0] | inside[1]], strict=True):
        assert np.sum(np.hypot(kept["RA"] - at_ra, kept["DEC"] - at_dec) * 3600 < 1) == 1
    for row in table[[name in rejects for name in table["ID"]]]:
        (other,) = table[table["ID"] == row["DUPLICATE_OF"]]
        assert other["FIELD"] != row["FIELD"]
        assert other["DEPTH"] >= row["DEPTH"]
        assert other["ID"] in examples
    assert np.isfinite(examples[kept["ID"][0]]["magnitudes"]).all()
    assert DETECTED in {entry["file"] for entry in records.content["files"]}


def test_columns_and_where_look_at_what_was_detected(tmp_path: Path):
    sky(tmp_path)
    records, examples, rejects = run(options(tmp_path, columns=("NPIX",), where="X < 70 & FIELD == 'A'"))
    assert "where" in rejects.values()
    assert records.columns[0] == "NPIX"
    assert {name[0] for name in examples} == {"A"}


def test_what_is_measured_stands_in_the_table_of_what_was_detected(tmp_path: Path):
    sky(tmp_path)
    convert(options(tmp_path, measure=True))
    detected = Table.read(tmp_path / "records" / DETECTED)
    objects = RecordsDirectory.load(tmp_path / "records").objects()
    place = {str(name): i for i, name in enumerate(detected["ID"])}
    rows = [place[str(name)] for name in objects["id"]]
    for theirs, ours in (("MAG_AUTO_g", "magnitude_g"), ("HALF_LIGHT_RADIUS", "half_light_radius")):
        values = np.ma.filled(objects[ours].astype(float), np.nan)
        np.testing.assert_allclose(np.ma.filled(detected[theirs], np.nan)[rows], values, rtol=1e-6)
        assert np.isfinite(values).any()
    assert np.isnan(np.ma.filled(detected["MAG_AUTO_g"], np.nan)).sum() >= len(detected) - len(objects)
    assert (detected["MAG_AUTO_g"].unit, detected["HALF_LIGHT_RADIUS"].unit) == ("mag", "pix")


def test_one_image_without_wcs_and_without_a_name(tmp_path: Path):
    sky(tmp_path, "A")
    for band in "gr":
        write_image(tmp_path / f"only_{band}.fits", np.asarray(image_of(tmp_path / f"A_{band}.fits")))
    _, examples, _ = run(options(tmp_path, images=str(tmp_path / "only_{band}.fits")))
    assert min(examples).startswith("object-0000")


def image_of(path: Path) -> np.ndarray:
    from astropy.io import fits  # noqa: PLC0415

    return fits.getdata(path)


def test_workers_make_no_difference_and_nothing_is_left(tmp_path: Path):
    sky(tmp_path)
    results = []
    for workers in (1, 2):
        records, _, _ = run(options(tmp_path, out=str(tmp_path / f"out{workers}"), workers=workers))
        results.append({file.name: file.read_bytes() for file in records.path.iterdir()})
    assert results[0] == results[1]
    assert not list(tmp_path.glob(".*"))


def test_a_rerun_detects_only_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sky(tmp_path)
    searched = []
    real = detection.detect_field

    def counted(cutting, what, field):
        searched.append(field)
        return real(cutting, what, field)

    def stop(*arguments):
        raise AstrokerasError("stopped here")

    monkeypatch.setattr(detection, "detect_field", counted)
    with monkeypatch.context() as patch:
        patch.setattr(module, "make_plan", stop)
        for _ in range(2):
            with pytest.raises(AstrokerasError, match="stopped here"):
                convert(options(tmp_path), report=lambda line: None)
    assert searched == ["A", "B"]
    b = image_of(tmp_path / "B_r.fits").copy()
    (tmp_path / "B_r.fits").unlink()
    write_image(tmp_path / "B_r.fits", b + 1, tan_header(SHAPE, ra=150 + 90 * SCALE))
    # Another stamp size needs no other detection.
    disturbed, _, _ = run(options(tmp_path, size=20))
    assert searched == ["A", "B", "B"]
    straight, _, _ = run(options(tmp_path, size=20, out=str(tmp_path / "straight")))
    for file in straight.path.iterdir():
        assert file.read_bytes() == (disturbed.path / file.name).read_bytes()


def test_masked_pixels_are_not_searched_and_a_new_mask_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sky(tmp_path, "A")
    config = options(tmp_path, mask=str(tmp_path / "{field}_mask.fits"))
    for left in (0, 70):
        mask = np.zeros(SHAPE, np.uint8)
        mask[:, left : left + 70] = 1
        (tmp_path / "A_mask.fits").unlink(missing_ok=True)
        write_image(tmp_path / "A_mask.fits", mask)
        os.utime(tmp_path / "A_mask.fits", ns=(left, left))
        with monkeypatch.context() as patch:
            patch.setattr(module, "make_plan", lambda *arguments: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                convert(config, report=lambda line: None)
        x = Table.read(tmp_path / ".records.partial" / "detected" / DETECTED)["X"]
        assert len(x) > 5
        assert np.all((x < left) | (x > left + 69))


def test_an_interrupt_keeps_the_fields_that_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sky(tmp_path)
    real = detection.detect_field

    def interrupted(cutting, what, field):
        if field == "B":
            raise KeyboardInterrupt
        return real(cutting, what, field)

    lines = []
    monkeypatch.setattr(detection, "detect_field", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(options(tmp_path), report=lines.append)
    assert "the objects of 1 fields are kept" in lines[-1]
    monkeypatch.setattr(
        detection, "detect_field", lambda *arguments: real(*arguments) if arguments[2] == "B" else 1 / 0
    )
    assert run(options(tmp_path))[1]


def test_a_field_that_cannot_be_read_is_named_and_the_others_go_on(tmp_path: Path):
    sky(tmp_path)
    (tmp_path / "B_g.fits").write_bytes(b"no image")
    lines = []
    convert(options(tmp_path), report=lines.append)
    assert any("nothing can be detected on field 'B'" in line for line in lines)
    table = Table.read(tmp_path / "records" / DETECTED)
    assert set(table["FIELD"]) == {"A"}
    assert any("'B'" in comment for comment in table.meta["comments"])


def test_no_object_at_all_is_an_error(tmp_path: Path):
    for band in "gr":
        write_image(tmp_path / f"A_{band}.fits", np.random.default_rng(0).normal(0, 1, (80, 80)).astype(np.float32))
    with pytest.raises(AstrokerasError, match="no object was detected on 1 fields"):
        convert(options(tmp_path), report=lambda line: None)


def test_duplicates_against_every_pair():
    rng = np.random.default_rng(0)
    n = 400
    field, depth = rng.integers(0, 4, n), rng.uniform(0, 50, n).round()
    # Around RA 0, near the pole, where differences of coordinates mislead.
    ra, dec = rng.uniform(-0.02, 0.02, n) % 360, 88 + rng.uniform(0, 0.004, n)
    ra[::50] = np.nan
    same = find_duplicates(field, ra, dec, depth)
    a, d = np.radians(ra), np.radians(dec)
    half = np.sin((d[:, None] - d) / 2) ** 2 + np.cos(d[:, None]) * np.cos(d) * np.sin((a[:, None] - a) / 2) ** 2
    near = (np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600 <= 1) & (field[:, None] != field)
    expected = np.full(n, -1)
    for i in sorted(range(n), key=lambda i: (-depth[i], i)):
        if expected[i] < 0:
            for j in np.flatnonzero(near[i] & (expected < 0)):
                if (-depth[i], i) < (-depth[j], j):
                    expected[j] = i
    assert np.count_nonzero(same >= 0) > 20
    np.testing.assert_array_equal(same, expected)
