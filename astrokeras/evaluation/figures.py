"""Figures of a comparison as SVG, which take the colours of the page that they stand in, and as files for papers."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from astrokeras.evaluation.bootstrap import Interval
from astrokeras.evaluation.calibration import Reliability

# Okabe & Ito 2008, "Color universal design": told apart by people who see colours differently, on black and on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
_INK = "#010203"  # a colour that nothing else has: where a page has its own
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "astrokeras",
    "font.family": "sans-serif",
    "font.size": 10,
    **{
        name: _INK
        for name in ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")
    },
}
_LEAST = 0.55  # of its width, below which a figure scrolls in its box on a phone: smaller, its words cannot be read
_MOST_NAME = 28  # characters of an arm's or a class's name

Curves = Mapping[str, Mapping[int, Interval]]


def in_page(figure: Figure, alt: str) -> str:
    """Return a figure as an SVG element with a text for those who cannot see it; its ink is the page's own."""
    with rc_context(_STYLE):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    least = round(_LEAST * 96 * figure.get_figwidth())  # pixels, of which an inch has 96 in a browser
    return svg.replace("<svg", f'<svg role="img" aria-label="{_escaped(alt)}" style="min-width: {least}px"', 1)


def save(figure: Figure, path: Path) -> None:
    """Write a figure by the suffix of the path, on white."""
    with rc_context(_STYLE):
        figure.savefig(path, facecolor="white", metadata={"CreationDate": None} if path.suffix == ".pdf" else None)


def pixels(figure: Figure) -> np.ndarray:
    """Return a figure on white, [H, W, 3] of bytes."""
    with rc_context(_STYLE):
        figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def _escaped(text: str) -> str:
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, name)
    return text


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plain(name: str) -> str:
    """Return a name as matplotlib shall write it: short, and its dollars no formulas."""
    short = name if len(name) <= _MOST_NAME else name[: _MOST_NAME - 1] + "…"
    return short.replace("$", r"\$")


def _styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    def styled(*arguments: object, **options: object) -> Figure:
        with rc_context(_STYLE):
            return draw(*arguments, **options)

    styled.__doc__, styled.__name__ = draw.__doc__, draw.__name__
    return styled


@_styled
def score_by_budget(curves: Curves, title: str) -> Figure:
    """Draw a score against the number of labels, a line with intervals for each arm.

    Args:
        curves: by arm and number of labels.
        title: of the score.
    """
    figure = _figure(6.4, 4)
    axes = figure.subplots()
    counts = sorted({count for curve in curves.values() for count in curve})
    for number, (arm, curve) in enumerate(curves.items()):
        x = np.array(sorted(curve), float) * 1.015 ** (number - (len(curves) - 1) / 2)  # side by side, not hidden
        _with_intervals(axes, x, [curve[count] for count in sorted(curve)], arm, number)
    axes.set(xscale="log", xlabel="labelled training objects", ylabel=title)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=9)
    return figure


@_styled
def forest(differences: Mapping[str, Interval], title: str) -> Figure:
    """Draw differences with their intervals, a line each, and a line at zero.

    Args:
        differences: by what is compared.
        title: of the difference.
    """
    figure = _figure(6.4, 0.9 + 0.3 * len(differences))
    axes = figure.subplots()
    for row, difference in enumerate(differences.values()):
        sure = difference.excludes_zero
        colour = _COLOURS[0] if sure else _COLOURS[-1]
        axes.plot([difference.low, difference.high], [row, row], color=colour, linewidth=2)
        axes.plot(difference.value, row, marker="o", color=colour, fillstyle="full" if sure else "none")
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set_yticks(range(len(differences)), [_plain(name) for name in differences])
    axes.set(xlabel=title, ylim=(len(differences) - 0.5, -0.5))
    axes.grid(alpha=0.25, axis="x")
    return figure


@_styled
def reliability_diagrams(found: Mapping[str, Reliability]) -> Figure:
    """Draw how often answers are right against how probable they are said to be, a panel for each arm."""
    return _panels(found, _reliability, 2.6)


def _reliability(axes: Axes, found: Reliability) -> None:
    there = found.count > 0
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":")
    sizes = 8 + 70 * found.count[there] / found.count.max()
    axes.scatter(found.confidence[there], found.accuracy[there], s=sizes, color=_COLOURS[0])
    axes.plot(found.confidence[there], found.accuracy[there], color=_COLOURS[0], linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="said", ylabel="right", aspect="equal")


@_styled
def confusion_matrices(found: Mapping[str, np.ndarray], classes: Sequence[str]) -> Figure:
    """Draw which share of each class is taken for which, a panel for each arm; [C, C], true classes in rows."""

    def draw(axes: Axes, counts: np.ndarray) -> None:
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if len(classes) <= 10:
            for row, column in np.ndindex(shares.shape):
                ink = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, f"{shares[row, column]:.2f}", ha="center", va="center", color=ink, fontsize=8)
        names = [_plain(name) for name in classes]
        axes.set_xticks(range(len(classes)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), names)
        axes.set(xlabel="predicted", ylabel="true")

    longest = max(len(_plain(name)) for name in classes)
    return _panels(found, draw, 1.8 + 0.25 * min(len(classes), 20) + 0.08 * longest)


@_styled
def score_by_slice(curves: Mapping[str, Sequence[tuple[float, Interval]]], column: str, title: str) -> Figure:
    """Draw a score in slices of a column, with intervals, a line for each arm.

    Args:
        curves: by arm, of each slice the middle of the column and the score.
        column: its name.
        title: of the score.
    """
    figure = _figure(6.4, 3.6)
    axes = figure.subplots()
    places = [middle for curve in curves.values() for middle, _ in curve if np.isfinite(middle)]
    step = 0.006 * (max(places) - min(places)) if places else 0.0
    for number, (arm, curve) in enumerate(curves.items()):
        shift = step * (number - (len(curves) - 1) / 2)  # side by side, not hidden
        _with_intervals(axes, [place + shift for place, _ in curve], [score for _, score in curve], arm, number)
    axes.set(xlabel=_plain(column), ylabel=title)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _with_intervals(axes: Axes, x: Sequence[float], values: Sequence[Interval], arm: str, number: int) -> None:
    """Draw the line of an arm, which is the one of that number, with the intervals of its points."""
    middle = np.array([value.value for value in values])
    ends = np.abs(np.array([[value.low, value.high] for value in values]).reshape(-1, 2).T - middle)
    axes.errorbar(
        x, middle, np.nan_to_num(ends), marker="o", markersize=4, capsize=3, label=_plain(arm),
        color=_COLOURS[number % len(_COLOURS)], linestyle=("-", "--", ":")[number // len(_COLOURS) % 3],
    )  # fmt: skip


def _panels(found: Mapping[str, object], draw: Callable[[Axes, object], None], side: float) -> Figure:
    """Draw a panel for each arm, at most three in a row."""
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    figure = _figure(side * columns, (side + 0.35) * rows)
    grid: Iterator[Axes] = iter(np.atleast_1d(figure.subplots(rows, columns)).ravel())
    for name, values in found.items():
        axes = next(grid)
        draw(axes, values)
        axes.set_title(_plain(name), fontsize=10)
    for axes in grid:
        axes.set_visible(False)
    return figure
