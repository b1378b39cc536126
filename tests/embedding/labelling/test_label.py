import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from PIL import Image

from astrokeras.config import LabelConfig
from astrokeras.embedding.labelling.label import Pictures, choose_classes, choose_rows, label, read_ids
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.pipeline.plain import load_fields
from astrokeras.records.directory import RecordsDirectory
from tests import browser
from tests.embedding.labelling.test_server import Client

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("star", "galaxy", "<img src=x onerror=evil()>")


def rows_of(file: Path) -> list[list[str]]:
    with file.open(newline="") as stream:
        return [row[:2] for row in csv.reader(stream)][1:]


@pytest.fixture
def unlabelled(sample_records) -> list[str]:
    """Ids of the records' unlabelled objects."""
    objects = RecordsDirectory.load(sample_records).objects()
    return objects["id"][np.ma.getmaskarray(objects["label"])].tolist()


def test_the_page_in_a_browser(sample_records, unlabelled, tmp_path):
    if browser.PROGRAM is None:
        pytest.skip("there is no Chromium here to open the page in")
    address, said, out = threading.Event(), [], tmp_path / "labels.csv"

    def report(line: str) -> None:
        said.append(line)
        if line.startswith("http"):
            address.set()

    results = []
    config = LabelConfig(str(sample_records), str(out), NAMES)
    thread = threading.Thread(target=lambda: results.append(label(config, report)), daemon=True)
    thread.start()
    assert address.wait(60)
    with browser.browser(tmp_path / "profile") as page:
        page.open(said[-1])
        page.wait("seen")
        first = page.ask("get('id').textContent")
        assert first in unlabelled
        assert page.ask("get('image').naturalWidth") == 32
        assert page.ask("get('detail').href").startswith("https://aladin.cds.unistra.fr/AladinLite/?target=150.")
        page.press("3")
        page.wait("seen && state.number === 1")
        assert rows_of(out) == [[first, NAMES[2]]]
        assert page.ask("document.body.innerText").count(NAMES[2]) == 2, "the name is shown as it is, twice"
        page.press("u")
        page.wait("seen && state.number === 0")
        page.press("s")
        page.wait("seen && state.number === 1")
        page.press("9")
        page.ask("buttons[1].click()")
        page.wait("seen && state.number === 2")
        (row,) = rows_of(out)
        assert row[0] != first and row[1] == "galaxy"
        page.open(said[-1], width=390, dark=True)
        page.wait("seen && state.number === 2")
        assert page.ask("document.documentElement.scrollWidth") == 390
        dark = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).every(level => level < 64)"
        assert page.ask(dark)
        page.ask("get('finish').click()")
        page.wait("document.body.innerText.includes('Finished')")
        assert page.said == []
    thread.join()
    assert results == [{"out": str(out), "labelled": 1, "skipped": 1, "total": 1}]


def test_killed_at_any_moment_it_goes_on(sample_records, unlabelled, tmp_path):
    out = tmp_path / "labels.csv"
    command = [sys.executable, "-m", "astrokeras", "label", sample_records, "--out", out, "--split", "train", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for sitting in range(2):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            for line in process.stderr:
                if found := re.fullmatch(r"http://127\.0\.0\.1:(\d+)/([\w-]+)/\n", line):
                    break
            client = Client(int(found[1]), found[2])
            for number in range(3):
                assert client.post("answer", {"number": number, "label": number % 2})[0] == 200
            if sitting == 0:
                process.send_signal(signal.SIGKILL)
                process.wait()
                out.write_bytes(out.read_bytes() + b"torn,st")
            else:
                assert client.post("finish", {})[0] == 200
                assert json.loads(process.communicate(timeout=60)[0])["total"] == 6
                assert process.returncode == 0
    ids = [identifier for identifier, _ in rows_of(out)]
    assert len(set(ids)) == 6 and set(ids) <= set(unlabelled)
    first, second = RecordsDirectory.load(sample_records).classes[:2]
    assert [name for _, name in rows_of(out)] == [first, second, first] * 2


def test_a_stamp_is_shown_as_the_sky_has_it(sample_records):
    records = RecordsDirectory.load(sample_records)
    objects = records.objects("test")
    shown = Pictures(records, objects, [3, 5, 8])
    flux = load_fields(records, "test", ("flux",))["flux"]
    with Image.open(io.BytesIO(shown.png(1))) as picture:
        light = np.asarray(picture).astype(float).sum(axis=-1)
    stamp = flux[5].sum(axis=-1)[::-1]  # row 0 at the bottom
    assert np.corrcoef(np.argsort(np.argsort(light.ravel())), np.argsort(np.argsort(stamp.ravel())))[0, 1] > 0.8


OBJECTS = Table(
    {
        "id": ["1", "02", "3", "4\x1b"],
        "label": np.ma.MaskedArray(["star", "", "", ""], [False, True, True, True]),
    }
)


def test_which_objects_are_shown():
    said = []
    assert sorted(choose_rows(OBJECTS, (), None, 0, said.append)) == [1, 2], "ids that no table keeps are left out"
    assert choose_rows(OBJECTS, {"3"}, None, 0, said.append) == [1]
    assert choose_rows(OBJECTS, {"3"}, ["9", "3", "02", "1"], 0, said.append) == [1, 0], "in the order of suggestions"
    assert said[-2:] == [
        "1 of 4 suggested ids are not among these records: 9, …",
        "1 of 3 objects have a label in the table already",
    ]
    with pytest.raises(AstrokerasError, match="nothing is left to label"):
        choose_rows(OBJECTS, {"3"}, ["3"], 0, said.append)


def test_ids_of_suggestions_keep_their_zeros(tmp_path):
    (tmp_path / "s.csv").write_text("ID,score\n007,0.5\n12,0.4\n007,0.1\n")
    assert read_ids(str(tmp_path / "s.csv"), 1 << 20) == ["007", "12"]
    Table({"id": [7, 12]}).write(tmp_path / "s.parquet")
    assert read_ids(str(tmp_path / "s.parquet"), 1 << 20) == ["7", "12"]
    (tmp_path / "t.csv").write_text("name,score\n007,0.5\n")
    with pytest.raises(AstrokerasError, match="has no column id; it has name, score"):
        read_ids(str(tmp_path / "t.csv"), 1 << 20)


@pytest.mark.parametrize(
    ("given", "known", "message"),
    [
        ((), (), "name the labels with --classes"),
        (tuple("abcdefghij"), (), "10 classes, expected at most 9"),
        (("a", "a"), (), "one is there twice"),
        (("a", " "), (), "can be no label"),
        (("a", "b\x1b[2J"), (), "can be no label"),
    ],
)
def test_classes_that_keys_cannot_stand_for(given, known, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        choose_classes(given, known)
    assert choose_classes((), ("star", "galaxy")) == ("star", "galaxy")
