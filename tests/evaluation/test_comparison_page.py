"""The page of a comparison, in a browser, with names that would like to be more than names."""

from pathlib import Path

import numpy as np
import pytest

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.compare import Comparison, EvaluationSet
from astrokeras.evaluation.comparison_page import Page, differences
from astrokeras.evaluation.fit_predictions import Predictions
from astrokeras.evaluation.judged import judge
from astrokeras.evaluation.slices import sliced
from astrokeras.pipeline.arrays import Arrays
from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.targets.class_ import Class
from tests import browser
from tests.synthetic import write_records

N, REPEATS = 60, 2
HOSTILE = ("<script>alert(1)</script>", "</svg><img src=x onerror=alert(2)>")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Three arms at two budgets; the first class is easier with more labels and a better arm."""
    records = write_records(tmp_path_factory.mktemp("page") / "records", counts={"train": 8, "test": N}, size=12)
    records = RecordsDirectory(records.path, {**records.content, "classes": list(HOSTILE), "name": "<b>survey"})
    target = Class(HOSTILE)
    labels = np.arange(N) % 2
    exam = EvaluationSet("test", np.ones(N, bool), {"class": {"class:label": labels}})
    rng = np.random.default_rng(0)
    lines, values = [], []
    for quality, arm in enumerate(("scratch", "imagenet", "<i>ours")):
        for count in (10, 100):
            for repeat in range(REPEATS):
                logit = rng.normal((2 * labels - 1) * (quality + count / 100), 1.0)
                right = 1 / (1 + np.exp(-2 * logit))
                values.append({"class": np.column_stack([1 - right, right])})
                lines.append({"arm": arm, "labels": count, "budget": str(count), "repeat": repeat})
    answers = Predictions(exam, lines, values)
    config = FinetuneConfig(str(records.path), "out", init=("scratch", "<i>ours"), repeats=REPEATS)
    source = Arrays.load(records, ("test",), (), 12)
    comparison = Comparison(config, records, None, source, {"class": target}, {}, {}, None, [], [exam])
    slices = sliced(comparison, answers, ("magnitude_r",))
    return Page(comparison, answers, judge(target, "class", answers, 0), slices)


@pytest.fixture(scope="module")
def text(shown: Page) -> str:
    return shown.html([["<i>ours", "a|b"]], ["arm", "<u>"], "a <footnote>")


def test_names_stay_names(text: str):
    for harm in ("<script>alert", "<img src=x", "<i>", "<u>", "<b>", "<footnote>"):
        assert harm not in text
    assert "&lt;i&gt;ours is the best" in text


def test_every_arm_is_compared_with_every_other(shown: Page):
    found = differences(shown.judged)
    assert [(line["labels"], line["arm"], line["other"]) for line in found[:3]] == [
        (10, "imagenet", "scratch"), (10, "<i>ours", "scratch"), (10, "<i>ours", "imagenet")
    ]  # fmt: skip
    assert len(found) == 6
    assert all(line["low"] <= line["difference"] <= line["high"] for line in found)


def test_figures_are_files_too(shown: Page, text: str, tmp_path: Path):
    shown.save_figures(tmp_path / "figures")
    names = {"score", "differences", "slices-1", "reliability", "confusion"}
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {
        f"{n}.{k}" for n in names for k in ("svg", "pdf")
    }
    assert (tmp_path / "figures" / "score.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.skipif(browser.PROGRAM is None, reason="there is no Chromium to open the page in")
def test_the_page_in_a_browser(text: str, tmp_path: Path):
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    with browser.browser(tmp_path / "profile") as page:
        for width, dark in ((390, False), (1200, True)):
            page.open((tmp_path / "page.html").as_uri(), width=width, dark=dark)
            assert page.ask("document.documentElement.scrollWidth <= innerWidth")
            assert page.ask("document.querySelectorAll('.figure svg').length") == 5
            assert page.ask("[...document.querySelectorAll('.figure svg')].every(s => s.ariaLabel.length > 20)")
            assert page.ask("[...document.querySelectorAll('.figure svg')].every(s => s.getBBox().width > 100)")
            assert page.ask("[...document.images].every(i => i.naturalWidth == 12)")
            # Ink and paper are those of the scheme, in the figures too.
            ink, paper = ("230, 231, 233", "21, 23, 26") if dark else ("28, 30, 33", "255, 255, 255")
            assert page.ask("getComputedStyle(document.body).backgroundColor") == f"rgb({paper})"
            assert page.ask("getComputedStyle(document.querySelector('.figure svg text')).fill") == f"rgb({ink})"
        # On paper nothing scrolls, whatever the scheme: what is wider than the page would be cut off.
        page.open((tmp_path / "page.html").as_uri(), width=700, dark=True)
        page.do("Emulation.setEmulatedMedia", media="print")
        assert page.ask("matchMedia('print').matches")
        boxes = "[...document.querySelectorAll('.wide, .figure')]"
        assert page.ask(f"{boxes}.filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)") == []
        assert page.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.said == []
