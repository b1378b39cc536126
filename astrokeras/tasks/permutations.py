"""Permutations that differ much from each other, for `jigsaw`."""

import itertools

import numpy as np


def distant_permutations(length: int, count: int) -> np.ndarray:
    """Permutations chosen one after the other, the identity first, each the furthest from those before.

    Source: Noroozi & Favaro 2016, ECCV (arXiv 1603.09246), algorithm 1: greedily by the mean Hamming distance. Of
    equals the one whose smallest distance is largest, then the first in lexicographic order: nothing is drawn.

    Shapes:
        [count, length] int64

    Raises:
        ValueError: there are fewer permutations.
    """
    # [length, N]: sums over the first axis are fast.
    every = np.array(list(itertools.permutations(range(length))), np.uint8).T.copy()
    available = every.shape[1]
    if not 1 <= count <= available:
        raise ValueError(f"there are {available} permutations of {length} things; {count} were asked for")
    chosen = [0]
    total = np.zeros(available, np.int32)
    least = np.full(available, length, np.uint8)
    while len(chosen) < count:
        distance = (every != every[:, chosen[-1], None]).sum(axis=0, dtype=np.uint8)
        total += distance
        np.minimum(least, distance, out=least)
        # Those that are chosen lie at distance 0 from themselves.
        chosen.append(int(np.argmax(np.where(least > 0, total * (length + 1) + least, -1))))
    return every[:, chosen].T.astype(np.int64)
