"""How far the objects without a label lie from those with one: a classifier of bright objects is sure of faint noise.

Source: Sun, Ming, Zhu & Li 2022, "Out-of-distribution detection with deep nearest neighbors", ICML (arXiv 2204.06507):
the distance to the k-th nearest training object, between embeddings of unit length.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from sklearn.neighbors import NearestNeighbors

from astrokeras.evaluation.compare import Comparison
from astrokeras.evaluation.page_markup import Section, table
from astrokeras.evaluation.samples import MOST_OBJECTS, Sample, drawn, labelled_rows, look_at, unlabelled_rows
from astrokeras.evaluation.slices import column_values, slice_columns
from astrokeras.evaluation.words import listed
from astrokeras.text import shortened

NEIGHBOURS = 10
USUAL = 0.95  # share of the held-out labelled objects that are not far
BAD = 0.15  # share of the unlabelled objects that are far, of which 0.05 would be, were they like the labelled ones
_FEWEST = 20  # held-out objects that tell what is usual


@dataclasses.dataclass(frozen=True)
class Distance:
    """How the objects without a label compare with the labelled ones.

    Attributes:
        labelled: how many there are, in all splits.
        unlabelled: the same.
        medians: by column, those of the labelled and of the unlabelled objects.
        beyond: the share of the unlabelled objects that lie farther from the labelled training objects than 95 % of the
            labelled test objects do; NaN where it is not known.
    """

    labelled: int
    unlabelled: int
    medians: Mapping[str, tuple[float, float]]
    beyond: float

    @property
    def content(self) -> dict[str, Any]:
        """For ``run.json``."""
        medians = {name: {"labelled": own, "unlabelled": other} for name, (own, other) in self.medians.items()}
        return {
            "labelled": self.labelled, "unlabelled": self.unlabelled, "medians": medians, "beyond_95": self.beyond
        }  # fmt: skip

    @property
    def warning(self) -> str | None:
        """What to say where it is bad."""
        if not self.beyond > BAD:
            return None
        told = [f"median {name} {own:.4g} with a label, {other:.4g} without" for name, (own, other) in self._told()]
        return (
            f"WARNING: {self.beyond:.0%} of the objects without a label lie farther from the labelled training objects "
            "than 95 % of the labelled test objects do, in the winner's embedding"
            + (f" ({listed(told, 120)})" if told else "")
            + ": scores and probabilities may not hold for them; label some of them (astrokeras suggest)"
        )

    def _told(self) -> list[tuple[str, tuple[float, float]]]:
        return [(name, pair) for name, pair in self.medians.items() if not any(map(math.isnan, pair))]

    def section(self) -> Section:
        """Return it for the page."""
        rows = [["objects", str(self.labelled), str(self.unlabelled)]]
        for name, pair in self.medians.items():
            rows.append([f"median {shortened(name.replace('_', ' '), 40)}", *map(_value, pair)])
        if not math.isnan(self.beyond):
            rows.append(["far from the labelled training objects", f"{1 - USUAL:.0%}", f"{self.beyond:.0%}"])
        note = (
            "Far is what lies farther from the labelled training objects, in the winner's embedding (distance to the "
            f"{NEIGHBOURS}th nearest), than 95 % of the labelled test objects do. What was measured here holds for "
            "objects like the labelled ones."
        )
        return Section(
            "Are the unlabelled objects like the labelled ones?", table(["", "labelled", "unlabelled"], rows), note
        )


def _value(number: float) -> str:
    return "–" if math.isnan(number) else f"{number:.4g}"


def measure_distance(
    encoder: keras.Model, comparison: Comparison, report: Callable[[str], None]
) -> tuple[Distance | None, list[Sample]]:
    """Return how far the objects without a label lie from the labelled ones, and what the encoder made of some objects.

    Args:
        encoder: of the winner.
        comparison: what was compared.
        report: gets a warning where they are far.

    Returns:
        The distance, None where all objects are labelled; the labelled test objects, and the unlabelled ones, at most
        500 of each.
    """
    exam, seed = comparison.exams[0], comparison.config.seed
    held = look_at(
        encoder, comparison, exam.split, drawn(np.flatnonzero(exam.select), MOST_OBJECTS, seed), labelled=True
    )
    without = unlabelled_rows(comparison)
    count = sum(int(rows.sum()) for rows in without.values())
    if not count:
        return None, [held]
    known = labelled_rows(comparison)
    others = _some_of_all(encoder, comparison, without, count)
    trained_on = drawn(np.flatnonzero(known["train"]), MOST_OBJECTS, seed)
    near = look_at(encoder, comparison, "train", trained_on, labelled=True)
    beyond = share_beyond(near.vectors, held.vectors, np.concatenate([one.vectors for one in others]))
    records, asked = comparison.records, comparison.config.slice_by
    columns = dict.fromkeys((*slice_columns(records, ()), *slice_columns(records, asked)))
    medians = _medians(comparison, known, without, tuple(columns))
    found = Distance(sum(int(rows.sum()) for rows in known.values()), count, medians, beyond)
    if found.warning:
        report(found.warning)
    return found, [held, *others]


def _some_of_all(
    encoder: keras.Model, comparison: Comparison, without: Mapping[str, np.ndarray], count: int
) -> list[Sample]:
    """Return at most 500 of the unlabelled objects, from the splits according to their shares."""
    found = []
    for split, mask in without.items():
        rows = np.flatnonzero(mask)
        most = -(-MOST_OBJECTS * len(rows) // max(count, MOST_OBJECTS))
        if len(rows):
            chosen = drawn(rows, most, comparison.config.seed)
            found.append(look_at(encoder, comparison, split, chosen, labelled=False))
    return found


def share_beyond(near: np.ndarray, held: np.ndarray, others: np.ndarray) -> float:
    """Return the share of objects that are farther from known ones than 95 % of held-out known ones are.

    Args:
        near: embeddings of known objects, [K, D].
        held: of known objects that are not among these, [M, D].
        others: of the objects in question, [N, D].

    Returns:
        A share; NaN where there are fewer than two known objects, or 20 held-out ones.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> near, held = (rng.normal([5, 0], 1, (100, 2)) for _ in range(2))
        >>> share_beyond(near, held, rng.normal([-5, 0], 1, (50, 2)))
        1.0
    """
    if len(near) < 2 or len(held) < _FEWEST or not len(others):
        return math.nan
    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(near))).fit(_of_unit_length(near))
    usual, found = (search.kneighbors(_of_unit_length(part))[0][:, -1] for part in (held, others))
    return float(np.mean(found > np.quantile(usual, USUAL)))


def _of_unit_length(vectors: np.ndarray) -> np.ndarray:
    exact = np.asarray(vectors, np.float64)
    return exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-12)


def _medians(
    comparison: Comparison, known: Mapping[str, np.ndarray], without: Mapping[str, np.ndarray], columns: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Return by column the medians of labelled and unlabelled objects, NaN where no value is known."""
    found = {}
    for column in columns:
        values = {split: column_values(comparison, split, column) for split in known}
        if any(of_split is None for of_split in values.values()):
            continue
        found[column] = tuple(
            _median(np.concatenate([values[split][mask] for split, mask in masks.items()]))
            for masks in (known, without)
        )
    return found


def _median(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else math.nan
