"""Features of encoders that several arms see: worked out once."""

import math
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.costs import one_after_the_other

ByRow = dict[int, np.ndarray]
"""By the number of an object in its split, the features [D]."""


class SharedFeatures:
    """What encoders that more than one arm has make of stamps, kept from arm to arm.

    Args:
        arms: all that are fitted.

    Encoders of random weights are others in every arm.
    """

    def __init__(self, arms: Iterable[Arm]) -> None:
        fitted = (arm for arm in arms if not arm.members and not arm.random)
        seen = Counter(init for arm in fitted for init in arm.singles)
        self._shared = {init for init, count in seen.items() if count > 1}
        self._kept: dict[tuple[str, str], ByRow] = {}
        self._speeds: dict[str, float] = {}

    def note_speed(self, arm: Arm, number: int | None, images_per_second: float) -> None:
        """Keep how fast one of the encoders of an arm, or all of them together, look at images."""
        name = arm.init if number is None else list(arm.singles)[number]
        if not math.isnan(images_per_second):
            self._speeds[name] = images_per_second

    def speed_of(self, arm: Arm) -> float:
        """Return how many images a second the encoders of an arm look at; NaN if that is not known."""
        if arm.init in self._speeds:
            return self._speeds[arm.init]
        return one_after_the_other(self._speeds.get(init, math.nan) for init in arm.singles)

    def of(
        self, arm: Arm, split: str, rows: np.ndarray, count: int, compute: Callable[[int | None], np.ndarray]
    ) -> np.ndarray:
        """Return the features of some objects, side by side where an arm has several encoders.

        Args:
            arm: whose.
            split: of the objects.
            rows: their numbers in it, [N].
            count: of the encoders that the arm's is joined from.
            compute: gives the features [N, D] by one of them, or by all together if it is given None.

        Shapes:
            [N, D]
        """
        inits = list(arm.singles)
        if arm.random or len(inits) != count or not self._shared.intersection(inits):
            return compute(None)
        parts = []
        for number, init in enumerate(inits):
            kept = self._kept.get((init, split), {})
            if not all(row in kept for row in rows.tolist()):
                kept = dict(zip(rows.tolist(), compute(number), strict=True))
                if init in self._shared:
                    self._kept[init, split] = self._kept.get((init, split), {}) | kept
            parts.append(np.stack([kept[row] for row in rows.tolist()]))
        return np.concatenate(parts, axis=1)
