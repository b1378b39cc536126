"""The arms of a comparison judged by one target: scores with intervals, differences, and what classes need beside."""

import functools
import math
import warnings
from collections.abc import Mapping

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    cohen_kappa_score,
    confusion_matrix,
    log_loss,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from astrokeras.evaluation.answers import Answers
from astrokeras.evaluation.bootstrap import SAMPLES, Resampled, resample
from astrokeras.evaluation.calibration import brier_score, expected_calibration_error
from astrokeras.tasks.target import Encoded, Target

_SLOW_SAMPLES = 200  # of scores that take their time


def judge(target: Target, name: str, answers: Answers, seed: int) -> dict[int, Resampled]:
    """Return the main score of a target by number of labels.

    Only arms whose repeats are all there are judged, on the objects that have a label of this target; the bootstrap
    draws objects within `Target.strata`.
    """
    answers = answers.labelled(name, target)
    fields = answers.exam.fields[name]
    fast = target.of_classes and target.main_score == "balanced_accuracy"
    strata = target.strata(fields)
    score = _balanced_accuracy if fast else functools.partial(_by_rows, target, fields)
    truth = strata if fast else np.arange(answers.exam.count)
    found = {}
    for count in answers.budgets:
        predictions = answers.of(name, count)
        if fast:
            predictions = {arm: values.argmax(axis=-1) for arm, values in predictions.items()}
        if predictions:
            samples = SAMPLES if fast else _SLOW_SAMPLES
            found[count] = resample(predictions, truth, score, strata=strata, samples=samples, seed=seed)
    return found


def _by_rows(target: Target, fields: Encoded, rows: np.ndarray, prediction: np.ndarray) -> float:
    chosen = {field: values[rows] for field, values in fields.items()}
    return float(target.scores(chosen, prediction)[target.main_score])


def _balanced_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean recall of the classes that occur."""
    counts = np.bincount(labels)
    right = np.bincount(labels, labels == predicted, len(counts))
    there = counts > 0
    return float(np.mean(right[there] / counts[there]))


def class_figures(labels: np.ndarray, probabilities: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    """Return what else is asked of a classifier, by scikit-learn's definitions.

    Args:
        labels: [N], 0 … C - 1.
        probabilities: [N, C].
        names: of the classes.

    Returns:
        ``average_precision`` (mean over the classes that occur, each against the rest), ``kappa`` (Cohen's),
        ``matthews``, ``log_loss``, ``brier`` and ``calibration_error``; ``precision CLASS`` and ``recall CLASS``, NaN
        where a class is never predicted or does not occur.
    """
    predicted = probabilities.argmax(axis=1)
    classes = np.arange(len(names))
    present = np.unique(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of what is undefined, which is NaN here
        precision, recall, _, _ = precision_recall_fscore_support(
            labels, predicted, labels=classes, zero_division=math.nan
        )
        areas = [average_precision_score(labels == c, probabilities[:, c]) for c in present]
        found = {
            "average_precision": float(np.mean(areas)),
            "kappa": float(cohen_kappa_score(labels, predicted)),
            "matthews": float(matthews_corrcoef(labels, predicted)),
            "log_loss": float(log_loss(labels, _sum_to_one(probabilities), labels=classes)),
        }
    found["brier"] = brier_score(labels, probabilities)
    found["calibration_error"] = expected_calibration_error(labels, probabilities)
    for number, name in enumerate(names):
        found[f"precision {name}"], found[f"recall {name}"] = float(precision[number]), float(recall[number])
    return found


def _sum_to_one(probabilities: np.ndarray) -> np.ndarray:
    """Return the probabilities in double precision, in which their sum is one."""
    exact = probabilities.astype(np.float64)
    return exact / exact.sum(axis=1, keepdims=True)


def mean_figures(each: list[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each figure over the repeats, NaN where it is undefined in all of them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return {name: float(np.nanmean([one[name] for one in each])) for name in each[0]}


def confusion(labels: np.ndarray, answers: np.ndarray, n_classes: int) -> np.ndarray:
    """Return how often each class was taken for which over all repeats, [C, C]; answers are probabilities [R, N, C]."""
    classes = np.arange(n_classes)
    return sum(confusion_matrix(labels, values.argmax(axis=1), labels=classes) for values in answers)


def mistakes(labels: np.ndarray, probabilities: np.ndarray, most: int) -> np.ndarray:
    """Return the places of the most confident wrong answers, the most confident one first; at most `most`."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:most]
