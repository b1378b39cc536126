"""What arms cost: parameters, seconds of a fit, images a second."""

import math
import time
from collections.abc import Callable, Iterable, Sequence

from astrokeras.evaluation.words import in_markdown
from astrokeras.survey.tables import markdown

_MOST = 120  # characters of a cell

COSTS = ("seconds", "images_per_second")
HEAD = ("arm", "backbone", "parameters", "seconds a fit", "images a second")

NOTE = (
    "With the largest budget: parameters of the saved network, seconds of a fit with its search and its predictions "
    "(of a mean, those of its parts too), and images a second that the network looked at on this machine."
)


class Speed:
    """Measures how many images a second a network looks at, from batch to batch; the first one, which compiles, is out.

    Args:
        batch_size: images a batch.
        clock: gives seconds.

    Example:
        >>> ticks = iter([0.0, 5.0, 5.5])
        >>> speed = Speed(32, clock=lambda: next(ticks))
        >>> for _ in range(3):
        ...     speed.batch_done()
        >>> round(speed.images_per_second, 2)  # two batches in 5.5 seconds
        11.64
    """

    def __init__(self, batch_size: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._batch_size, self._clock = batch_size, clock
        self._times: list[float] = []

    def batch_done(self) -> None:
        """Note that a batch is done."""
        self._times.append(self._clock())

    @property
    def images_per_second(self) -> float:
        """NaN of fewer than two batches."""
        if len(self._times) < 2:
            return math.nan
        taken = self._times[-1] - self._times[0]
        return self._batch_size * (len(self._times) - 1) / taken if taken > 0 else math.nan


def one_after_the_other(speeds: Iterable[float]) -> float:
    """Return the images a second of networks that all look at each image; NaN where one is not known.

    Example:
        >>> one_after_the_other([100.0, 300.0])
        75.0
    """
    seconds = sum(1.0 / speed for speed in speeds)
    return 1.0 / seconds if seconds else math.nan


def cost_lines(rows: Sequence[dict]) -> list[list[str]]:
    """Return a line an arm, with its largest budget, as people read it; see `HEAD`."""
    largest = {row["arm"]: row for row in sorted(rows, key=lambda row: row["labels"])}
    return [
        [
            row["arm"], row["backbone"] or "–", f"{row['parameters']:,}" if row["parameters"] else "–",
            _number(row["seconds_mean"]), _number(row["images_per_second_mean"]),
        ]
        for row in (largest[arm] for arm in dict.fromkeys(row["arm"] for row in rows))
    ]  # fmt: skip


def cost_table(rows: Sequence[dict]) -> str:
    """Return `cost_lines` in Markdown."""
    return markdown(list(HEAD), [[in_markdown(cell, _MOST) for cell in line] for line in cost_lines(rows)])


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
