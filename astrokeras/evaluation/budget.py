"""Draw the few labelled examples that an arm may use."""

import numpy as np

from astrokeras.errors import AstrokerasError, UsageError


def parse_budget(text: str) -> int | None:
    """Read ``--budget``: a number of labelled objects, or ``all`` (None)."""
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise UsageError(f"--budget {text}: expected a number of labelled objects, or all")
    return int(text)


def check_budget(budget: int | None, labels: np.ndarray) -> None:
    """Refuse a budget that cannot be drawn from `labels` (``[N]``, -1 unlabelled)."""
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    if len(classes) == 0:
        raise AstrokerasError("the train split has no labels; convert with --label COLUMN")
    if len(classes) == 1:
        raise AstrokerasError("the train split has labels of one class only; a classifier needs at least two")
    if budget is not None and budget > counts.sum():
        raise AstrokerasError(
            f"--budget {budget} is more than the {counts.sum()} labelled objects of the train split; "
            "ask for fewer, or for all"
        )
    if budget is not None and budget < len(classes):
        raise AstrokerasError(f"--budget {budget} is less than one object for each of the {len(classes)} classes")


def draw(labels: np.ndarray, budget: int | None, seed: int, repeat: int) -> np.ndarray:
    """Choose `budget` labelled objects, each class in its share of the labelled ones but at least one of each.

    Draws are nested: with the same seed and repeat a smaller budget is part of a larger one.

    Args:
        labels: ``[N]``, -1 unlabelled.
        budget: how many; None for all.
        seed: of the run.
        repeat: number of the draw.

    Returns:
        A mask, bool ``[N]``.
    """
    labelled = np.flatnonzero(labels >= 0)
    if budget is None:
        return labels >= 0
    classes, counts = np.unique(labels[labelled], return_counts=True)
    chosen = np.zeros(len(labels), dtype=bool)
    generator = np.random.default_rng([seed, repeat])
    for label, share in zip(classes, _shares(counts, budget), strict=True):
        members = generator.permutation(labelled[labels[labelled] == label])
        chosen[members[:share]] = True
    return chosen


def _shares(counts: np.ndarray, budget: int) -> np.ndarray:
    """How many of each class: one each, then whoever is furthest behind its share, one by one.

    Adding one at a time keeps smaller budgets part of larger ones.
    """
    shares = np.ones(len(counts), dtype=int)
    for _ in range(budget - len(counts)):
        behind = np.where(shares < counts, counts / (shares + 1), -1.0)
        shares[np.argmax(behind)] += 1
    return shares
