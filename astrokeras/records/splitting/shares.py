"""Divide objects into train, validation and test so that nothing leaks between them."""

import hashlib

import numpy as np

from astrokeras.errors import UsageError

SPLIT_NAMES = ("train", "val", "test")
MARGIN = "margin"
"""The split of objects that are neither trained nor tested on: what overlaps with objects of two splits."""
_SYNONYMS = {"valid": "val", "validation": "val", "training": "train", "testing": "test"}


# Shares that add up to one but for less than this are rounded ones.
_ROUNDING = 2e-3


def parse_splits(text: str) -> dict[str, float]:
    """Read ``--splits train=0.8,val=0.1,test=0.1``; shares are scaled to add up to one."""
    shares = _given(text)
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def describe_scaling(text: str) -> str | None:
    """One line if the shares of ``--splits`` don't add up to one."""
    total = sum(_given(text).values())
    if abs(total - 1) < _ROUNDING:
        return None
    taken = ", ".join(f"{name} {share:.3g}" for name, share in parse_splits(text).items())
    return f"--splits adds up to {total:.4g}: taken as {taken}"


def _given(text: str) -> dict[str, float]:
    try:
        shares = {k.strip(): float(v) for k, v in (item.split("=") for item in text.split(","))}
    except ValueError:
        raise UsageError(f"--splits {text}: expected NAME=SHARE,… as in train=0.8,val=0.1,test=0.1") from None
    unknown = set(shares) - set(SPLIT_NAMES)
    if unknown or not all(0 < share < float("inf") for share in shares.values()) or "train" not in shares:
        raise UsageError(f"--splits {text}: expected positive shares for train and, if wanted, val and test")
    return {name: shares[name] for name in SPLIT_NAMES if name in shares}


def read_splits(values: np.ndarray, option: str) -> tuple[dict[str, float], np.ndarray]:
    """Return the splits that a column names.

    Args:
        values: text, ``[N]``, "" where nothing is said.
        option: by which the column was asked for, for messages.

    Returns:
        The share of each split that occurs, in the usual order, and the index into them of each object, -1 where
        nothing is said.

    Raises:
        UsageError: a value is not the name of a split, or no object is in train.
    """
    given, place = np.unique(values, return_inverse=True)
    words = [name.strip().lower() for name in given.tolist()]
    names = [_SYNONYMS.get(word, word) for word in words]
    if odd := [value for value, name in zip(given.tolist(), names, strict=True) if name not in ("", *SPLIT_NAMES)]:
        more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
        raise UsageError(
            f"{option}: expected train, val (or valid, validation) and test, found "
            f"{', '.join(map(repr, odd[:5]))}{more}"
        )
    present = [name for name in SPLIT_NAMES if name in names]
    if "train" not in present:
        raise UsageError(f"{option}: no object is in train")
    index = np.array([present.index(name) if name else -1 for name in names], dtype=np.int64)[place]
    counts = np.bincount(index[index >= 0], minlength=len(present))
    return dict(zip(present, (counts / counts.sum()).tolist(), strict=True)), index


def hashes(names: np.ndarray, seed: int | str) -> np.ndarray:
    """Return a number of 64 bits for each name.

    Random to look at, but the same wherever and whenever the name comes up.
    """
    prefix = f"{seed}:".encode()
    digests = b"".join(hashlib.sha256(prefix + name.encode()).digest()[:8] for name in names.tolist())
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def split_objects(ids: np.ndarray, shares: dict[str, float], seed: int) -> np.ndarray:
    """Split objects one by one, each by its id alone.

    A hash of id and seed is a number in [0, 1); the split is the one in whose part of that range the number falls. So
    the split of an object depends on no other object and not on its label: rows may come and go. Of n objects (of each
    class, too) a split of share p has n p on average, with a standard deviation of sqrt(n p (1 - p)).

    Args:
        ids: unique names, text ``[N]``.
        shares: from `parse_splits`.
        seed: changes the draw.

    Returns:
        Index into `shares` of each object, ``[N]``.
    """
    edges = np.cumsum(list(shares.values()))[:-1]
    return np.searchsorted(edges, hashes(ids, seed) / 2.0**64, side="right")


def split_groups(
    names: np.ndarray, counts: np.ndarray, shares: dict[str, float], seed: int, known: np.ndarray | None = None
) -> np.ndarray:
    """Split whole groups (fields, areas of sky), keeping the shares of each class as near as whole groups allow.

    Groups that have a split already keep it. The others come in a random but fixed order, and each goes where it is
    missed most, each class counting the same (the greedy form of iterative stratification, Sechidis et al. 2011); the
    last ones go where there is none yet.

    Args:
        names: of the groups, all different, text ``[G]``.
        counts: objects of each group in each class, ``[G, C]``.
        shares: from `parse_splits`.
        seed: changes the draw.
        known: index into `shares` of the groups that have a split already, -1 for the others, ``[G]``.

    Returns:
        Index into `shares` of each group, ``[G]``.
    """
    split = np.full(len(names), -1) if known is None else known.copy()
    totals = counts.sum(axis=0)
    weights = counts / np.where(totals > 0, totals, 1)
    missing = np.tile(np.array(list(shares.values()))[:, None], (1, counts.shape[1]))
    for index in range(len(shares)):
        missing[index] -= weights[split == index].sum(axis=0)
    empty = set(range(len(shares))) - set(split.tolist())
    new = np.flatnonzero(split < 0)
    order = new[np.lexsort((names[new], hashes(names[new], seed)))]
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        wanted = missing @ weights[group]
        if left <= len(empty):
            wanted[[i for i in range(len(shares)) if i not in empty]] = -np.inf
        best = int(np.argmax(wanted))
        missing[best] -= weights[group]
        split[group] = best
        empty.discard(best)
    return split
