"""All figures of classifiers, of every arm and number of labels: what the table of the main scores has no room for."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from astrokeras.evaluation.answers import Answers
from astrokeras.evaluation.judged import calibrated, class_figures
from astrokeras.tasks.classification import classification_scores
from astrokeras.tasks.target import Target

CLASS_SCORES = "class_scores.csv"

Figures = Mapping[str, tuple[float, float]]
"""By name, the mean over the repeats and the sample standard deviation."""


def class_scores(
    target: Target, name: str, answers: Answers, validation: Answers | None
) -> dict[int, dict[str, Figures]]:
    """Return the figures of every arm whose repeats are all there, by number of labels and arm.

    Those are the scores of `classification_scores`, those of `class_figures`, and, where there are validation objects
    with a label, ``temperature`` and ``calibration_error_scaled``, which is that after temperature scaling.

    Args:
        target: with classes, one for each object.
        name: of the target.
        answers: for the test objects; those without a label are left out.
        validation: for the validation objects.
    """
    labels, rows = _known(target, name, answers)
    found: dict[int, dict[str, Figures]] = {}
    for count in answers.budgets:
        before = {} if validation is None else validation.of(name, count)
        for arm, values in answers.of(name, count).items():
            each = []
            for repeat, probabilities in enumerate(values[:, rows]):
                figures = classification_scores(labels, probabilities) | class_figures(
                    labels, probabilities, target.names
                )
                if arm in before and validation is not None:
                    truth, known = _known(target, name, validation)
                    figures |= calibrated((truth, before[arm][repeat][known]), labels, probabilities)
                each.append(figures)
            found.setdefault(count, {})[arm] = {key: _mean([one[key] for one in each]) for key in each[0]}
    return found


def _known(target: Target, name: str, answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes of the objects that have one, and their places."""
    fields = answers.exam.fields[name]
    rows = np.flatnonzero(target.known(fields))
    return target.strata(fields)[rows], rows


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and spread of what is defined."""
    defined = [value for value in values if not math.isnan(value)]
    mean = float(np.mean(defined)) if defined else math.nan
    return mean, float(np.std(defined, ddof=1)) if len(defined) > 1 else math.nan


def in_lines(found: Mapping[int, Mapping[str, Figures]], answers: Answers) -> list[dict[str, Any]]:
    """Return them as lines of a table: ``arm``, ``budget``, ``labels``, ``score``, ``mean`` and ``spread``."""
    return [
        {"arm": arm, "budget": answers.budgets[count], "labels": count, "score": score, "mean": mean, "spread": spread}
        for count, arms in found.items()
        for arm, figures in arms.items()
        for score, (mean, spread) in figures.items()
    ]
