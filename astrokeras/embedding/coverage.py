"""Choose objects that cover the space of embeddings: no object shall be far from all that have a label.

Source: Sener and Savarese 2018, "Active learning for convolutional neural networks: a core-set approach"
(arXiv:1708.00489), algorithm 1 (greedy k-centre).
"""

import numpy as np

_BLOCK = 1 << 14  # objects whose distances to the labelled ones are held at a time
_LABELLED = 1 << 10


class Coverage:
    """Distances to the nearest object that is labelled or chosen.

    Args:
        vectors: of all objects, ``[N, D]``.
        covered: numbers of those that have a label.

    Example:
        >>> coverage = Coverage(np.array([[0.0], [1.0], [10.0], [11.0]]), [0])
        >>> coverage.farthest(np.array([True] * 4))
        (3, 11.0)
        >>> coverage.add(3)
        >>> coverage.distances.tolist()
        [0.0, 1.0, 1.0, 0.0]
    """

    def __init__(self, vectors: np.ndarray, covered: np.ndarray) -> None:
        # About their mean the lengths are those of what differs, which single precision then resolves.
        self._vectors = np.asarray(vectors - vectors.mean(axis=0), np.float32)
        self._lengths = np.einsum("nd,nd->n", self._vectors, self._vectors)
        self._squares = np.full(len(vectors), np.inf, np.float32)
        covered = np.asarray(covered, dtype=int)
        for start in range(0, len(covered), _LABELLED):
            self._bring_near(covered[start : start + _LABELLED])

    @property
    def distances(self) -> np.ndarray:
        """Euclidean distance of each object to the nearest covered one, ``[N]``; infinite where there is none."""
        return np.sqrt(self._squares)

    def add(self, number: int) -> None:
        """Let an object be covered."""
        self._bring_near(np.array([number]))

    def farthest(self, candidates: np.ndarray) -> tuple[int, float]:
        """Return the candidate that is farthest from all covered ones, and its distance.

        Where nothing is covered yet, that is the one nearest to the mean of all, at an infinite distance.

        Shapes:
            candidates ``[N]`` bool
        """
        if np.isinf(self._squares).all():
            number = int(np.where(candidates, self._lengths, np.inf).argmin())
        else:
            number = int(np.where(candidates, self._squares, -1.0).argmax())
        return number, float(np.sqrt(self._squares[number]))

    def _bring_near(self, covered: np.ndarray) -> None:
        centres, lengths = self._vectors[covered], self._lengths[covered]
        for start in range(0, len(self._vectors), _BLOCK):
            part = slice(start, start + _BLOCK)
            squares = self._lengths[part, None] + lengths - 2 * self._vectors[part] @ centres.T
            np.minimum(self._squares[part], np.maximum(squares.min(axis=1), 0), out=self._squares[part])
        self._squares[covered] = 0
