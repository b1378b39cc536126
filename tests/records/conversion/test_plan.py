from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.conversion import plan as module
from astrokeras.records.conversion.plan import Plan, make_plan
from astrokeras.records.conversion.resolve import resolve
from tests.sky import SCALE, config_for, noise_image, tan_header, write_image

SHAPE = (96, 80)


def survey(directory: Path, columns: dict, fields: str = "AB", *, wcs: bool = True) -> Path:
    for index, field in enumerate(fields):
        header = tan_header(SHAPE, ra=150 + 60 * SCALE * index) if wcs else None
        for band in "gr":
            write_image(directory / f"{field}_{band}.fits", noise_image(index, SHAPE), header)
    Table(columns).write(directory / "catalog.fits")
    return directory


def plan_of(directory: Path, **options) -> Plan:
    return make_plan(resolve(config_for(directory, **options), lambda line: None), report=lambda line: None)


def reasons(plan: Plan) -> dict[int, str]:
    return {row: reason for row, (reason, _) in sorted(plan.rejects.items())}


def test_sky_and_pixel_positions_lead_to_the_same_plan(tmp_path: Path):
    header = tan_header(SHAPE)
    x, y = np.random.default_rng(0).uniform(0, 79, (2, 60))
    ra, dec = WCS(header).all_pix2world(x, y, 0)
    directory = survey(tmp_path, {"ra": ra, "dec": dec, "x_image": x + 1, "y_image": y + 1, "field": ["A"] * 60}, "A")
    by_sky = plan_of(directory)
    for options in ({"x_column": "x_image"}, {"x_column": "x_image", "y_column": "y_image"}):
        by_pixels = plan_of(directory, **options)
        assert reasons(by_pixels) == reasons(by_sky)
        for one, other in zip(by_sky.tasks, by_pixels.tasks, strict=True):
            np.testing.assert_array_equal(one.rows, other.rows)
            np.testing.assert_allclose((one.x, one.y), (other.x, other.y), atol=1e-6)
    off = plan_of(directory, x_column="x_image", origin=0)
    shifted = {row: position for task in off.tasks for row, position in zip(task.rows, task.x, strict=True)}
    for row in set(shifted) - set(reasons(off)):
        assert shifted[row] == pytest.approx(x[row] + 1)


def test_rows_of_a_task_come_in_order_of_y_and_tasks_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    x, y = np.random.default_rng(0).uniform(10, 65, (2, 50))
    directory = survey(tmp_path, {"x": x, "y": y, "field": ["A", "B"] * 25}, wcs=False)
    monkeypatch.setattr(module, "STAMP_BYTES_PER_TASK", 16 * 16 * 2 * 4 * 10 + 1)
    tasks = plan_of(directory).tasks
    assert [(task.field, len(task.rows)) for task in tasks] == [(f, n) for f in "AB" for n in (10, 10, 5)]
    assert [task.hash_inputs for task in tasks] == [True, False, False] * 2
    assert [task.index for task in tasks] == list(range(6))
    for field in "AB":
        rows = np.concatenate([task.rows for task in tasks if task.field == field])
        assert np.all(np.diff(y[rows]) > 0)
        np.testing.assert_array_equal(x[rows], np.concatenate([task.x for task in tasks if task.field == field]))


def test_field_is_found_by_position_or_named(tmp_path: Path):
    # Field B lies 60 pixels to the east, where x is smaller.
    ra = 150 + SCALE * np.array([0, 60, 32, 28, 400.0])
    directory = survey(tmp_path, {"ra": ra, "dec": np.full(5, 2.0), "name_of_field": ["A", "A", "A", "B", "C"]})
    found = plan_of(directory, splits="train=1")
    assert {row: task.field for task in found.tasks for row in task.rows} == {0: "A", 1: "B", 2: "B", 3: "A"}
    assert reasons(found) == {4: "no_field"}
    named = plan_of(directory, splits="train=1", field_column="name_of_field")
    assert {row: task.field for task in named.tasks for row in task.rows} == {0: "A", 2: "A", 3: "B"}
    assert reasons(named) == {1: "off_image", 4: "missing_image"}


@pytest.mark.parametrize(("splits", "said"), [("train=0.8,val=0.1", 1), ("train=0.8,val=0.2", 0), (None, 0)])
def test_shares_that_are_scaled_are_said(tmp_path: Path, splits: str | None, said: int):
    directory = survey(tmp_path, {"x": [40.0] * 30, "y": [40.0] * 30, "field": list("AB") * 15}, wcs=False)
    lines: list[str] = []
    make_plan(resolve(config_for(directory, splits=splits), report=lines.append), report=lines.append)
    assert lines.count("--splits adds up to 0.9: taken as train 0.889, val 0.111") == said
    assert sum("--splits" in line for line in lines) == said


@pytest.mark.parametrize("edge", ["reject", "pad"])
def test_edges(tmp_path: Path, edge: str):
    x = [7.0, 8.0, 72.0, 72.5, 40.0, -0.5, -0.6, 79.4, 79.5, np.nan, 1e300]
    directory = survey(tmp_path, {"x": x, "y": [40.0] * len(x)}, "A", wcs=False)
    plan = plan_of(directory, edge=edge, splits="train=1", images=str(directory / "A_{band}.fits"))
    outside = {6: "off_image", 8: "off_image", 9: "no_position", 10: "off_image"}
    cut = dict.fromkeys((0, 3, 5, 7), "edge")
    assert reasons(plan) == dict(sorted({**outside, **(cut if edge == "reject" else {})}.items()))


def test_the_first_reason_stays_and_the_first_of_equal_ids_counts(tmp_path: Path):
    table = {"id": ["a", "", "a", "b", ""], "x": [40.0, -50, -50, 40, 40], "y": [40.0] * 5}
    directory = survey(tmp_path, table, "A", wcs=False)
    plan = plan_of(directory, splits="train=1", images=str(directory / "A_{band}.fits"))
    assert reasons(plan) == {1: "no_id", 2: "duplicate_id", 4: "no_id"}
    text = plan.rejects.summary()
    assert text.index("2 no_id") < text.index("1 duplicate_id")


def test_split_by_field_and_by_column_keep_groups_whole(tmp_path: Path):
    n = 120
    x, y = np.random.default_rng(0).uniform(10, 65, (2, n))
    night = np.arange(n) // 10
    directory = survey(tmp_path, {"x": x, "y": y, "field": list("ABC") * 40, "night": night}, "ABC", wcs=False)
    for option, groups in (("field", np.array(list("ABC") * 40)), ("NIGHT", night)):
        split = plan_of(directory, split_by=option).split
        for group in np.unique(groups):
            assert len(set(split[groups == group])) == 1
        assert set(split) == {0, 1, 2}


def test_fields_that_cannot_be_used_are_named_and_the_others_go_on(tmp_path: Path):
    directory = survey(tmp_path, {"x": [40.0] * 3, "y": [40.0] * 3, "field": list("ABC")}, "ABC", wcs=False)
    (directory / "B_r.fits").unlink()
    (directory / "C_g.fits").unlink()
    write_image(directory / "C_g.fits", noise_image(0, (96, 81)))
    lines: list[str] = []
    plan = make_plan(resolve(config_for(directory, splits="train=1"), report=lines.append), report=lines.append)
    assert reasons(plan) == {1: "missing_image", 2: "different_grids"}
    assert any("'B'" in line and "B_r.fits" in line for line in lines)
    (directory / "A_g.fits").write_bytes(b"")
    with pytest.raises(AstrokerasError, match="no image can be used"):
        plan_of(directory)


WRONG = {
    "two equal bands": ({"bands": ("g", "g")}, "--bands"),
    "no band": ({"bands": ()}, "--bands"),
    "tiny": ({"size": 3}, "--size"),
    "bad fraction": ({"max_bad_fraction": 1.5}, "--max-bad-fraction"),
    "reserved column": ({"columns": ("label",)}, "--columns"),
    "cells without sky": ({"cell_size": 5.0}, "--cell-size"),
    "tiles without a catalogue": ({"catalog": None}, "--catalog"),
    "label without a catalogue": ({"catalog": None, "label": "x"}, "--label"),
    "columns without a catalogue": ({"catalog": None, "columns": ("x",)}, "--columns"),
    "split column without a catalogue": ({"catalog": None, "split_by": "x"}, "--split-by"),
    "placeholder": ({"images": "{tile}.fits"}, "placeholder"),
    "share": ({"splits": "val=1"}, "--splits"),
    "zero point": ({"zero_point": "x"}, "--zero-point"),
    "extension": ({"ext": "g=1"}, "--ext"),
    "too few fields": ({"split_by": "field"}, "--split-by"),
}


@pytest.mark.parametrize(("options", "said"), WRONG.values(), ids=WRONG)
def test_options_that_contradict_are_usage_errors(tmp_path: Path, options: dict, said: str):
    directory = survey(tmp_path, {"x": [40.0] * 9, "y": [40.0] * 9, "field": ["A"] * 9}, "A")
    with pytest.raises(UsageError, match=said):
        plan_of(directory, **options)


def test_positions_that_cannot_be_used_are_usage_errors(tmp_path: Path):
    directory = survey(tmp_path, {"ra": [150.0], "dec": [2.0]}, "A", wcs=False)
    with pytest.raises(UsageError, match="no WCS"):
        plan_of(directory)
    with pytest.raises(UsageError, match="--x-column"):
        plan_of(directory, images=str(directory / "A_{band}.fits"))
    Table({"mag": [1.0]}).write(directory / "catalog.fits", overwrite=True)
    with pytest.raises(UsageError, match="--field-column"):
        plan_of(directory)
    with pytest.raises(UsageError, match="--ra-column"):
        plan_of(directory, images=str(directory / "A_{band}.fits"))


def test_one_file_an_object_takes_ids_from_the_catalogue_and_no_place_on_tiles(tmp_path: Path):
    for name in ("1", "2", "3"):
        write_image(tmp_path / f"{name}_g.fits", noise_image(0))
    options = {"images": str(tmp_path / "{id}_{band}.fits"), "bands": ("g",), "splits": "train=1"}
    assert make_plan(resolve(config_for(tmp_path, catalog=None, **options), print), print).catalog.ids.tolist() == [
        "1",
        "2",
        "3",
    ]
    Table({"objid": [2, 3]}).write(tmp_path / "catalog.fits")
    plan = plan_of(tmp_path, **options)
    assert plan.catalog.ids.tolist() == ["2", "3"]
    for split_by in ("field", "sky"):
        with pytest.raises(UsageError, match="--split-by"):
            plan_of(tmp_path, **options, split_by=split_by)
    Table({"flux": [2.0]}).write(tmp_path / "catalog.fits", overwrite=True)
    with pytest.raises(UsageError, match="--id-column"):
        plan_of(tmp_path, **options)


def test_zero_points_do_not_fit_display_levels(tmp_path: Path):
    with pytest.raises(UsageError, match="display levels"):
        plan_of(tmp_path, images="{id}.jpg", zero_point="25")


def test_rows_left_out_are_rejects_and_ids_are_judged_among_the_rest(tmp_path: Path):
    columns = {
        "id": ["a", "a", "", "b", "b"],
        "x": [40.0] * 5,
        "y": [40.0] * 5,
        "field": ["A"] * 5,
        "r": [22, 20, 30, 20, 20],
    }
    plan = plan_of(survey(tmp_path, columns, "A", wcs=False), where="r < 21", splits="train=1")
    assert reasons(plan) == {0: "where", 2: "where", 4: "duplicate_id"}
    assert dict(plan.rejects.items())[0][1] == "left out by --where r < 21"
    with pytest.raises(UsageError, match="no --catalog"):
        make_plan(
            resolve(
                config_for(tmp_path, images=str(tmp_path / "{id}_{band}.fits"), catalog=None, where="r < 1"), print
            ),
            print,
        )
