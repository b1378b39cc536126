"""All figures of classifiers, of every arm and number of labels: what the table of the main scores has no room for."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from astrokeras.evaluation.fit_predictions import Predictions
from astrokeras.evaluation.judged import class_figures
from astrokeras.tasks.classification import classification_scores
from astrokeras.tasks.target import Target

CLASS_SCORES = "class_scores.csv"

Figures = Mapping[str, tuple[float, float]]
"""By name, the mean over the repeats and the sample standard deviation."""


def class_scores(
    target: Target, name: str, predictions: Predictions, prefix: str = ""
) -> dict[int, dict[str, Figures]]:
    """Return the figures of every arm whose repeats are all there, by number of labels and arm.

    Those are the scores of `classification_scores`, those of `class_figures`, and, where a temperature was fitted,
    ``temperature`` and ``calibration_error_before``: that of the probabilities without it.

    Args:
        target: with classes, one for each object.
        name: of the target.
        predictions: for the test objects; those without a label are left out.
        prefix: of the target's numbers in the lines of fits.
    """
    labels, rows = _known(target, name, predictions)
    found: dict[int, dict[str, Figures]] = {}
    for count in predictions.budgets:
        noted = {
            "temperature": predictions.noted(f"{prefix}temperature", count),
            "calibration_error_before": predictions.noted(f"test_{prefix}calibration_error_before", count),
        }
        for arm, values in predictions.of(name, count).items():
            each = [
                classification_scores(labels, one) | class_figures(labels, one, target.names) for one in values[:, rows]
            ]
            figures = {key: _mean([one[key] for one in each]) for key in each[0]}
            told = {key: _mean(by_arm[arm]) for key, by_arm in noted.items()}
            figures |= {key: value for key, value in told.items() if not math.isnan(value[0])}
            found.setdefault(count, {})[arm] = figures
    return found


def _known(target: Target, name: str, predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes of the objects that have one, and their places."""
    fields = predictions.exam.fields[name]
    rows = np.flatnonzero(target.known(fields))
    return target.strata(fields)[rows], rows


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and spread of what is defined."""
    defined = [value for value in values if not math.isnan(value)]
    mean = float(np.mean(defined)) if defined else math.nan
    return mean, float(np.std(defined, ddof=1)) if len(defined) > 1 else math.nan


def in_lines(found: Mapping[int, Mapping[str, Figures]], predictions: Predictions) -> list[dict[str, Any]]:
    """Return them as lines of a table: ``arm``, ``budget``, ``labels``, ``score``, ``mean`` and ``spread``."""
    return [
        {
            "arm": arm,
            "budget": predictions.budgets[count],
            "labels": count,
            "score": score,
            "mean": mean,
            "spread": spread,
        }
        for count, arms in found.items()
        for arm, figures in arms.items()
        for score, (mean, spread) in figures.items()
    ]
