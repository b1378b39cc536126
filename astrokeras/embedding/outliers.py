"""How odd objects are, by each of the methods."""

import dataclasses
from collections.abc import Callable

import numpy as np

from astrokeras.config import AnomaliesConfig
from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.gaussian import Gaussian, among
from astrokeras.embedding.pca import components
from astrokeras.errors import AstrokerasError

KEPT = 50  # principal components that the methods beside the Gaussian see
_FEW = 10  # normal objects for each number of an embedding, below which a covariance is rough


@dataclasses.dataclass(frozen=True)
class Oddness:
    """How odd each object is.

    Attributes:
        scores: the larger, the odder.
        threshold: above which an object counts as anomalous.
        chances: share of normal objects that are odder, were they Gaussian; None of other methods.

    Shapes:
        scores [N], chances [N], float64
    """

    scores: np.ndarray
    threshold: float
    chances: np.ndarray | None = None


def oddness(
    file: EmbeddingsFile, config: AnomaliesConfig, normal: np.ndarray | None, report: Callable[[str], None]
) -> Oddness:
    """Return how odd the objects are.

    Args:
        file: the embeddings.
        config: its method, its threshold and the seed count here.
        normal: which objects are normal, bool ``[N]``; None for all.
        report: told what to think of the threshold.

    Raises:
        AstrokerasError: there are too few normal objects, or the file is damaged.

    Source: see `Gaussian`; Liu, Ting and Zhou 2008 (isolation forest); Breunig et al. 2000 (local outlier factor).
    """
    if config.method == "gaussian":
        return _gaussian(file, config, normal, report)
    vectors = reduced(file, normal)
    count = len(vectors) if normal is None else int(normal.sum())
    if count <= config.neighbours:
        raise AstrokerasError(f"{count} normal objects, expected more than --neighbours {config.neighbours}")
    scores = (_forest if config.method == "forest" else _local)(vectors, normal, config)
    return Oddness(scores, _exceeded(scores, normal, config.false_alarms))


def _exceeded(scores: np.ndarray, normal: np.ndarray | None, share: float) -> float:
    """Return the score that this share of the normal objects exceeds."""
    return float(np.quantile(scores if normal is None else scores[normal], 1 - share))


def reduced(file: EmbeddingsFile, normal: np.ndarray | None = None) -> np.ndarray:
    """Return the objects along the first 50 principal components of the normal ones, ``[N, at most 50]`` float32."""
    found = components(among(file.blocks, normal), file.width, KEPT)
    return np.concatenate([found.project(block).astype(np.float32) for _, block in file.blocks()])


def _gaussian(
    file: EmbeddingsFile, config: AnomaliesConfig, normal: np.ndarray | None, report: Callable[[str], None]
) -> Oddness:
    fitted = Gaussian.fit(among(file.blocks, normal), file.width)
    if config.low_variance is not None:
        fitted = fitted.low_variance(config.low_variance)
        report(f"{len(fitted.variances)} of {file.width} directions hold {config.low_variance:g} of the variance")
    if fitted.rows < _FEW * file.width and config.threshold == "chi":
        report(
            f"{fitted.rows:,} normal objects give a rough covariance of {file.width} numbers (shrinkage "
            f"{fitted.shrinkage:.2f}): trust the order of the objects more than the threshold"
        )
    scores = np.concatenate([fitted.distances(block) for _, block in file.blocks()])
    if config.threshold == "chi":
        return Oddness(scores, fitted.threshold(config.false_alarms), fitted.chances(scores))
    return Oddness(scores, _exceeded(scores, normal, config.false_alarms), fitted.chances(scores))


def _forest(vectors: np.ndarray, normal: np.ndarray | None, config: AnomaliesConfig) -> np.ndarray:
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - slow to import

    forest = IsolationForest(n_estimators=200, random_state=config.seed)
    return -forest.fit(vectors if normal is None else vectors[normal]).score_samples(vectors)


def _local(vectors: np.ndarray, normal: np.ndarray | None, config: AnomaliesConfig) -> np.ndarray:
    from sklearn.neighbors import LocalOutlierFactor  # noqa: PLC0415

    if normal is None:
        factor = LocalOutlierFactor(config.neighbours)
        factor.fit(vectors)
        return -factor.negative_outlier_factor_
    factor = LocalOutlierFactor(config.neighbours, novelty=True).fit(vectors[normal])
    scores = np.empty(len(vectors))
    # A normal object is among its own neighbours if it is looked up; the fit left it out.
    scores[normal] = -factor.negative_outlier_factor_
    if (~normal).any():
        scores[~normal] = -factor.score_samples(vectors[~normal])
    return scores
