"""Whatever stands in the cells of a catalogue: each row is planned or rejected, or one clear error says why not."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrokeras.errors import AstrokerasError
from astrokeras.records.conversion.plan import Plan, make_plan
from astrokeras.records.conversion.resolve import resolve
from astrokeras.survey import catalog as catalog_module
from astrokeras.text import is_plain
from tests.sky import config_for, noise_image, tan_header, write_image

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
ODD = st.sampled_from(
    ["", " ", "nan", "NaN", "inf", "-inf", "--", "null", "A", "B", "../A", "a/b", "\0", "A\0", "ü", "1e999", "-99",
     "99.0", "007", "1.0", "true", '"', "'", "#", "\ufeff", "\u202e", "A\nB",
     "A\x0bB", "A\u2028B", "A\x85", "\x1b[2J", "NULL", "\\N", "N/A",
     "9" * 40, "150.001", "2.001", "40"]
)  # fmt: skip
NUMBER = st.floats(width=64) | st.sampled_from([0.0, -0.0, 99.0, -99.0, 1e300, 5e-324])
WORDS = {
    "id": st.integers(0, 30).map(str) | TEXT | ODD,
    "field": st.sampled_from("AB") | st.sampled_from("AB") | ODD,
    "kind": st.sampled_from(["star", "galaxy"]) | TEXT | ODD,
}
GOOD = {
    "id": ["good", "better"],
    "field": ["A", "A"],
    "ra": [150.0, 150.0],
    "dec": [2.0, 2.0],
    "x": [40.0] * 2,
    "y": [40.0] * 2,
}
# Numbers with which a row has a chance to be planned.
LIKELY = {"z": [1.0, 2.0], "ra": [150.0, 150.001, 150.004], "dec": [2.0, 2.001], "x": [40.0, 39.5], "y": [40.0, 41.0]}
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 3)
NAMES = (
    "id",
    "ra",
    "dec",
    "x",
    "y",
    "field",
    "MAG_AUTO_g",
    "MAG_AUTO_r",
    "MAGERR_AUTO_g",
    "MAGERR_AUTO_r",
    "kind",
    "z",
)
OPTIONS = st.fixed_dictionaries(
    {
        "label": st.sampled_from([None, "kind", "z", "id"]),
        "columns": st.sampled_from([(), (), (), ("z",), ("kind",)]),
        "split_by": st.sampled_from(["id", "field", "sky", "kind"]),
        "where": st.sampled_from(
            [None, None, None, None, "z < 3", "kind != 'A'", "isnan(ra) or dec > -x", "not z in [1, 2]"]
        ),
        "edge": st.sampled_from(["reject", "pad"]),
        "x_column": st.sampled_from([None, "x"]),
    }
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("images")
    for index, field in enumerate("AB"):
        for band in "gr":
            write_image(
                directory / f"{field}_{band}.fits", noise_image(index), tan_header((96, 80), ra=150 + 0.005 * index)
            )
    return directory


@st.composite
def columns(draw: st.DrawFn, name: str, n_rows: int) -> MaskedColumn:
    number = NUMBER | st.sampled_from(LIKELY.get(name, [1.0, 2.0]))
    cells = {
        "f8": number, "f4": st.floats(width=32), ">f8": NUMBER, "i8": WHOLE, ">i4": st.integers(-(2**31), 2**31 - 1),
        "u8": st.integers(0, 2**64 - 1), "?": st.booleans(), "S": st.binary(max_size=6),
        "U": WORDS.get(name, TEXT | ODD), "O": NUMBER | TEXT | ODD | st.none() | WHOLE,
        "c16": st.complex_numbers(), "2f8": st.tuples(NUMBER, NUMBER),
    }  # fmt: skip
    kind = "f8" if name in LIKELY else "U" if name in ("id", "field", "kind") else "i8"
    if draw(st.integers(0, 9)) == 0:
        kind = draw(st.sampled_from(list(cells)))
    values = draw(st.lists(cells[kind], min_size=n_rows, max_size=n_rows))
    expected = GOOD.get(name, [1.0, 2.0])
    if kind == ("U" if isinstance(expected[0], str) else "f8"):  # two rows with which all may be well
        values[:2] = expected[: len(values)]
    data = np.empty(n_rows, dtype="f8" if kind == "2f8" else kind)
    if kind == "2f8":
        data = np.array(values).reshape(n_rows, 2)
    elif kind in ("U", "S"):
        data = np.array(values, dtype=kind)
    else:
        data[:] = values
    masked = st.lists(st.booleans(), min_size=n_rows, max_size=n_rows)
    mask = draw(masked) if draw(st.integers(0, 9)) == 0 else [False] * n_rows
    mask = np.repeat(np.array(mask)[:, None], 2, axis=1) if kind == "2f8" else mask
    return MaskedColumn(data, mask=mask)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    n_rows = draw(st.integers(1, 8))
    names = NAMES
    if draw(st.integers(0, 9)) == 0:
        names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    return Table({name: draw(columns(name, n_rows)) for name in names})


def check(images: Path, options: dict, n_rows: int | None) -> None:
    """Plan; each row must end in one task or among the rejects, unless an error of ours is raised."""
    try:
        plan: Plan = make_plan(
            resolve(config_for(images, splits="train=1", **options), lambda line: None), report=lambda line: None
        )
    except AstrokerasError as error:
        assert str(error)
        assert "\n" not in str(error)
        return
    planned = np.concatenate([task.rows for task in plan.tasks])
    rejected = [row for row, _ in plan.rejects.items()]
    assert sorted([*planned.tolist(), *rejected]) == list(range(len(plan.catalog)))
    assert n_rows is None or len(plan.catalog) == n_rows
    assert np.all(plan.split[planned] >= 0)
    assert all(np.isfinite(task.x).all() and np.isfinite(task.y).all() for task in plan.tasks)
    assert len(set(plan.catalog.ids[planned].tolist())) == len(planned)
    assert all(is_plain(str(name)) for name in (*plan.catalog.ids[planned], *plan.catalog.classes))
    rejects = plan.rejects.table(plan.catalog.ids)
    text = io.StringIO()
    rejects.write(text, format="ascii.ecsv")
    assert len(Table.read(text.getvalue(), format="ascii.ecsv")) == len(rejected)


# A busy machine is no reason to fail.
patient = settings(suppress_health_check=[HealthCheck.too_slow])


@patient
@given(table=tables(), options=OPTIONS)
def test_cells_of_every_type(images: Path, table: Table, options: dict):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_module, "read_table", lambda path, text_columns, limit: table)
        check(images, options, len(table))


@st.composite
def rows_of_text(draw: st.DrawFn) -> list[list[str]]:
    """Lines of cells, for the most part numbers where numbers are expected."""
    spoiled = draw(st.sampled_from([*NAMES, "", "", "", "", "", ""]))

    def cell(name: str) -> st.SearchStrategy[str]:
        if name == spoiled or name in ("id", "field", "kind"):
            return WORDS.get(name, TEXT | ODD)
        numbers = st.sampled_from(LIKELY.get(name, [20.0, 99.0, 1e300])) | st.floats() | st.integers(-(2**70), 2**70)
        return numbers.map(str) | st.just("")

    good = [[str(GOOD.get(name, [1, 2])[row]) for name in NAMES] for row in (0, 1)]
    return good + draw(st.lists(st.tuples(*map(cell, NAMES)).map(list), min_size=1, max_size=6))


@patient
@given(rows=rows_of_text(), options=OPTIONS, suffix=st.sampled_from(["csv", "tsv"]))
def test_cells_of_text_files(images: Path, rows: list[list[str]], options: dict, suffix: str):
    stream = io.StringIO()
    csv.writer(stream, delimiter="," if suffix == "csv" else "\t").writerows([NAMES, *rows])
    path = images / f"catalog.{suffix}"
    path.write_text(stream.getvalue(), newline="")
    check(images, {**options, "catalog": str(path)}, len(rows))


@patient
@given(content=st.binary(max_size=60), suffix=st.sampled_from(["csv", "tsv", "txt", "ecsv", "csv.gz", "fits", "vot"]))
def test_bytes_that_are_no_catalogue(images: Path, content: bytes, suffix: str):
    path = images / f"bytes.{suffix}"
    path.write_bytes(content)
    check(images, {"catalog": str(path)}, None)
