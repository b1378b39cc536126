"""Divide objects into train, validation and test so that nothing leaks between them."""

import hashlib

import numpy as np

from astrokeras.errors import UsageError

SPLIT_NAMES = ("train", "val", "test")


def parse_splits(text: str) -> dict[str, float]:
    """Read ``--splits train=0.8,val=0.1,test=0.1``; shares are scaled to add up to one."""
    try:
        shares = {k.strip(): float(v) for k, v in (item.split("=") for item in text.split(","))}
    except ValueError:
        raise UsageError(f"--splits {text}: expected NAME=SHARE,… as in train=0.8,val=0.1,test=0.1") from None
    unknown = set(shares) - set(SPLIT_NAMES)
    if unknown or not all(0 < share < float("inf") for share in shares.values()) or "train" not in shares:
        raise UsageError(f"--splits {text}: expected positive shares for train and, if wanted, val and test")
    total = sum(shares.values())
    return {name: shares[name] / total for name in SPLIT_NAMES if name in shares}


def _hash_order(names: np.ndarray, seed: int) -> np.ndarray:
    """Order of `names` by a hash: random to look at, the same whatever the order of the rows."""
    digests = [hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in names]
    return np.array(sorted(range(len(names)), key=lambda i: (digests[i], str(names[i]))), dtype=np.int64)


def split_objects(ids: np.ndarray, labels: np.ndarray, shares: dict[str, float], seed: int) -> np.ndarray:
    """Split objects one by one, stratified: each class (and the unlabelled) has the same shares, to one object.

    Args:
        ids: unique names, ``[N]``.
        labels: ``[N]``, -1 unlabelled.
        shares: from `parse_splits`.
        seed: changes the draw.

    Returns:
        Index into `shares` of each object, ``[N]``.
    """
    split = np.zeros(len(ids), dtype=np.int64)
    edges = np.cumsum(list(shares.values()))[:-1]
    order = _hash_order(ids, seed)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        split[members] = np.searchsorted(edges, (np.arange(len(members)) + 0.5) / len(members), side="right")
    return split


def split_groups(groups: np.ndarray, labels: np.ndarray, shares: dict[str, float], seed: int) -> dict[str, int]:
    """Split whole groups (fields, areas of sky), keeping the shares of each class as near as whole groups allow.

    Groups come in a random but fixed order, and each goes where it is missed most, each class counting the same
    (the greedy form of iterative stratification, Sechidis et al. 2011); the last ones go where there is none yet.

    Args:
        groups: name of each object's group, ``[N]``.
        labels: ``[N]``, -1 unlabelled.
        shares: from `parse_splits`.
        seed: changes the draw.

    Returns:
        Index into `shares` for each group's name.
    """
    names, member_of = np.unique(groups, return_inverse=True)
    if len(names) < len(shares):
        raise UsageError(
            f"--split-by: {len(names)} group(s) cannot fill {len(shares)} splits; split by something finer"
        )
    strata = np.unique(labels, return_inverse=True)[1]
    counts = np.zeros((len(names), strata.max() + 1))
    np.add.at(counts, (member_of, strata), 1)
    weights = counts / counts.sum(axis=0)
    missing = np.tile(np.array(list(shares.values()))[:, None], (1, counts.shape[1]))
    assigned = {}
    empty = set(range(len(shares)))
    for group in _hash_order(names, seed):
        wanted = missing @ weights[group]
        if len(names) - len(assigned) <= len(empty):
            wanted[[i for i in range(len(shares)) if i not in empty]] = -np.inf
        best = int(np.argmax(wanted))
        missing[best] -= weights[group]
        assigned[str(names[group])] = best
        empty.discard(best)
    return assigned
