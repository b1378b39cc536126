"""From what the user asks for, ``dihedral|shift(4)|noise(0.1)``, to a function of a batch of raw flux.

The augmentations are in `pipeline.augmentations`. Neither this module nor they import TensorFlow.
"""

from collections.abc import Mapping, Sequence

from keras import KerasTensor

from astrokeras.errors import UsageError
from astrokeras.pipeline.augmentations import geometry
from astrokeras.pipeline.augmentations.base import AUGMENTATIONS, PROPERTIES, Augmentation, SurveyInfo
from astrokeras.spec import parse

__all__ = ["PROPERTIES", "Chain", "SurveyInfo", "augmentation"]

# The first of them that no task forbids is the default.
_DEFAULTS = ("dihedral",)
# Each is a part of the graph that has to be compiled.
_MOST_STEPS = 32

BrokenBy = Mapping[str, frozenset[str]]


class Chain:
    """Augmentations that are applied one after the other; neighbours that move pixels share an interpolation.

    Attributes:
        steps: the augmentations.
        n_draws: how many uniform numbers it takes an example.
        changes: which of `PROPERTIES` it changes.
    """

    def __init__(self, steps: Sequence[Augmentation]) -> None:
        self.steps = tuple(steps)
        self.n_draws = sum(step.n_draws for step in steps)
        self.changes = frozenset().union(*(step.changes for step in steps))

    def __str__(self) -> str:
        return "|".join(map(str, self.steps))

    def margin(self, size: int) -> int:
        """Return how many pixels around stamps of `size` it would need at most to know all of the result."""
        return (self._sides(size)[0] - size) // 2

    def __call__(self, flux: KerasTensor, draws: KerasTensor, size: int | None = None) -> KerasTensor:
        """Augment stamps; the result is NaN where a pixel is missing or lies off the stamps that are given.

        Args:
            flux: raw flux, NaN where missing; of any float type, which the result has too.
            draws: uniform in [0, 1), float32, independent of each other.
            size: side of the result, as large as `flux` or smaller around the same centre.

        Shapes:
            flux [N, S, S, B] with S known, draws [N, n_draws] -> [N, size, size, B]
        """
        size = size or flux.shape[1]
        needed = self._sides(size)[1:]
        start = 0
        for first, last in geometry.plan(self.steps):
            run = self.steps[first:last]
            count = sum(step.n_draws for step in run)
            own, start = draws[:, start : start + count], start + count
            if isinstance(run[0], geometry.Geometry):
                flux = geometry.move(flux, own, run, min(flux.shape[1], needed[last - 1]))
            else:
                flux = run[0].apply(flux, own, size)
        edge = (flux.shape[1] - size) // 2
        return flux[:, edge : edge + size, edge : edge + size, :]

    def _sides(self, size: int) -> list[int]:
        """Return the sides that are wanted before the first step, between the steps, and after the last."""
        sides = [size]
        for step in reversed(self.steps):
            sides.insert(0, step.reach(sides[0]))
        return sides


def augmentation(
    spec: str, facts: SurveyInfo, broken_by: BrokenBy | None = None, *, option: str = "--augment"
) -> Chain | None:
    """Return the augmentations that `spec` names; None for ``none``.

    Args:
        spec: ``name|name(argument,…)``, ``none``, or ``default``: the eight flips and quarter turns, or nothing where
            a task forbids them.
        facts: of the survey.
        broken_by: by task, which of `PROPERTIES` must stay as they are for its targets to be true.
        option: where `spec` was typed, for messages.

    Raises:
        UsageError: it cannot be read, a name or an argument is wrong, or it would falsify the targets of a task.
    """
    broken_by = broken_by or {}
    if spec == "none":
        return None
    if spec == "default":
        chains = (_chain(default, facts, option) for default in _DEFAULTS)
        return next((chain for chain in chains if not any(chain.changes & bad for bad in broken_by.values())), None)
    chain = _chain(spec, facts, option)
    for task, bad in broken_by.items():
        for step in chain.steps:
            _refuse(step, task, bad, option)
    return chain


def _chain(spec: str, facts: SurveyInfo, option: str) -> Chain:
    calls = parse(spec, option)
    if len(calls) > _MOST_STEPS:
        raise UsageError(
            f"{option}: {len(calls)} augmentations one after the other, at most {_MOST_STEPS} are possible"
        )
    return Chain([AUGMENTATIONS.get(call.name)(facts, call, option) for call in calls])


def _refuse(step: Augmentation, task: str, bad: frozenset[str], option: str) -> None:
    changed = sorted(step.changes & bad)
    if changed:
        what = " and ".join(f"the {name} ({PROPERTIES[name]})" for name in changed)
        raise UsageError(
            f"{option} {step} changes {what}, which would falsify the targets of task '{task}'; leave it out, "
            f"or use {option} default"
        )
