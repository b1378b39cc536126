"""The arms of a comparison judged by one target: scores with intervals, differences, and what classes need beside."""

import functools
import math
import warnings

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    cohen_kappa_score,
    confusion_matrix,
    log_loss,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from astrokeras.evaluation.bootstrap import Resampled, resample, resample_recalls
from astrokeras.evaluation.calibration import brier_score, expected_calibration_error
from astrokeras.evaluation.fit_predictions import Predictions
from astrokeras.tasks.target import Encoded, Target

_SLOW_SAMPLES = 200  # of scores that take their time


def judge(
    target: Target, name: str, predictions: Predictions, seed: int, rows: np.ndarray | None = None
) -> dict[int, Resampled]:
    """Return the main score of a target by number of labels.

    Only arms whose repeats are all there are judged, on the objects that have a label of this target; the bootstrap
    draws objects within `Target.strata`.

    Args:
        target: by whose main score to judge.
        name: of the target.
        predictions: of all fits.
        seed: of the bootstrap.
        rows: places, among the objects of the predictions, of those that count; all of them if None. What has no
            label is left out.
    """
    fields = predictions.exam.fields[name]
    known = np.flatnonzero(target.known(fields))
    rows = known if rows is None else np.intersect1d(rows, known)
    if not len(rows):
        return {}
    fields = {field: values[rows] for field, values in fields.items()}
    strata, found = target.strata(fields), {}
    for count in predictions.budgets:
        of_arms = {arm: values[:, rows] for arm, values in predictions.of(name, count).items()}
        if not of_arms:
            continue
        if target.of_classes and target.main_score == "balanced_accuracy":
            hits = {arm: values.argmax(axis=-1) == strata for arm, values in of_arms.items()}
            found[count] = resample_recalls(hits, strata, seed=seed)
        else:
            score = functools.partial(_by_rows, target, fields)
            places = np.arange(len(rows))
            found[count] = resample(of_arms, places, score, strata=strata, samples=_SLOW_SAMPLES, seed=seed)
    return found


def _by_rows(target: Target, fields: Encoded, rows: np.ndarray, prediction: np.ndarray) -> float:
    chosen = {field: values[rows] for field, values in fields.items()}
    return float(target.scores(chosen, prediction)[target.main_score])


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


def confusion(labels: np.ndarray, predictions: np.ndarray, n_classes: int) -> np.ndarray:
    """Return how often each class was taken for which over all repeats, [C, C]; answers are probabilities [R, N, C]."""
    classes = np.arange(n_classes)
    return sum(confusion_matrix(labels, values.argmax(axis=1), labels=classes) for values in predictions)


def mistakes(labels: np.ndarray, probabilities: np.ndarray, most: int) -> np.ndarray:
    """Return the places of the most confident wrong answers, the most confident one first; at most `most`."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:most]
