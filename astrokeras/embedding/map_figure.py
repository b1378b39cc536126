"""A map of embeddings as a figure for a paper."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from astrokeras.embedding.colours import UNKNOWN, Classes, Colour, Numbers
from astrokeras.embedding.layout import Layout
from astrokeras.embedding.result_table import check_free, write_whole
from astrokeras.errors import UsageError

_MOST_POINTS = 100_000
_GREY = "#b0b7bf"
# After Okabe and Ito, which people who see fewer colours tell apart, with five more.
_COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#a6761d", "#7570b3", "#66a61e", "#e7298a",
)  # fmt: skip


def check_figure(path: str, *, overwrite: bool) -> None:
    """Refuse a figure that could not be written, before any work is done.

    Raises:
        UsageError: its name ends in neither .png nor .svg.
        AstrokerasError: it exists.
    """
    if Path(path).suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"--figure {path}: expected a name that ends in .png or .svg")
    check_free(path, overwrite=overwrite)


def write_figure(path: Path, layout: Layout, colour: Colour | None) -> None:
    """Write a map, one column of a page wide; of more than 100,000 objects their density.

    In SVG letters stay letters, and the points are one picture, so that the file stays small.

    Raises:
        AstrokerasError: it cannot be written.
    """
    figure = Figure(figsize=(3.5, 3.5 if colour is None else 4.0), layout="constrained", dpi=300)
    axes = figure.add_subplot()
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(layout.axes[0], fontsize=8, parse_math=False)
    axes.set_ylabel(layout.axes[1], fontsize=8, parse_math=False)
    axes.tick_params(labelsize=7)
    if len(layout.places) > _MOST_POINTS:
        axes.hexbin(*layout.places.T, gridsize=150, bins="log", cmap="Greys", linewidths=0.1, rasterized=True)
    elif isinstance(colour, Classes):
        _classes(figure, axes, layout.places, colour)
    elif isinstance(colour, Numbers):
        _numbers(figure, axes, layout.places, colour)
    else:
        _points(axes, layout.places, len(layout.places), color=_COLOURS[0])
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "astrokeras"}):
        about = {"Date": None} if path.suffix.lower() == ".svg" else {}
        write_whole(path, lambda temporary: figure.savefig(temporary, metadata=about))


def _points(axes: Axes, places: np.ndarray, of: int, **options: object) -> object:
    """Draw some of so many points."""
    size = 9 if of < 2000 else 3 if of < 20_000 else 0.6
    return axes.scatter(*places.T, s=size, linewidths=0, alpha=0.8, rasterized=True, **options)


def _classes(figure: Figure, axes: Axes, places: np.ndarray, colour: Classes) -> None:
    named = min(len(colour.names), len(_COLOURS))
    others = (colour.index >= named) & (colour.index != UNKNOWN)
    for mask, label in ((colour.index == UNKNOWN, "unknown"), (others, "others")):
        if mask.any():
            _points(axes, places[mask], len(places), color=_GREY, label=label)
    for number in range(named):
        _points(
            axes,
            places[colour.index == number],
            len(places),
            color=_COLOURS[number],
            label=_short(colour.names[number]),
        )
    key = figure.legend(loc="outside lower center", ncols=3, fontsize=7, markerscale=3, frameon=False)
    for text in key.get_texts():
        text.set_parse_math(False)


def _numbers(figure: Figure, axes: Axes, places: np.ndarray, colour: Numbers) -> None:
    known = ~np.isnan(colour.values)
    if (~known).any():
        _points(axes, places[~known], len(places), color=_GREY)
    shown = _points(
        axes, places[known], len(places), c=colour.values[known], cmap="viridis", vmin=colour.low, vmax=colour.high
    )
    bar = figure.colorbar(shown, ax=axes, location="bottom", aspect=40, shrink=0.9)
    bar.ax.tick_params(labelsize=7)
    bar.ax.set_xlabel(_short(colour.name), fontsize=8, parse_math=False)


def _short(text: str) -> str:
    """Return text as fonts can show it; labels that begin with an underscore would be left out of a key."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    shown = shown if len(shown) <= 40 else f"{shown[:39]}…"
    return f" {shown}" if shown.startswith("_") else shown
