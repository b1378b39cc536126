"""What a comparison says, in one sentence or two, from scores with their intervals."""

import math
from collections.abc import Collection, Mapping

import numpy as np

from astrokeras.evaluation.bootstrap import Interval, Resampled
from astrokeras.evaluation.labels_needed import labels_needed

ByCount = Mapping[int, Resampled]
"""By number of labels, the score of every arm."""


def curves(found: ByCount) -> dict[str, dict[int, Interval]]:
    """Return by arm the score at each number of labels."""
    arms = dict.fromkeys(arm for resampled in found.values() for arm in resampled.values)
    return {
        arm: {count: resampled.interval(arm) for count, resampled in found.items() if arm in resampled.values}
        for arm in arms
    }


def ranking(found: ByCount, *, errors: bool = False) -> list[str]:
    """Return the arms that were measured at every number of labels, the best mean score first."""
    complete = [arm for arm, curve in curves(found).items() if len(curve) == len(found)]
    sign = 1.0 if errors else -1.0
    return sorted(complete, key=lambda arm: sign * np.mean([found[count].values[arm] for count in found]))


def needed(found: ByCount, *, errors: bool = False) -> dict[str, dict[str, float]]:
    """Return how many labels each arm needs for what each other reaches with all of them.

    Returns:
        By arm and other arm the number of labels; NaN where it is never reached.
    """
    most = max(found)
    means = {arm: {count: value.value for count, value in curve.items()} for arm, curve in curves(found).items()}
    complete = ranking(found, errors=errors)
    return {
        arm: {other: labels_needed(means[arm], means[other][most], errors=errors) for other in complete if other != arm}
        for arm in complete
    }


def verdict(found: ByCount, score: str, general: Collection[str] = (), *, errors: bool = False) -> str:
    """Return which arm is the best, by how much and how surely, and how many labels that saves.

    A comparison is asked whether pre-training on a survey's own images paid. Where there are both kinds of arms,
    the best one is therefore held against the best of the other kind, and the one that comes second follows.

    Args:
        found: see `ByCount`.
        score: its name in a sentence.
        general: the arms that began without a survey's images: from random weights or ImageNet's.
        errors: whether a smaller score is the better one.

    Example:
        >>> samples = {"scratch": np.array([0.49, 0.51]), "ours": np.array([0.69, 0.71])}
        >>> scores = Resampled({"scratch": 0.5, "ours": 0.7}, samples)
        >>> verdict({10: scores}, "accuracy", ["scratch"])
        'ours is the best: its accuracy is 0.700 with 10 labels, 0.200 above scratch [+0.200, +0.200].'
    """
    order = ranking(found, errors=errors)
    if not order:
        return "No arm was measured at every number of labels."
    first, many = order[0], max(found)
    if len(order) == 1:
        return f"{first} reaches {found[many].values[first]:.3f} in {score} with {many} labels."
    second, other = order[1], next((arm for arm in order if (arm in general) != (first in general)), order[1])
    lead = _Lead(found, first, other, errors)
    if not lead.sure:
        said = f"Nothing is decided: {first} has the best {score} ({lead.told()}), but the 95 % interval of its lead "
        return f"{said}holds zero."
    said = (
        f"{first} is the best: its {score} is {lead.told()}{lead.limits}.{_saved(found, first, other, errors=errors)}"
    )
    if other == second:
        return said
    behind = _Lead(found, first, second, errors)
    return f"{said} {second} comes second, {behind.lag()}{behind.limits}."


class _Lead:
    """How far one arm is ahead of another with the fewest and the most labels."""

    def __init__(self, found: ByCount, first: str, other: str, errors: bool) -> None:
        self.found, self.first, self.other, self.errors = found, first, other, errors
        counts = dict.fromkeys((min(found), max(found)))
        self.leads = {count: found[count].difference(first, other) for count in counts}
        self._sure = [lead.excludes_zero and (lead.value < 0) == errors for lead in self.leads.values()]

    @property
    def sure(self) -> bool:
        """Whether the interval of the lead holds no zero, anywhere."""
        return any(self._sure)

    @property
    def limits(self) -> str:
        """What has to be said where an interval holds zero."""
        if all(self._sure):
            return ""
        return "; where the interval holds zero, the lead may be chance" if self.sure else ", which may be chance"

    def told(self) -> str:
        """Score and lead with so many labels, as a part of a sentence."""
        return " and ".join(
            f"{self.found[count].values[self.first]:.3f} with {count} labels, {self._by(lead)} {self.other} "
            f"[{lead.low:+.3f}, {lead.high:+.3f}]"
            for count, lead in self.leads.items()
        )

    def lag(self) -> str:
        """How far the other one is behind, as a part of a sentence."""
        return " and ".join(
            f"{abs(lead.value):.3f} {'ahead' if (lead.value < 0) != self.errors else 'behind'} with {count} labels "
            f"[{-lead.high:+.3f}, {-lead.low:+.3f}]"
            for count, lead in self.leads.items()
        )

    def _by(self, lead: Interval) -> str:
        return f"{abs(lead.value):.3f} {'below' if lead.value < 0 else 'above'}"


def _saved(found: ByCount, first: str, second: str, *, errors: bool) -> str:
    few, many = min(found), max(found)
    enough = needed(found, errors=errors)[first][second]
    if few == many or math.isnan(enough):
        return ""
    reached = found[many].values[second]
    if enough <= few:
        return f" With {few} labels it is as good as {second} with {many} ({reached:.3f})."
    return (
        f" For what {second} reaches with {many} labels ({reached:.3f}) it needs about {enough:.0f}, "
        f"{1 - enough / many:.0%} fewer."
    )
