"""Nearest neighbours by FAISS: the same as by `neighbours`, sooner where many are asked for."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from astrokeras.embedding.neighbours import closest, distances, prepare
from astrokeras.errors import AstrokerasError

_SPARE = 16  # further candidates of each block, as FAISS computes in float32


def nearest_by_faiss(
    queries: np.ndarray, blocks: Iterable[tuple[int, np.ndarray]], count: int, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are nearest to each query, and how far they are.

    FAISS goes through every block whole and names candidates, whose distances are then worked out in float64. So the
    outcome is that of `neighbours.nearest`, but for objects whose distances differ by less than float32 can tell.

    Args:
        queries: Q of them.
        blocks: the vectors, each block with the number of its first row (`EmbeddingsFile.blocks`).
        count: K, most neighbours of a query.
        metric: ``cosine`` or ``euclidean``.

    Shapes:
        queries [Q, D], blocks [M, D] -> rows [Q, K] int64 and distances [Q, K] float64, K less where there are fewer

    Raises:
        AstrokerasError: FAISS is not installed.

    Source: Douze et al. 2024, "The Faiss library", arXiv 2401.08281.
    """
    faiss = import_faiss()
    kind = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
    asked = prepare(queries, metric)
    middle = np.zeros(asked.shape[1]) if metric == "cosine" else asked.mean(axis=0)
    best = [(np.empty(0, np.int64), np.empty(0)) for _ in queries]
    for start, block in blocks:
        vectors = prepare(block, metric)
        # About the middle and of moderate size, where float32 tells most apart and nothing overflows.
        one, other = asked - middle, vectors - middle
        size = max(np.abs(one).max(initial=0), np.abs(other).max(initial=0)) or 1.0
        one, other = (one / size).astype(np.float32), (other / size).astype(np.float32)
        _, candidates = faiss.knn(one, other, min(count + _SPARE, len(other)), metric=kind)
        for query, rows in enumerate(np.sort(candidates, axis=1)):
            far = distances(asked[query : query + 1], vectors[rows], metric)[0]
            best[query] = closest(best[query], (start + rows, far), count)
    return np.stack([rows for rows, _ in best]), np.stack([far for _, far in best])


def import_faiss() -> Any:
    """Return FAISS.

    Raises:
        AstrokerasError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the types that its wrapper makes
            import faiss  # noqa: PLC0415
    except ImportError as error:
        raise AstrokerasError(f"--engine faiss cannot be used ({error}); pip install 'astrokeras[faiss]'") from None
    return faiss
