"""The sections of a comparison's page that show scores against magnitude, size or another column."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from astrokeras.evaluation import figures
from astrokeras.evaluation.bootstrap import Interval
from astrokeras.evaluation.page_markup import Section, figure, table
from astrokeras.evaluation.slices import SLICES, Slice, Sliced
from astrokeras.evaluation.words import score_title
from astrokeras.text import shortened

_NAME = 40  # characters of a column's name


def slice_section(found: Sliced, *, prefix: str = "") -> tuple[Section, Figure] | None:
    """Return the section of one target and column with its figure; None where no slice has a score.

    Args:
        found: the scores.
        prefix: what the heading begins with, where there are several targets.
    """
    count = max((count for scores in found.scores for count in scores), default=None)
    if count is None:
        return None
    rarest = [[str(number)] for number in found.rarest] or [[]] * len(found.slices)
    every = zip(found.slices, rarest, found.scores, strict=True)
    lines = [(part, fewest, scores[count]) for part, fewest, scores in every if count in scores]
    rows = [(part, scores) for part, _, scores in lines]
    arms = list(dict.fromkeys(arm for _, scores in rows for arm in scores))
    title, column = score_title(found.score), shortened(found.column.replace("_", " "), _NAME)
    drawn = figures.score_by_slice({arm: _curve(arm, rows) for arm in arms}, column, title)
    alt = f"{title} of each arm with {count} labels against {column}, with 95 % intervals"
    head = [column, "objects", *(["of the rarest class"] if found.rarest else []), *arms]
    body = [
        [_range(part), str(len(part.rows)), *fewest, *(_told(scores.get(arm)) for arm in arms)]
        for part, fewest, scores in lines
    ]
    note = (
        f"Test objects by quantiles of {column}, with {count} labels: the mean over the repeats and its 95 % interval. "
        f"Every number of labels stands in {SLICES}."
    )
    if found.rarest:
        note += (
            " Where a class has few objects, the score rests on them, and the interval, which draws from the same, "
            "promises too much; where it has none, the score is that of the other classes alone."
        )
    heading = f"{prefix}{title if prefix else title[:1].upper() + title[1:]} against {column}"
    return Section(heading, figure(figures.in_page(drawn, alt)) + table(head, body), note), drawn


def _curve(arm: str, rows: list[tuple[Slice, Mapping[str, Interval]]]) -> list[tuple[float, Interval]]:
    return [(part.middle, scores[arm]) for part, scores in rows if part.known and arm in scores]


def _range(part: Slice) -> str:
    return f"{part.low:.4g} to {part.high:.4g}" if part.known else "unknown"


def _told(interval: Interval | None) -> str:
    return "–" if interval is None or np.isnan(interval.value) else str(interval)
