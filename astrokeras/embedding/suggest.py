"""``astrokeras suggest``: which objects are worth a label next.

Margin and entropy ask for what a classifier is unsure of, coverage for what is unlike everything that has a label.
Taken in turn they make up for one another: the unsure ones are often alike, and the unlike ones often odd.

Source: Sener and Savarese 2018 (see `coverage`). Siméoni et al. 2020, "Rethinking deep active learning"
(arXiv:1911.08177), compare such ways.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from astrokeras.config import SuggestConfig
from astrokeras.embedding.class_probabilities import read_predictions
from astrokeras.embedding.coverage import Coverage
from astrokeras.embedding.known_labels import class_numbers, known_labels
from astrokeras.embedding.result_table import check_result, result_table, write_result
from astrokeras.embedding.table import Embeddings
from astrokeras.embedding.uncertainty import UNSURE
from astrokeras.errors import AstrokerasError, UsageError, unknown_name
from astrokeras.tasks.directions import directions
from astrokeras.tasks.logistic import linear_probe

COVERAGE = "coverage"
WAYS = (*UNSURE, COVERAGE)


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """One object that is worth a label.

    Attributes:
        number: of the object, from 0.
        by: one of `WAYS`.
        score: the margin; the entropy in nats; the distance to the nearest labelled or suggested object, between their
            `directions`, NaN where there is none yet.
    """

    number: int
    by: str
    score: float


def suggest(config: SuggestConfig, report: Callable[[str], None]) -> dict[str, Any]:
    """Write the table of suggestions.

    Args:
        config: the options.
        report: is told what labels and predictions were found.

    Returns:
        ``out``, the number ``suggested`` and the ways, ``by``.

    Raises:
        UsageError: an unknown way, or one that lacks labels.
        AstrokerasError: a table is missing or damaged, or every object has a label.
    """
    out = check_result(config.out, overwrite=config.overwrite)
    embeddings = Embeddings.load(config.embeddings, columns=(), max_bytes=config.max_bytes)
    labels = known_labels(embeddings, config.labels, config.max_catalog_bytes, report)
    inside = _in_split(embeddings, config.split, report)
    candidates = inside & np.array([label is None for label in labels], dtype=bool)
    # What is known of other splits must not decide what is labelled in this one.
    numbers, names = class_numbers(np.where(inside, labels, None))
    if not candidates.any():
        raise AstrokerasError(f"every object of {config.embeddings} that could be suggested has a label already")
    probabilities = None
    if config.predictions:
        probabilities, names = read_predictions(embeddings, config.predictions, config.max_catalog_bytes, report)
    elif len(names) > 1:
        report(f"a linear classifier is fitted on {int((numbers >= 0).sum())} labels of {len(names)} classes")
        probabilities = linear_probe(embeddings.vectors, numbers, len(names), config.seed)
    ways = _ways(config.by, probabilities is not None, report)
    chosen = choose(embeddings.vectors, numbers >= 0, candidates, ways, config.count, probabilities)
    rows = np.array([one.number for one in chosen])
    columns = {
        "rank": np.arange(1, len(chosen) + 1),
        "by": np.array([one.by for one in chosen]),
        "score": np.array([one.score for one in chosen]),
    }
    if probabilities is not None:
        columns["class"] = _most_probable(probabilities[rows], names)
    write_result(result_table(embeddings, rows, columns), out)
    return {"out": str(out), "suggested": len(chosen), "by": list(ways)}


def choose(
    vectors: np.ndarray,
    labelled: np.ndarray,
    candidates: np.ndarray,
    ways: Sequence[str],
    count: int,
    probabilities: np.ndarray | None = None,
) -> list[Suggestion]:
    """Return up to `count` candidates, each way choosing one in turn.

    Args:
        vectors: embeddings of all objects.
        labelled: which of them have a label.
        candidates: which of them may be chosen.
        ways: of `WAYS`.
        count: how many.
        probabilities: of the classes, for margin and entropy; NaN is not chosen by these.

    Shapes:
        vectors ``[N, D]``; labelled and candidates ``[N]`` bool; probabilities ``[N, C]``

    Example:
        >>> vectors = np.array([[2.0, 0.0], [-2.0, 0.1], [1.0, 2.0], [-1.0, -2.1]])
        >>> labelled = np.array([True, False, False, False])
        >>> [one.number for one in choose(vectors, labelled, ~labelled, ["coverage"], 2)]
        [1, 3]
    """
    free = candidates.copy()
    coverage = Coverage(directions(vectors), np.flatnonzero(labelled)) if COVERAGE in ways else None
    orders = {way: _order(UNSURE[way](probabilities)) for way in ways if way != COVERAGE}
    chosen: list[Suggestion] = []
    idle = 0  # ways in a row that had nothing more
    while len(chosen) < count and idle < len(ways) and free.any():
        way = ways[(len(chosen) + idle) % len(ways)]
        if way == COVERAGE:
            number, score = coverage.farthest(free)
        else:
            number, score = next(((n, s) for n, s in orders[way] if free[n]), (-1, 0.0))
        if number < 0:
            idle += 1
            continue
        idle = 0
        free[number] = False
        if coverage:
            coverage.add(number)
        chosen.append(Suggestion(number, way, abs(score) if np.isfinite(score) else np.nan))
    return chosen


def _order(unsure: np.ndarray) -> Iterator[tuple[int, float]]:
    """Numbers of the objects and how unsure they are, from the most unsure; those that are NaN are left out."""
    order = np.argsort(-unsure, kind="stable")
    return ((int(number), float(unsure[number])) for number in order if np.isfinite(unsure[number]))


def _ways(given: Iterable[str], classified: bool, report: Callable[[str], None]) -> tuple[str, ...]:
    ways = tuple(given)
    for way in ways:
        if way not in WAYS:
            raise UsageError(f"--by: {unknown_name('way', way, WAYS)}")
    if not ways and not classified:
        report(
            "without labels of two classes there is no classifier to be unsure: the suggestions are those of coverage"
        )
        return (COVERAGE,)
    if not classified and ways != (COVERAGE,):
        raise UsageError(
            f"--by {','.join(ways)} needs --predictions, or labels of two classes (--labels); coverage needs none"
        )
    return ways or ("margin", COVERAGE)


def _in_split(embeddings: Embeddings, split: str | None, report: Callable[[str], None]) -> np.ndarray:
    """Which objects are of the split; of all that are for training where none is named."""
    known = sorted({name for name in embeddings.split.tolist() if name is not None})
    if split == "all" or (split is None and "train" not in known):
        return np.ones(len(embeddings), dtype=bool)
    if split is not None and split not in known:
        raise UsageError(f"--split: {unknown_name('split', split, [*known, 'all'])}")
    if split is None:
        report("objects of the split train are suggested; --split all for every one")
    return np.array([name == (split or "train") for name in embeddings.split.tolist()])


def _most_probable(probabilities: np.ndarray, names: Sequence[str]) -> np.ndarray:
    classes = np.full(len(probabilities), None, dtype=object)
    known = np.isfinite(probabilities).all(axis=1)
    classes[known] = np.array(names, dtype=object)[probabilities[known].argmax(axis=1)]
    return classes
