"""A map in a real browser: it shows what it should, and what stands in a catalogue runs nothing."""

import json

import numpy as np
import pytest

from astrokeras.config import MapConfig
from astrokeras.embedding.map import map_embeddings
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.survey.tables import read_table
from tests.browser import PROGRAM, browser
from tests.embedding.samples import grouped, sample, write
from tests.synthetic import write_records

HOSTILE = "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A map of thirty objects with stamps, one of which has a name and a label that would run."""
    work = tmp_path_factory.mktemp("map")
    records = write_records(work / "records", counts={"train": 29}, size=16)
    vectors, group = grouped(30)
    ids = [*(f"train-{i}" for i in range(29)), HOSTILE]
    positions = np.stack([np.linspace(10, 11, 30), np.linspace(-5, -4, 30)], axis=1)
    positions[3] = np.nan
    path = write(
        work / "e.parquet", vectors, ids=ids, positions=positions,
        label=[HOSTILE if g == 2 else None if g else "a" for g in group],
        further={"z": np.r_[np.nan, np.linspace(0, 1, 29)]},
        about={"records": {"path": str(records.path), "fingerprint": records.fingerprint}},
    )  # fmt: skip
    config = MapConfig(
        str(path), str(work / "m.parquet"), colour=("label", "z"), figure=(str(work / "m.svg"),), stamps=20,
    )  # fmt: skip
    said = []
    return work, map_embeddings(config, said.append), said


def test_the_table(made):
    work, result, said = made
    table = read_table(work / "m.parquet")
    assert table.colnames == ["id", "ra", "dec", "map_x", "map_y", "label", "z"]
    assert len(table) == result["objects"] == result["points"] == 30 and result["stamps"] == 20
    assert table["id"][29] == HOSTILE and not said
    assert result["page"] == str(work / "m.html") and (work / "m.svg").is_file()


def test_nothing_of_the_catalogue_stands_in_the_markup(made):
    text = (made[0] / "m.html").read_text(encoding="utf-8")
    assert "document.title='run'</script" not in text and "<img src=x" not in text
    assert text.count("<script") == 2 and "default-src 'none'" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    if PROGRAM is None:
        pytest.skip("there is no Chromium to open the page with")
    with browser(tmp_path_factory.mktemp("profile")) as page:
        page.open(f"file://{made[0]}/m.html")
        yield page


def test_nothing_runs_and_nothing_is_fetched(page):
    assert page.ask("document.title").startswith("Map of e.parquet")
    assert page.ask("performance.getEntriesByType('resource').filter((e) => !/^(data|blob):/.test(e.name)).length") == 0
    page.ask("pin(29)")
    assert HOSTILE in page.ask("get('object').textContent")
    assert page.ask("document.querySelectorAll('img, iframe').length") == 0
    page.ask("new Promise(requestAnimationFrame)")
    assert page.ask("document.title").startswith("Map of")
    assert not page.said


def test_an_object_has_its_stamp_its_values_and_a_link_to_the_sky(page):
    page.ask("pin(4)")
    assert page.ask("document.querySelector('#object .stamp').style.backgroundImage").startswith('url("blob:')
    link = page.ask("(({href, rel, target}) => ({href, rel, target}))(document.querySelector('#object a'))")
    assert link["href"].startswith("https://aladin.cds.unistra.fr/AladinLite/?target=10.137931%20-4.862069")
    assert link["rel"] == "noopener noreferrer" and link["target"] == "_blank"
    page.ask("pin(3)")
    assert page.ask("document.querySelectorAll('#object a').length") == 0, "an unknown position has no link"
    assert "z 0.0" in page.ask("get('object').textContent")


def test_colours_and_their_key(page):
    page.ask("get('colour').value = '0', get('colour').onchange()")
    keys = page.ask("Array.from(get('keys').children, (key) => key.textContent)")
    assert keys == [HOSTILE + "10", "a10", "no label10"]
    page.ask("get('keys').children[1].click()")
    assert page.ask("shade.hidden.has(1)") and not page.ask("shade.hidden.has(0)")
    page.ask("get('colour').value = '1', get('colour').onchange()")
    assert page.ask("get('low').textContent") and not page.ask("get('scale').hidden")


def test_the_lasso_chooses_what_lies_inside(page):
    page.ask("get('colour').value = '0', get('colour').onchange()")
    page.ask("window.saved = null; save = (...all) => { window.saved = all; }")
    box = page.ask("(({left, top, width, height}) => [left, top, width, height])(canvas.getBoundingClientRect())")
    page.ask("get('lasso').click()")
    middle = page.ask("toX(Array.from(x).sort((a, b) => a - b)[14]) + 0.5")
    low = box[3] - 8  # the corners themselves are round
    corners = [(8, 8), (middle, 8), (middle, low), (8, low)]
    for kind, (left, top) in zip(
        ["mousePressed", *["mouseMoved"] * 3, "mouseReleased"], [*corners, corners[-1]], strict=True
    ):
        page.do(
            "Input.dispatchMouseEvent", type=kind, x=box[0] + left, y=box[1] + top, button="left",
            buttons=1, clickCount=1,
        )  # fmt: skip
    page.ask("get('save').click()")
    name, head, rows = page.ask("window.saved")
    places = page.ask("Array.from(x)")
    ids = page.ask("data.ids")
    edge = page.ask(f"fromX({middle})")
    expected = [i for i, place in enumerate(places) if place < edge]
    assert len(expected) >= 15
    assert name == "selection.csv" and head == ["id", "ra", "dec"]
    assert [row[0] for row in rows] == [ids[i] for i in expected]
    assert page.ask("get('chosen').textContent") == f"{len(expected)} selected"
    page.ask("get('clear').click()")
    assert page.ask("get('save').disabled")


def test_pointing_at_an_object_shows_it(page):
    page.ask("whole(), get('pan').click()")
    box = page.ask("(({left, top}) => [left, top])(canvas.getBoundingClientRect())")
    left, top = page.ask("[toX(x[7]), toY(y[7])]")
    page.do("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + left, y=box[1] + top)
    page.wait("!get('tip').hidden")
    assert page.ask("document.querySelector('#tip .name').textContent") == "train-7"


def test_very_many_points_are_drawn_where_few_are(page):
    page.ask("whole(), get('colour').value = '0', get('colour').onchange()")
    look = "Array.from(pen.getImageData(Math.round(toX(x[0])), Math.round(toY(y[0])), 1, 1).data)"
    draw = "(pen.globalAlpha = 1, pen.clearRect(0, 0, view.width, view.height), {}(4), {})"
    dots, squares = (page.ask(draw.format(name, look)) for name in ("paintDots", "paintPixels"))
    assert (
        dots
        == squares
        == page.ask(
            "(pen.fillStyle = shade.colours[shade.bins[0]], pen.fillRect(0, 0, 2, 2),"
            " Array.from(pen.getImageData(0, 0, 1, 1).data))"
        )
    )


def test_what_is_looked_for_is_found(page):
    page.ask("get('find').value = 'train-11', get('find').onchange()")
    assert page.ask("[pinned, view.x === x[11]]") == [11, True]
    page.ask("get('find').value = 'nobody', get('find').onchange()")
    assert "There is no nobody" in page.ask("get('object').textContent")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_needs_no_scrolling_sideways(page, made, dark):
    page.open(f"file://{made[0]}/m.html", width=390, height=800, dark=dark)
    page.ask("pin(29); selected.fill(1); showChosen()")
    page.wait("canvas.width > 0")
    assert page.ask("document.documentElement.scrollWidth") <= 390
    assert json.loads(page.ask("JSON.stringify([canvas.clientWidth <= 390, dark.matches])")) == [True, dark]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"colour": ("lable",)}, AstrokerasError, "column 'lable' is unknown; did you mean label"),
        ({"page": "m.pdf"}, UsageError, "a name that ends in .html"),
        ({"figure": ("m.jpg",)}, UsageError, "a name that ends in .png or .svg"),
        ({"method": "tsne"}, UsageError, "expected fewer neighbours than objects"),
    ],
)
def test_what_is_refused(tmp_path, options, kind, message):
    path = sample(tmp_path / "e.parquet", rows=9)
    with pytest.raises(kind, match=message):
        map_embeddings(MapConfig(str(path), str(tmp_path / "m.csv"), **options), print)
    assert not (tmp_path / "m.csv").exists()


def test_two_objects_are_no_map(tmp_path):
    with pytest.raises(UsageError, match="has 2 objects, a map needs 3 or more"):
        map_embeddings(MapConfig(str(sample(tmp_path / "e.parquet", rows=2)), str(tmp_path / "m.csv")), print)


def test_without_labels_points_have_one_colour(tmp_path):
    path = write(tmp_path / "e.parquet", grouped(6)[0])
    result = map_embeddings(MapConfig(str(path), str(tmp_path / "m.csv"), stamps=0), print)
    assert result["stamps"] == 0 and '"colours": []' in (tmp_path / "m.html").read_text(encoding="utf-8")
