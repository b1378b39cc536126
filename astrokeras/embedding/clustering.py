"""Divide objects into groups."""

import dataclasses
from collections.abc import Callable

import numpy as np

from astrokeras.config import ClusterConfig
from astrokeras.errors import UsageError

_MANY = 50_000  # objects above which k-means goes by batches
_SILHOUETTE = 5000  # objects that a silhouette is worked out from
_STARTS = 5
NONE = 0  # the number of what is in no group


@dataclasses.dataclass(frozen=True)
class Clustering:
    """Which group each object is in.

    Attributes:
        number: from 1, the largest group first; `NONE` for objects in no group.
        centres: means of the groups.
        distance: of each object to the mean of its group; NaN in no group.
        silhouettes: by the number of groups that was tried; empty where it was given.

    Shapes:
        number [N] int64, centres [K, D], distance [N] float64
    """

    number: np.ndarray
    centres: np.ndarray
    distance: np.ndarray
    silhouettes: dict[int, float]

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.centres)


def divide(vectors: np.ndarray, config: ClusterConfig, report: Callable[[str], None]) -> Clustering:
    """Return the groups of objects.

    Args:
        vectors: the objects, along principal components.
        config: its method, its numbers and the seed count here.
        report: told what takes long, and what a number was chosen by.

    Shapes:
        vectors [N, D] float32

    Raises:
        UsageError: there are too few objects.

    Source: Lloyd 1982 (k-means), Campello, Moulavi and Sander 2013 (HDBSCAN), Rousseeuw 1987 (silhouette), by which
    Castellano and Vessio 2020 choose the number of groups.
    """
    if config.method == "hdbscan":
        return _described(vectors, _hdbscan(vectors, config, report), {})
    least = config.groups or 2
    if len(vectors) <= least:
        raise UsageError(f"{len(vectors)} objects cannot be divided into {least} groups")
    if config.groups is not None:
        return _described(vectors, _into(vectors, config.groups, config), {})
    rng = np.random.default_rng(config.seed)
    sample = np.sort(rng.permutation(len(vectors))[:_SILHOUETTE])
    tried = {k: _into(vectors, k, config) for k in range(2, min(config.most_groups, len(vectors) - 1) + 1)}
    silhouettes = {k: _silhouette(vectors[sample], number[sample]) for k, number in tried.items()}
    best = max(silhouettes, key=lambda k: silhouettes[k])
    report(f"{best} groups have the best silhouette ({silhouettes[best]:.3f}) of 2 to {max(tried)}")
    return _described(vectors, tried[best], silhouettes)


def _into(vectors: np.ndarray, count: int, config: ClusterConfig) -> np.ndarray:
    from sklearn.cluster import KMeans, MiniBatchKMeans  # noqa: PLC0415 - slow to import
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415

    if config.method == "gmm":
        floor = 1e-3 * float(vectors.var(axis=0).mean()) + 1e-12
        mixture = GaussianMixture(count, reg_covar=floor, random_state=config.seed, max_iter=300)
        return mixture.fit_predict(vectors.astype(np.float64))
    kind = KMeans if len(vectors) <= _MANY else MiniBatchKMeans
    return kind(count, n_init=_STARTS, random_state=config.seed).fit_predict(vectors)


def _hdbscan(vectors: np.ndarray, config: ClusterConfig, report: Callable[[str], None]) -> np.ndarray:
    from sklearn.cluster import HDBSCAN  # noqa: PLC0415

    if len(vectors) < config.smallest:
        raise UsageError(f"{len(vectors)} objects, expected {config.smallest} or more: --smallest says so")
    if len(vectors) > _MANY:
        report(f"hdbscan of {len(vectors):,} objects takes long; kmeans is quick")
    return HDBSCAN(min_cluster_size=config.smallest, copy=True).fit_predict(vectors)


def _silhouette(vectors: np.ndarray, number: np.ndarray) -> float:
    from sklearn.metrics import silhouette_score  # noqa: PLC0415

    groups = len(np.unique(number))
    return float(silhouette_score(vectors, number)) if 1 < groups < len(vectors) else -1.0


def _described(vectors: np.ndarray, found: np.ndarray, silhouettes: dict[int, float]) -> Clustering:
    """Describe the groups, numbered by their size, the largest first."""
    names, counts = np.unique(found[found >= 0], return_counts=True)
    number = np.full(len(found), NONE, np.int64)
    for place, name in enumerate(names[np.argsort(-counts, kind="stable")], start=1):
        number[found == name] = place
    centres = (
        np.stack([vectors[number == k].mean(axis=0) for k in range(1, len(names) + 1)]) if len(names) else vectors[:0]
    )
    distance = np.full(len(found), np.nan)
    inside = number != NONE
    distance[inside] = np.linalg.norm(vectors[inside] - centres[number[inside] - 1], axis=1)
    return Clustering(number, centres, distance, silhouettes)
