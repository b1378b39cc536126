"""What a comparison says, in one sentence or two, from scores with their intervals."""

import math
from collections.abc import Mapping

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


def verdict(found: ByCount, score: str, *, errors: bool = False) -> str:
    """Return which arm is the best, by how much and how surely, and how many labels that saves.

    Args:
        found: see `ByCount`.
        score: its name in a sentence.
        errors: whether a smaller score is the better one.
    """
    order = ranking(found, errors=errors)
    if not order:
        return "No arm was measured at every number of labels."
    first, few, many = order[0], min(found), max(found)
    if len(order) == 1:
        return f"{first} reaches {found[many].values[first]:.3f} in {score} with {many} labels."
    second = order[1]
    leads = {count: found[count].difference(first, second) for count in dict.fromkeys((few, many))}
    sure = {count: lead.excludes_zero and (lead.value < 0) == errors for count, lead in leads.items()}
    above = "below" if errors else "above"
    told = " and ".join(
        f"{found[count].values[first]:.3f} with {count} labels, {abs(lead.value):.3f} {_side(lead, above)} {second} "
        f"[{lead.low:+.3f}, {lead.high:+.3f}]"
        for count, lead in leads.items()
    )
    if not any(sure.values()):
        return (
            f"Nothing is decided: {first} has the best {score} ({told}), but the 95 % interval of its lead holds zero."
        )
    limits = "" if all(sure.values()) else "; where the interval holds zero, the lead may be chance"
    return f"{first} is the best: its {score} is {told}{limits}.{_saved(found, first, second, errors=errors)}"


def _side(lead: Interval, above: str) -> str:
    return above if (lead.value >= 0) == (above == "above") else {"above": "below", "below": "above"}[above]


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
