"""All figures of classifiers, against those of single fits."""

import math

import numpy as np
import pytest

from astrokeras.evaluation.class_scores import class_scores, in_lines
from astrokeras.evaluation.compare import EvaluationSet
from astrokeras.evaluation.fit_predictions import Predictions
from astrokeras.evaluation.judged import class_figures
from astrokeras.tasks.classification import classification_scores
from astrokeras.tasks.targets.class_ import Class

NAMES = ("a", "b", "never")
WANTED = {
    "accuracy", "balanced_accuracy", "macro_f1", "auroc", "average_precision", "kappa", "matthews", "log_loss", "brier",
    "calibration_error", "temperature", "calibration_error_before",
    *(f"{kind} {name}" for kind in ("precision", "recall") for name in NAMES),
}  # fmt: skip


def answered(split: str, seed: int) -> Predictions:
    """Two repeats of an arm at two budgets; the last object has no label."""
    rng = np.random.default_rng(seed)
    labels = np.append(rng.integers(0, 2, 60), -1)
    exam = EvaluationSet(split, np.ones(61, bool), {"class": {"class:label": labels}})
    values = []
    for _ in range(4):
        shares = rng.dirichlet([1, 1, 0.2], 61) + np.eye(3)[np.maximum(labels, 0)]
        values.append({"class": shares / shares.sum(axis=1, keepdims=True)})
    lines = [{"arm": "one", "labels": n, "budget": str(n), "repeat": r} for n in (5, 50) for r in (0, 1)]
    return Predictions(exam, lines, values)


def test_figures_are_the_means_of_the_repeats():
    test = answered("test", 0)
    for number, line in enumerate(test.lines):
        line |= {"temperature": 1.0 + number, "test_calibration_error_before": 0.1 * number}
    found = class_scores(Class(NAMES), "class", test)
    assert set(found) == {5, 50}
    figures = found[50]["one"]
    assert set(figures) == WANTED
    labels = test.exam.fields["class"]["class:label"][:60]
    each = []
    for own in test.values[2:]:
        probabilities = own["class"][:60]
        each.append(classification_scores(labels, probabilities) | class_figures(labels, probabilities, NAMES))
    for name in each[0]:
        mean, spread = figures[name]
        assert mean == pytest.approx(np.mean([one[name] for one in each]), nan_ok=True)
        assert spread == pytest.approx(np.std([one[name] for one in each], ddof=1), nan_ok=True)
    assert math.isnan(figures["recall never"][0])
    assert figures["temperature"] == pytest.approx((3.5, np.sqrt(0.5)))
    assert figures["calibration_error_before"] == pytest.approx((0.25, 0.1 * np.sqrt(0.5)))


def test_without_validation_objects_there_is_no_temperature():
    found = class_scores(Class(NAMES), "class", answered("test", 0))
    assert set(found[5]["one"]) == WANTED - {"temperature", "calibration_error_before"}


def test_lines_say_of_what_they_are():
    test = answered("test", 0)
    found = class_scores(Class(NAMES), "class", test)
    lines = in_lines(found, test)
    assert len(lines) == 2 * len(found[5]["one"])
    (line,) = [line for line in lines if (line["labels"], line["score"]) == (5, "kappa")]
    assert (line["mean"], line["spread"]) == found[5]["one"]["kappa"]
    assert (line["arm"], line["budget"]) == ("one", "5")
