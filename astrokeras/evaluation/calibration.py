"""Whether probabilities mean what they say, and the temperature that makes them do so.

Source: Guo et al. 2017, "On calibration of modern neural networks", ICML (arXiv 1706.04599): the expected calibration
error (their equation 3) and temperature scaling (equation 9), which changes no class; Pollastri et al. 2020 apply it to
few labels.
"""

import dataclasses

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

N_BINS = 15
_LOWEST, _HIGHEST = 0.05, 20.0
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Reliability:
    """How often the answers of one bin of confidence are right.

    Attributes:
        confidence: mean of the highest probability in each bin, [B]; NaN where a bin is empty.
        accuracy: share of right answers in each bin, [B]; NaN where a bin is empty.
        count: objects in each bin, [B].
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean gap between the two, weighted by the objects."""
        there = self.count > 0
        gaps = np.abs(self.confidence[there] - self.accuracy[there])
        return float(np.average(gaps, weights=self.count[there]))


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = N_BINS) -> Reliability:
    """Return the reliability of the most probable class in bins of equal width.

    Args:
        labels: [N], 0 … C - 1.
        probabilities: [N, C].
        bins: how many from 0 to 1.

    Example:
        >>> probabilities = np.array([[0.8, 0.2], [0.6, 0.4]])
        >>> round(reliability(np.array([0, 0]), probabilities).error, 2)
        0.3
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, confidence, bins) / count
        share = np.bincount(place, right.astype(float), bins) / count
    return Reliability(mean, share, count)


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = N_BINS) -> float:
    """Return the expected calibration error, see `reliability`."""
    return reliability(labels, probabilities, bins).error


def brier_score(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean squared distance of the probabilities to the label's one-hot vector, from 0 to 2.

    Source: Brier 1950, Monthly Weather Review 78, 1, equation 2 (the sum over all classes).
    """
    hot = np.eye(probabilities.shape[1])[labels]
    return float(np.mean(np.sum((probabilities - hot) ** 2, axis=1)))


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the temperature, from 0.05 to 20, by which the logits are divided for the smallest Brier score.

    The log loss, which is usual, has no bound: among the few examples that there are, one or two mistakes of which a
    classifier is certain decide the temperature of all the others. The Brier score is proper too, and has one.

    Args:
        labels: [N], 0 … C - 1, of examples that the classifier was not fitted to.
        probabilities: [N, C].

    Source: Guo et al. 2017 (arXiv 1706.04599) for the temperature.

    Example:
        >>> sure = np.array([[0.99, 0.01]] * 4)
        >>> fit_temperature(np.array([0, 0, 0, 1]), sure) > 1  # it is too sure
        True
    """
    logits, truth = np.log(np.maximum(probabilities, _TINY)), np.eye(probabilities.shape[1])[labels]

    def brier(logarithm: float) -> float:
        return float(np.square(softmax(logits / np.exp(logarithm), axis=1) - truth).sum(axis=1).mean())

    found = minimize_scalar(brier, bounds=(np.log(_LOWEST), np.log(_HIGHEST)), method="bounded")
    return float(np.exp(found.x))


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probabilities at another temperature, [N, C]."""
    return softmax(np.log(np.maximum(probabilities, _TINY)) / temperature, axis=1)
