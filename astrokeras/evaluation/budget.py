"""Draw the few labelled examples that an arm may use."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from astrokeras.errors import AstrokerasError, UsageError


@dataclasses.dataclass(frozen=True)
class Budget:
    """How many labelled objects an arm may use: `count` in all, or of each class; all if it is None."""

    count: int | None = None
    per_class: bool = False

    def __str__(self) -> str:
        return "all" if self.count is None else f"{self.count}/class" if self.per_class else str(self.count)


def parse_budget(text: str) -> Budget:
    """Read ``--budget``: a number of labelled objects, one of each class (``25/class``), or ``all``.

    Raises:
        UsageError: it is none of them.

    Example:
        >>> parse_budget("25/class")
        Budget(count=25, per_class=True)
    """
    if text == "all":
        return Budget()
    number, slash, unit = text.partition("/")
    if not (number.isascii() and number.isdigit()) or int(number) < 1 or (slash and unit != "class"):
        raise UsageError(f"--budget {text}: expected a number of labelled objects, as 50, or 25/class, or all")
    return Budget(int(number), bool(slash))


def check_budget(budget: Budget, labels: np.ndarray, names: Sequence[str] = ()) -> None:
    """Refuse a budget that cannot be drawn from `labels` (``[N]``, -1 unlabelled).

    Args:
        budget: from `parse_budget`.
        labels: of the training split.
        names: of the classes, if they have some.

    Raises:
        AstrokerasError: there are too few.
    """
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    if len(classes) == 0:
        raise AstrokerasError("the train split has no labels; convert with --label COLUMN, or give a table (--labels)")
    if len(classes) == 1:
        raise AstrokerasError("the train split has labels of one class only; a classifier needs at least two")
    if budget.count is None:
        return
    if budget.per_class:
        short = [(label, count) for label, count in zip(classes.tolist(), counts, strict=True) if count < budget.count]
        if short:
            label, count = short[0]
            who = names[label] if label < len(names) else f"class {label}"
            raise AstrokerasError(
                f"--budget {budget}: the train split has only {count} labelled objects of {who}; ask for fewer "
                "of each, or for a number in all"
            )
    elif budget.count > counts.sum():
        raise AstrokerasError(
            f"--budget {budget} is more than the {counts.sum()} labelled objects of the train split; "
            "ask for fewer, or for all"
        )
    elif budget.count < len(classes):
        raise AstrokerasError(f"--budget {budget} is less than one object for each of the {len(classes)} classes")


def draw(labels: np.ndarray, budget: Budget, seed: int, repeat: int) -> np.ndarray:
    """Choose labelled objects, each class in its share of the labelled ones but at least one of each.

    Of a budget for each class, as many of each. Draws are nested: with the same seed and repeat a smaller budget is
    part of a larger one of its kind.

    Args:
        labels: ``[N]``, -1 unlabelled.
        budget: how many.
        seed: of the run.
        repeat: number of the draw.

    Returns:
        A mask, bool ``[N]``.
    """
    labelled = np.flatnonzero(labels >= 0)
    if budget.count is None:
        return labels >= 0
    classes, counts = np.unique(labels[labelled], return_counts=True)
    chosen = np.zeros(len(labels), dtype=bool)
    generator = np.random.default_rng([seed, repeat])
    shares = np.full(len(counts), budget.count) if budget.per_class else _shares(counts, budget.count)
    for label, share in zip(classes, shares, strict=True):
        members = generator.permutation(labelled[labels[labelled] == label])
        chosen[members[:share]] = True
    return chosen


def balanced_weights(labels: np.ndarray) -> np.ndarray:
    """Return a weight for each object by which all classes count alike, float32 ``[N]``; 1 on average, 0 unlabelled.

    Example:
        >>> balanced_weights(np.array([0, 0, 0, 1])).tolist()
        [0.6666666865348816, 0.6666666865348816, 0.6666666865348816, 2.0]
    """
    known = labels >= 0
    classes, counts = np.unique(labels[known], return_counts=True)
    each = known.sum() / (len(classes) * counts)
    return np.where(known, each[np.minimum(np.searchsorted(classes, labels), len(classes) - 1)], 0.0).astype(np.float32)


def _shares(counts: np.ndarray, budget: int) -> np.ndarray:
    """How many of each class: one each, then whoever is furthest behind its share, one by one.

    Adding one at a time keeps smaller budgets part of larger ones.
    """
    shares = np.ones(len(counts), dtype=int)
    for _ in range(budget - len(counts)):
        behind = np.where(shares < counts, counts / (shares + 1), -1.0)
        shares[np.argmax(behind)] += 1
    return shares
