"""Scores by magnitude, by size or by any other column: how good an arm is on faint objects says no mean over all."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.errors import UsageError
from astrokeras.evaluation.bootstrap import Interval
from astrokeras.evaluation.compare import Comparison
from astrokeras.evaluation.fit_predictions import Predictions
from astrokeras.evaluation.judged import judge
from astrokeras.evaluation.report import write_csv
from astrokeras.evaluation.verdict import curves
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.objects import carried_names, magnitude_names
from astrokeras.tasks.target import Encoded, Target

SLICES = "slices.csv"
MOST_SLICES, LEAST_OBJECTS = 6, 25
_NUMBERS = ("ra", "dec", "x", "y")  # of the table's own columns
_SIZES = ("half_light_radius", "flux_radius", "petror50", "petrorad", "r50", "shape_r", "kron_radius", "radius")


@dataclasses.dataclass(frozen=True)
class Slice:
    """The objects of one range of a column.

    Attributes:
        low: the smallest value; NaN where the value of all of them is missing.
        high: the largest value.
        middle: the median.
        rows: their places among all objects.
    """

    low: float
    high: float
    middle: float
    rows: np.ndarray

    @property
    def known(self) -> bool:
        """Whether the objects have a value."""
        return not math.isnan(self.middle)


@dataclasses.dataclass(frozen=True)
class Sliced:
    """The main score of a target by slices of a column.

    Attributes:
        target: its name.
        score: the name of the score.
        column: of the table of objects.
        slices: ascending; last, if there are any, the objects without a value.
        scores: of each slice, by number of labels and arm.
        rarest: how many objects of its rarest class each slice has, of a target of classes; empty of others.
    """

    target: str
    score: str
    column: str
    slices: Sequence[Slice]
    scores: Sequence[Mapping[int, Mapping[str, Interval]]]
    rarest: Sequence[int] = ()


def cut(values: np.ndarray) -> list[Slice]:
    """Return slices between quantiles: at most six, of at least 25 objects where there are as many.

    Args:
        values: [N], NaN where missing; those come last, as a slice of their own. What is equal stays together.

    Example:
        >>> [(one.low, one.high, len(one.rows)) for one in cut(np.arange(60.0))]
        [(0.0, 29.0, 30), (30.0, 59.0, 30)]
    """
    known = np.flatnonzero(np.isfinite(values))
    found = []
    if len(known):
        count = int(np.clip(len(known) // LEAST_OBJECTS, 1, MOST_SLICES))
        inner = np.quantile(values[known], np.arange(1, count) / count)
        place = np.searchsorted(inner, values[known], side="right")
        for number in np.unique(place):
            rows = known[place == number]
            here = values[rows]
            found.append(Slice(float(here.min()), float(here.max()), float(np.median(here)), rows))
    if len(missing := np.flatnonzero(~np.isfinite(values))):
        found.append(Slice(math.nan, math.nan, math.nan, missing))
    return found


def slice_columns(records: RecordsDirectory, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of the table of objects to slice by.

    Args:
        records: the survey.
        asked: names of carried columns, of bands (their magnitudes), or of the table's own columns of numbers; without
            one, the magnitude in `usual_band` and the first carried column that is called like a radius.

    Raises:
        UsageError: there is no such column.

    Example:
        ``slice_columns(records, ("r",))`` is ``("magnitude_r",)`` if no carried column is called ``r``.
    """
    carried = carried_names(records.bands, records.columns)
    if not asked:
        sizes = [own for name, own in carried.items() if name.lower().startswith(_SIZES)]
        band = usual_band(records)
        return (*(() if band is None else (f"magnitude_{band}",)), *sizes[:1])
    magnitudes = dict(zip(records.bands, magnitude_names(records.bands), strict=True))
    known = {name: name for name in (*_NUMBERS, *magnitudes.values(), *carried.values())} | magnitudes | carried
    for name in asked:
        if name not in known:
            raise UsageError(
                f"--slice-by {name}: the records have no such column of numbers; they have "
                f"{', '.join([*carried, *records.bands, *_NUMBERS])}"
            )
    return tuple(dict.fromkeys(known[name] for name in asked))


def usual_band(records: RecordsDirectory) -> str | None:
    """Return the band by whose magnitude objects are told bright or faint: r, or else the one known for the most."""
    counts = {band: sum(records.magnitudes(split).get(band, 0) for split in records.splits) for band in records.bands}
    most = max(counts.values(), default=0)
    if not most:
        return None
    return next((band for band in counts if band.lower() == "r" and counts[band]), max(counts, key=counts.__getitem__))


def column_values(comparison: Comparison, split: str, column: str) -> np.ndarray | None:
    """Return a column of the objects of a split, [N] float64, NaN where missing; None if the table lacks it."""
    table = comparison.records.objects(split)
    if column not in table.colnames:
        return None
    return np.ma.filled(np.ma.asarray(table[column], dtype=np.float64), np.nan)


def sliced(comparison: Comparison, predictions: Predictions, columns: Sequence[str]) -> list[Sliced]:
    """Return the main score of each target by slices of each column, for all arms whose repeats are all there."""
    found = []
    for column in columns:
        values = column_values(comparison, predictions.exam.split, column)
        if values is None:
            continue
        slices = cut(values[predictions.exam.select])
        for name, target in comparison.targets.items():
            judged = [judge(target, name, predictions, comparison.config.seed, one.rows) for one in slices]
            scores = [_by_count(of_slice) for of_slice in judged]
            rarest = _rarest(target, predictions.exam.fields[name], slices) if target.of_classes else ()
            found.append(Sliced(name, target.main_score, column, slices, scores, rarest))
    return found


def _rarest(target: Target, fields: Encoded, slices: Sequence[Slice]) -> list[int]:
    """Return of each slice how many objects it has of the class of which it has fewest, of those that occur."""
    codes = target.strata(fields)
    classes = np.unique(codes[target.known(fields)])
    return [min((int((codes[one.rows] == code).sum()) for code in classes), default=0) for one in slices]


def _by_count(judged: Mapping[int, Any]) -> dict[int, dict[str, Interval]]:
    found: dict[int, dict[str, Interval]] = {}
    for arm, curve in curves(judged).items():
        for count, interval in curve.items():
            found.setdefault(count, {})[arm] = interval
    return found


def write_slices(path: Path, found: Sequence[Sliced], predictions: Predictions) -> None:
    """Write a table with a line for each target, column, slice, number of labels and arm; none without any.

    Columns: ``target``, ``score``, ``column``, ``low``, ``high`` and ``median`` of its values in the slice (NaN where
    they are missing), ``objects``, ``rarest`` (how many of these are of the class of which there are fewest, if
    there are classes), ``budget``, ``labels``, ``arm``, and the mean of the score over the repeats with its 95 %
    interval, ``value``, ``interval_low`` and ``interval_high``.
    """
    budgets, rows = predictions.budgets, []
    for one in found:
        rarest = one.rarest or [""] * len(one.slices)
        for part, scores, fewest in zip(one.slices, one.scores, rarest, strict=True):
            for count, arms in scores.items():
                rows += [
                    {
                        "target": one.target, "score": one.score, "column": one.column, "low": part.low,
                        "high": part.high, "median": part.middle, "objects": len(part.rows), "rarest": fewest,
                        "budget": budgets[count], "labels": count, "arm": arm,
                        "value": interval.value, "interval_low": interval.low, "interval_high": interval.high,
                    }
                    for arm, interval in arms.items()
                ]  # fmt: skip
    if rows:
        write_csv(path, rows)
