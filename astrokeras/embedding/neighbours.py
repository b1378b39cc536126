"""Nearest neighbours among any number of embeddings, exact, block by block."""

from collections.abc import Iterable

import numpy as np

METRICS = ("cosine", "euclidean")


def nearest(
    queries: np.ndarray,
    blocks: Iterable[tuple[int, np.ndarray]],
    count: int,
    metric: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are nearest to each query, and how far they are; of equal distances the first row.

    The cosine distance is 1 minus the cosine of the angle; an embedding of zeros has distance 1 from all. Everything
    is worked out in float64, a block at a time, so that memory depends neither on the number of rows nor on chance.

    Args:
        queries: Q of them.
        blocks: the vectors, each block with the number of its first row (`EmbeddingsFile.blocks`).
        count: K, most neighbours of a query.
        metric: ``cosine`` or ``euclidean``.

    Shapes:
        queries [Q, D], blocks [M, D] -> rows [Q, K] int64 and distances [Q, K] float64, K less where there are fewer

    Example:
        >>> rows, _ = nearest(np.ones((1, 2)), [(0, np.array([[0.0, 1], [1, 1], [1, -1]]))], 2, "cosine")
        >>> rows
        array([[1, 0]])
    """
    prepared = prepare(queries, metric)
    best = [(np.empty(0, np.int64), np.empty(0)) for _ in queries]
    for start, block in blocks:
        rows = start + np.arange(len(block))
        for query, far in enumerate(distances(prepared, prepare(block, metric), metric)):
            best[query] = closest(best[query], (rows, far), count)
    return np.stack([rows for rows, _ in best]), np.stack([far for _, far in best])


def prepare(vectors: np.ndarray, metric: str) -> np.ndarray:
    """Return vectors in float64; of length 1, where angles are compared."""
    vectors = vectors.astype(np.float64)
    if metric == "euclidean":
        return vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def distances(queries: np.ndarray, block: np.ndarray, metric: str) -> np.ndarray:
    """Return how far each query is from each vector of a block, both from `prepare`.

    Shapes:
        queries [Q, D], block [M, D] -> [Q, M]
    """
    products = queries @ block.T
    if metric == "cosine":
        return np.maximum(1.0 - products, 0.0)
    squares = (queries**2).sum(axis=1)[:, None] + (block**2).sum(axis=1)[None] - 2.0 * products
    return np.sqrt(np.maximum(squares, 0.0))


def closest(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `count` nearest of both, in order."""
    rows, far = other
    if len(one[0]) == count:  # most blocks have nothing nearer
        nearer = far < one[1][-1]
        rows, far = rows[nearer], far[nearer]
    rows, far = np.concatenate([one[0], rows]), np.concatenate([one[1], far])
    if len(far) > count:
        inside = far <= np.partition(far, count - 1)[count - 1]
        rows, far = rows[inside], far[inside]
    order = np.lexsort((rows, far))[:count]
    return rows[order], far[order]
