"""Interpolate embeddings over a graph of nearest neighbours, so that few labels tell of many objects.

Source: Hu, Gripon and Pateux 2020, "Graph-based interpolation of feature vectors for accurate few-shot classification"
(arXiv:2001.09849): V' = (αI + E)^κ V, where E is the normalised graph of cosine similarities.
"""

import numpy as np
import scipy.sparse
from sklearn.neighbors import NearestNeighbors


def interpolate(vectors: np.ndarray, neighbours: int = 10, alpha: float = 0.5, steps: int = 3) -> np.ndarray:
    """Return each embedding as a mixture of its own and those around it.

    Args:
        vectors: of all objects, labelled or not.
        neighbours: how many an object is tied to; ties go both ways.
        alpha: α, the weight of an object's own embedding in each step.
        steps: κ, how many steps along the graph embeddings spread.

    Shapes:
        ``[N, D]`` → ``[N, D]`` float32

    Example:
        >>> near = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
        >>> interpolate(near, neighbours=1, steps=1).astype(float).round(2).tolist()
        [[1.5, 0.1], [1.5, 0.05], [0.1, 1.5], [0.05, 1.5]]
    """
    graph = neighbour_graph(vectors, neighbours)
    mixed = np.asarray(vectors, np.float32)
    for _ in range(steps):
        mixed = np.float32(alpha) * mixed + graph @ mixed
    return mixed


def neighbour_graph(vectors: np.ndarray, neighbours: int) -> scipy.sparse.csr_array:
    """Return E = S^(-1/2) W S^(-1/2): W has the cosine of each pair of neighbours, S the sums of its rows.

    Two objects are neighbours if one is among the nearest of the other; cosines below zero count as none.

    Shapes:
        ``[N, D]`` → sparse ``[N, N]`` float32
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
    count = min(neighbours, len(unit) - 1)
    distances, rows = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(unit).kneighbors()
    cosines = np.maximum(1 - distances.astype(np.float32) ** 2 / 2, 0)
    starts = np.arange(0, rows.size + 1, count)
    ties = scipy.sparse.csr_array((cosines.ravel(), rows.ravel(), starts), shape=(len(unit), len(unit)))
    ties = ties.maximum(ties.T)
    sums = ties.sum(axis=1)
    scale = scipy.sparse.diags_array(np.divide(1, np.sqrt(sums), out=np.zeros_like(sums), where=sums > 0))
    return (scale @ ties @ scale).astype(np.float32).tocsr()
