"""Groups as a table and as a page."""

import numpy as np
import pytest

import astrokeras as ak
from astrokeras.config import ClusterConfig
from astrokeras.embedding.cluster import cluster
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.survey.tables import read_table
from tests.browser import PROGRAM, browser
from tests.embedding.samples import CLASSES, grouped, sample, write
from tests.synthetic import write_records

HOSTILE = "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three groups of thirty objects with stamps, one of which has a name that would run, and a class too."""
    work = tmp_path_factory.mktemp("cluster")
    records = write_records(work / "records", counts={"train": 89}, size=16)
    vectors, group = grouped(90)
    about = {"records": {"path": str(records.path), "fingerprint": records.fingerprint}}
    label = [(CLASSES[g] if g else HOSTILE) if i % 2 else None for i, g in enumerate(group)]
    ids = [*(f"train-{i}" for i in range(89)), HOSTILE]
    path = write(work / "e.parquet", vectors, ids=ids, label=label, about=about)
    said = []
    config = ClusterConfig(str(path), str(work / "c.parquet"), most_groups=4, examples=30)
    return work, cluster(config, said.append), said


def test_the_table(made):
    work, result, said = made
    table = read_table(work / "c.parquet")
    assert table.colnames == ["id", "ra", "dec", "group", "distance", "label", "split"]
    assert table["id"][:2].tolist() == ["train-0", "train-1"] and len(table) == 90
    assert result["sizes"] == [30, 30, 30] and result["ungrouped"] == 0
    for first in range(3):
        assert len(set(table["group"][first::3])) == 1
    assert result["agreement"]["labelled"] == 45 and result["agreement"]["accuracy"] == 1
    assert list(result["silhouettes"]) == [2, 3, 4] and "3 groups" in said[0]


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    if PROGRAM is None:
        pytest.skip("there is no Chromium to open the page with")
    with browser(tmp_path_factory.mktemp("profile")) as page:
        page.open(f"file://{made[0]}/c.html", width=390, height=800, dark=True)
        yield page


def test_every_group_has_its_examples(page):
    titles = page.ask("Array.from(document.querySelectorAll('#groups h2'), (title) => title.textContent)")
    assert titles == [f"Group {number}: 30 objects" for number in (1, 2, 3)]
    figures = page.ask("Array.from(document.querySelectorAll('figure .name:first-child'), (name) => name.textContent)")
    assert len(figures) == len(set(figures)) == 90 and HOSTILE in figures
    assert page.ask("document.querySelectorAll('figure .stamp').length") == 89
    assert page.ask("document.querySelector('figure a').href").startswith("https://aladin.cds.unistra.fr/")


def test_the_labels_stand_beside_the_groups(page):
    head = page.ask("Array.from(document.querySelectorAll('#head th'), (cell) => cell.textContent)")
    assert head == ["group", HOSTILE, "elliptical", "star"]
    assert "accuracy after matching 1.000" in page.ask("get('scores').textContent")
    assert len(page.ask("Array.from(get('values').children, (cell) => cell.textContent)")) == 4


def test_nothing_runs_and_nothing_lies_beside_the_page(page):
    assert page.ask("document.title") == "Groups in e.parquet"
    assert page.ask("document.querySelectorAll('img').length") == 0
    assert page.ask("document.documentElement.scrollWidth") <= 390
    assert not page.said


def test_labels_from_a_table_and_objects_in_no_group(tmp_path):
    rng = np.random.default_rng(0)
    vectors = np.concatenate([grouped(60)[0], rng.uniform(-40, 40, (10, 8)).astype(np.float32)])
    path = write(tmp_path / "e.parquet", vectors)
    (tmp_path / "l.csv").write_text("id,label\nobject-0000,a\nobject-0001,b\nobject-0065,a\n")
    said = []
    config = ClusterConfig(
        str(path), str(tmp_path / "c.csv"), method="hdbscan", smallest=10, labels=str(tmp_path / "l.csv")
    )
    result = cluster(config, said.append)
    assert len(result["sizes"]) == 3 and result["ungrouped"] >= 5
    assert result["agreement"]["labelled"] == 3
    assert read_table(tmp_path / "c.csv")["group"].min() == 0
    assert "In no group" in (tmp_path / "c.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"method": "hdbscan", "groups": 3}, UsageError, "--groups goes with --method kmeans or gmm"),
        ({"labels": "none.csv"}, AstrokerasError, r"none\.csv"),
        ({"page": "c.txt"}, UsageError, r"ends in \.html"),
        ({"groups": 9}, UsageError, "9 objects cannot be divided"),
    ],
)
def test_what_is_refused(tmp_path, options, kind, message):
    path = sample(tmp_path / "e.parquet", rows=9)
    with pytest.raises(kind, match=message):
        cluster(ClusterConfig(str(path), str(tmp_path / "c.csv"), **options), print)
    assert not (tmp_path / "c.csv").exists()


def test_in_python_groups_are_a_table(tmp_path):
    table = ak.cluster(sample(tmp_path / "e.parquet", rows=30), tmp_path / "c.ecsv", groups=3)
    assert sorted(set(table["group"])) == [1, 2, 3]
