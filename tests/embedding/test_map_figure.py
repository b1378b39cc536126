"""Figures for papers."""

import numpy as np
import pytest
from PIL import Image

from astrokeras.embedding.colours import colour_of
from astrokeras.embedding.layout import Layout
from astrokeras.embedding.map_figure import check_figure, write_figure
from astrokeras.errors import AstrokerasError, UsageError

HOSTILE = np.array(["<script>alert(1)</script>", "$x^{$", None, "_below\n", "ω" * 99], object)
LAYOUT = Layout(np.arange(5), np.random.default_rng(0).normal(size=(5, 2)), ("t-SNE 1", "t-SNE 2"))


@pytest.mark.parametrize("colour", [None, "text", "numbers"])
def test_letters_stay_letters_and_nothing_runs(tmp_path, colour):
    values = {"text": HOSTILE, "numbers": np.array([1, 2, np.nan, 3, 4.0])}
    shown = None if colour is None else colour_of("<b>$z_{", values[colour])
    write_figure(tmp_path / "new" / "m.svg", LAYOUT, shown)
    write_figure(tmp_path / "again.svg", LAYOUT, shown)
    text = (tmp_path / "new" / "m.svg").read_text(encoding="utf-8")
    assert "t-SNE 1" in text and "<script" not in text and "<b>" not in text
    if colour == "text":
        assert "&lt;script&gt;" in text and "$x^{$" in text and "_below?" in text
    assert (tmp_path / "again.svg").read_text(encoding="utf-8") == text
    write_figure(tmp_path / "m.png", LAYOUT, shown)
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.width == 1050


def test_very_many_objects_are_a_density(tmp_path):
    places = np.random.default_rng(0).normal(size=(100_001, 2))
    write_figure(tmp_path / "m.svg", Layout(np.arange(100_001), places, ("a", "b")), None)
    assert (tmp_path / "m.svg").stat().st_size < 1 << 20


def test_other_names_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.png or \.svg"):
        check_figure("m.pdf", overwrite=False)
    (tmp_path / "m.png").touch()
    with pytest.raises(AstrokerasError, match="already exists"):
        check_figure(str(tmp_path / "m.png"), overwrite=False)
