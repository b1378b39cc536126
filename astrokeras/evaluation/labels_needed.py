"""How many labels an arm needs to reach a score: the number a team plans with."""

from collections.abc import Mapping

import numpy as np


def labels_needed(scores: Mapping[int, float], target: float, *, errors: bool = False) -> float:
    """Return the number of labels at which the score reaches `target`.

    The scores are interpolated linearly in the logarithm of the number of labels. Where the score falls between two
    budgets, the larger budget counts with the best score so far: more labels are never said to be worse.

    Args:
        scores: by number of labels, the mean score.
        target: to reach.
        errors: whether a smaller score is the better one.

    Returns:
        NaN where no budget reaches the target; the smallest budget where even that one does.

    Example:
        >>> labels_needed({10: 0.5, 100: 0.7}, 0.6)
        31.6...
        >>> labels_needed({10: 0.5, 100: 0.7}, 0.8)
        nan
    """
    counts = np.array(sorted(scores), dtype=float)
    sign = -1.0 if errors else 1.0
    best = np.maximum.accumulate([sign * scores[int(count)] for count in counts])
    wanted = sign * target
    if best[-1] < wanted:
        return float("nan")
    last = int(np.argmax(best >= wanted))
    if last == 0:
        return float(counts[0])
    low, high = np.log(counts[last - 1]), np.log(counts[last])
    share = (wanted - best[last - 1]) / (best[last] - best[last - 1])
    return float(np.exp(low + share * (high - low)))
