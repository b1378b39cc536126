"""Principal components of any number of embeddings, block by block."""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

Blocks = Callable[[], Iterable[tuple[int, np.ndarray]]]


@dataclasses.dataclass(frozen=True)
class Components:
    """The directions in which vectors spread most, the widest first.

    Attributes:
        mean: of the vectors.
        directions: orthonormal rows; of each the number furthest from 0 is positive, so that signs are no chance.
        variances: along each.
        total: variance along all directions together.
        rows: N, vectors that they were found from.

    Shapes:
        mean [D], directions [K, D], variances [K], all float64
    """

    mean: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    total: float
    rows: int

    @property
    def shares(self) -> np.ndarray:
        """Share of the variance along each direction, ``[K]``."""
        return self.variances / self.total if self.total > 0 else np.zeros(len(self.variances))

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Return the coordinates along the directions, ``[M, D] → [M, K]``."""
        return (vectors.astype(np.float64) - self.mean) @ self.directions.T


def components(blocks: Blocks, width: int, count: int) -> Components:
    """Find principal components in two passes, of which none holds more than a block and a matrix ``[D, D]``.

    Args:
        blocks: gives the vectors anew each time it is called (`EmbeddingsFile.blocks`).
        width: D.
        count: K, at most so many.

    Shapes:
        blocks [M, D] -> K directions, less where D or N is less

    Source: Pearson 1901, Phil. Mag. 2, 559; the eigenvectors of the covariance matrix.

    Example:
        >>> points = np.array([[0.0, 0], [2, 2], [4, 4]])
        >>> components(lambda: [(0, points)], 2, 1).directions.round(3)
        array([[0.707, 0.707]])
    """
    rows, total = 0, np.zeros(width)
    for _, block in blocks():
        rows += len(block)
        total += block.sum(axis=0, dtype=np.float64)
    mean = total / max(rows, 1)
    scatter = np.zeros((width, width))
    for _, block in blocks():
        centred = block.astype(np.float64) - mean
        scatter += centred.T @ centred
    covariance = scatter / max(rows - 1, 1)
    variances, vectors = np.linalg.eigh(covariance)
    kept = np.argsort(variances)[::-1][: min(count, rows)]
    directions = vectors[:, kept].T
    signs = np.sign(directions[np.arange(len(kept)), np.abs(directions).argmax(axis=1)])
    whole = float(np.trace(covariance))
    return Components(mean, directions * signs[:, None], np.maximum(variances[kept], 0.0), whole, rows)
