"""A Gaussian around the embeddings of normal objects: how far from it an object lies."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from scipy import stats

from astrokeras.embedding.pca import Blocks
from astrokeras.errors import AstrokerasError


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of embeddings, the latter by its directions and the variances along them.

    Attributes:
        mean: of the vectors.
        directions: orthonormal, by growing variance.
        variances: along each, shrunk; all positive.
        shrinkage: 0 for the covariance of the vectors as it is, 1 for the same variance in all directions.
        rows: N, vectors that it was fitted to.

    Shapes:
        mean [D], directions [K, D], variances [K], all float64

    Source: Rippel, Mertens and Merhof 2020, arXiv 2005.14140; Ledoit and Wolf 2004, J. Multivariate Anal. 88, 365.
    """

    mean: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    shrinkage: float
    rows: int

    @classmethod
    def fit(cls, blocks: Blocks, width: int) -> "Gaussian":
        """Fit a Gaussian, in two passes that hold a block and a matrix ``[D, D]``.

        The covariance is drawn towards a multiple of the identity, as far as Ledoit and Wolf's estimate says is best
        for so many vectors, so that it can be inverted even where N is below D.

        Args:
            blocks: gives the vectors anew each time it is called.
            width: D.

        Raises:
            AstrokerasError: there are fewer than 2 vectors, or all are equal.

        Example:
            >>> points = np.random.default_rng(0).normal(size=(100, 2)) * [1, 10]
            >>> Gaussian.fit(lambda: [(0, points)], 2).variances.round()
            array([ 2., 88.])
        """
        rows, total = 0, np.zeros(width)
        for _, block in blocks():
            rows += len(block)
            total += block.sum(axis=0, dtype=np.float64)
        if rows < 2:
            raise AstrokerasError(f"{rows} normal objects, expected 2 or more: no covariance can be had from fewer")
        mean = total / rows
        scatter, fourth = np.zeros((width, width)), 0.0
        for _, block in blocks():
            centred = block.astype(np.float64) - mean
            scatter += centred.T @ centred
            fourth += float(((centred**2).sum(axis=1) ** 2).sum())
        covariance = scatter / rows
        variance = float(np.trace(covariance)) / width
        if variance <= 0:
            raise AstrokerasError("the embeddings of all normal objects are equal; nothing can be odd among them")
        squares = float((covariance**2).sum())
        apart = squares - width * variance**2  # squared distance to the multiple of the identity
        noise = (fourth / rows - squares) / rows  # squared error of the covariance, by its own scatter
        shrinkage = min(1.0, max(0.0, noise / apart)) if apart > 0 else 1.0
        eigenvalues, vectors = np.linalg.eigh(covariance)
        shrunk = (1 - shrinkage) * np.maximum(eigenvalues, 0.0) + shrinkage * variance
        # Directions in which nothing at all varies would be infinitely telling.
        return cls(mean, vectors.T, np.maximum(shrunk, 1e-12 * shrunk.max()), shrinkage, rows)

    def low_variance(self, share: float) -> "Gaussian":
        """Keep the directions of least variance that hold this share of it together; one at least.

        What is normal varies little along them, so that what varies there is odd (Rippel et al. 2020, "NPCA").
        """
        held = np.cumsum(self.variances) / self.variances.sum()
        count = max(1, int(np.searchsorted(held, share * (1 + 1e-12), side="right")))
        return dataclasses.replace(self, directions=self.directions[:count], variances=self.variances[:count])

    def distances(self, vectors: np.ndarray) -> np.ndarray:
        """Return the Mahalanobis distances of vectors, ``[M, D] → [M]`` float64."""
        along = (vectors.astype(np.float64) - self.mean) @ self.directions.T
        return np.sqrt((along**2 / self.variances).sum(axis=1))

    def threshold(self, false_alarms: float) -> float:
        """Return the distance beyond which this share of a Gaussian lies, by the chi distribution."""
        return float(stats.chi.isf(false_alarms, len(self.variances)))

    def chances(self, distances: np.ndarray) -> np.ndarray:
        """Return the share of objects of such a Gaussian that lie further out, ``[M]``."""
        return stats.chi.sf(distances, len(self.variances))


def among(blocks: Blocks, chosen: np.ndarray | None) -> Blocks:
    """Return the blocks of some rows alone.

    Shapes:
        chosen [N] bool; None for all
    """
    if chosen is None:
        return blocks

    def some() -> Iterable[tuple[int, np.ndarray]]:
        for start, block in blocks():
            yield start, block[chosen[start : start + len(block)]]

    return some
