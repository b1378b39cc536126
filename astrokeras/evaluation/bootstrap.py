"""Intervals of scores and of their differences between arms, over test objects and repeats at once.

All arms answer for the same test objects and, within a repeat, from the same labelled examples. A bootstrap sample
draws repeats and test objects with replacement, the same ones for every arm, so that what the arms share cancels in
their differences (Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 6 and 13). Objects are drawn
within their class, so that every sample has all classes.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np

SAMPLES = 1000
_LEVEL = 95.0

Score = Callable[[np.ndarray, np.ndarray], float]
"""From labels [N] and predictions [N, ...] to a number."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A value with the interval that holds the middle 95 % of its bootstrap samples."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


@dataclasses.dataclass(frozen=True)
class Resampled:
    """A score of every arm: its value, and those of the bootstrap samples, drawn alike for all arms.

    Attributes:
        values: by arm, the mean of the score over the repeats.
        samples: by arm, the same of each bootstrap sample, [S].
    """

    values: Mapping[str, float]
    samples: Mapping[str, np.ndarray]

    def interval(self, arm: str) -> Interval:
        """Return the score of an arm."""
        return _interval(self.values[arm], self.samples[arm])

    def difference(self, arm: str, other: str) -> Interval:
        """Return how much higher the score of `arm` is than that of `other`."""
        return _interval(self.values[arm] - self.values[other], self.samples[arm] - self.samples[other])

    def differences(self) -> dict[tuple[str, str], Interval]:
        """Return the difference of every arm to every other that comes before it."""
        arms = list(self.values)
        return {(a, b): self.difference(a, b) for i, a in enumerate(arms) for b in arms[:i]}


def resample(
    predictions: Mapping[str, np.ndarray],
    labels: np.ndarray,
    score: Score,
    *,
    strata: np.ndarray | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Resampled:
    """Return the score of every arm with what the bootstrap makes of it.

    Args:
        predictions: by arm, those of each repeat for each test object, [R, N, ...]; the same R for every arm.
        labels: of the test objects, [N].
        score: of one repeat.
        strata: within which objects are drawn, [N]; all together if None.
        samples: how many bootstrap samples to draw.
        seed: of the draws.

    Raises:
        ValueError: arms differ in their repeats or objects, or there are none.

    Example:
        >>> labels = np.array([0, 1, 1, 0])
        >>> arms = {"a": np.array([[0, 1, 1, 0]]), "b": np.array([[0, 1, 0, 0]])}
        >>> found = resample(arms, labels, lambda truth, given: float(np.mean(truth == given)), samples=200)
        >>> found.difference("a", "b").value
        0.25
    """
    shapes = {values.shape[:2] for values in predictions.values()}
    if len(shapes) != 1 or next(iter(shapes))[1] != len(labels):
        raise ValueError(f"expected the same repeats of {len(labels)} objects from every arm, got shapes {shapes}")
    n_repeats = next(iter(shapes))[0]

    def of(arm: str, repeats: np.ndarray, rows: np.ndarray) -> float:
        truth = labels[rows]
        kinds, counts = np.unique(repeats, return_counts=True)
        each = [score(truth, predictions[arm][repeat][rows]) for repeat in kinds]
        return float(np.average(each, weights=counts))

    whole = (np.arange(n_repeats), np.arange(len(labels)))
    drawn = list(_draws(n_repeats, strata if strata is not None else np.zeros(len(labels), int), samples, seed))
    return Resampled(
        {arm: of(arm, *whole) for arm in predictions},
        {arm: np.array([of(arm, *draw) for draw in drawn]) for arm in predictions},
    )


def resample_recalls(
    hits: Mapping[str, np.ndarray], strata: np.ndarray, *, samples: int = SAMPLES, seed: int = 0
) -> Resampled:
    """Return the mean over the strata of their shares of hits: `resample` with that score, from the same draws, faster.

    Args:
        hits: by arm, whether each repeat is right for each object, [R, N]; the same R for every arm.
        strata: the class of each object, [N], within which objects are drawn.
        samples: how many bootstrap samples to draw.
        seed: of the draws.

    Example:
        >>> arms = {"a": np.array([[1, 1, 1, 0]]), "b": np.array([[1, 0, 1, 0]])}
        >>> resample_recalls(arms, np.array([0, 0, 0, 1]), samples=200).values["a"]
        0.5
    """
    kinds, place, counts = np.unique(strata, return_inverse=True, return_counts=True)
    weight = 1.0 / (len(kinds) * counts[place])
    every = np.stack([np.asarray(right, np.float64) for right in hits.values()])  # [A, R, N]
    drawn = np.array(
        [
            (every @ (np.bincount(rows, minlength=len(strata)) * weight))[:, repeats].mean(axis=1)
            for repeats, rows in _draws(every.shape[1], strata, samples, seed)
        ]
    )
    whole = (every @ weight).mean(axis=1)
    return Resampled(
        {arm: float(value) for arm, value in zip(hits, whole, strict=True)}, dict(zip(hits, drawn.T, strict=True))
    )


def _draws(n_repeats: int, strata: np.ndarray, samples: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Repeats [R] and objects [N] of each sample."""
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    for _ in range(samples):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        yield rng.integers(0, n_repeats, n_repeats), rows


def _interval(value: float, samples: np.ndarray) -> Interval:
    finite = samples[np.isfinite(samples)]
    if not len(finite):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(finite, [50 - _LEVEL / 2, 50 + _LEVEL / 2])
    return Interval(value, float(low), float(high))
