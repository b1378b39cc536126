"""Align the embeddings with points drawn from a mixture of Gaussians, one for each stamp.

Source: Shiran & Weinshall 2020, "Multi-modal deep clustering: unsupervised partitioning of images", ICPR (arXiv
1912.02678). The components lie on the axes of a space with as many dimensions as components, points and embeddings at
length 1. Every training stamp has a point; within random groups the points are exchanged to where the sum of squared
distances from the embeddings of the unaltered stamps is least (Hungarian method), as in Bojanowski & Joulin 2017 (ICML,
arXiv 1704.05310); then an augmented view is drawn to the point by the mean squared error. A network that gives the same
for all stamps stays far from most points, because they are spread out and each is used once.

Here the points are exchanged at the beginning of each epoch, not before each batch, and k-means does not refine them in
the end. They train rotations besides: give ``--task rotation`` too.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops
from scipy.optimize import linear_sum_assignment

from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import Number, Parameter, Whole
from astrokeras.tasks.base import TASKS, Fields, Scores, Task
from astrokeras.tasks.pairs import TwoViews

_FIELD = "cluster_point"
# Stamps among which points are exchanged at a time: with 512 it takes five to thirty times as long.
_GROUP = 256
_SEEDS = {"train": 1, "val": 2}


def draw_points(count: int, clusters: int, sigma: float, seed: int) -> np.ndarray:
    """Points of a mixture of equally likely Gaussians around the axes, brought to length 1.

    Shapes:
        [count, clusters] float32
    """
    rng = np.random.default_rng(seed)
    points = np.eye(clusters)[rng.integers(clusters, size=count)] + rng.normal(0.0, sigma, (count, clusters))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def exchange(points: np.ndarray, predictions: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Which point each stamp gets: within each group the points are given anew, nearest in all.

    Args:
        points: that the stamps have, [N, K].
        predictions: where the stamps lie, [N, K].
        groups: rows, each row in one group.

    Returns:
        A permutation [N] of the rows of `points`.
    """
    order = np.arange(len(points))
    for rows in groups:
        # At length 1 the squared distance is 2 less twice the product.
        own, others = linear_sum_assignment(-predictions[rows].astype(np.float64) @ points[rows].T)
        order[rows[own]] = rows[others]
    return order


def _groups(order: np.ndarray) -> list[np.ndarray]:
    return np.array_split(order, -(-len(order) // _GROUP))


class Assignment(keras.layers.Layer):
    """Which point each training stamp has: a permutation [N], so that a checkpoint holds it."""

    def __init__(self, count: int) -> None:
        super().__init__(name="assignment")
        self.numbers = self.add_weight(
            shape=(count,), dtype="int32", trainable=False, name="numbers", initializer="zeros"
        )
        self.numbers.assign(np.arange(count))
        self.built = True


class ClusterScores(keras.metrics.Metric):
    """``agreement``: share of the stamps nearest to the component that their point is nearest to; ``balance``.

    Balance is how many components the stamps are spread over, the exponential of the entropy, as a share of all: 1 if
    each has as many, 1 / K if all stamps are in one (a collapse).
    """

    def __init__(self, clusters: int) -> None:
        super().__init__(name="clusters")
        self.clusters = clusters
        self.right = keras.metrics.Mean(name="right")
        self.counts = self.add_variable(shape=(clusters,), initializer="zeros", name="counts")

    def update_state(self, target: KerasTensor, prediction: KerasTensor, sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0 don't count."""
        answer = ops.argmax(prediction, axis=-1)
        hits = ops.cast(ops.equal(answer, ops.argmax(target, axis=-1)), "float32")
        self.right.update_state(hits, sample_weight=sample_weight)
        found = ops.one_hot(answer, self.clusters, dtype="float32")
        if sample_weight is not None:
            found = found * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
        self.counts.assign_add(ops.sum(found, axis=0))

    def result(self) -> dict[str, KerasTensor]:
        """Both by name."""
        share = self.counts / ops.maximum(ops.sum(self.counts), 1.0)
        entropy = -ops.sum(share * ops.log(ops.where(share > 0, share, 1.0)))
        return {"agreement": self.right.result(), "balance": ops.exp(entropy) / self.clusters}


@TASKS.register("clusters")
class Clusters(Task):
    """Regression of the point that each stamp is given.

    Args:
        view: makes the augmented view.
        points: of the training split, in the order in which they were drawn, [N, K].
        sigma: deviation of a component along each axis.
    """

    derived_fields = (_FIELD,)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Whole("clusters", 2, 1000, default=10),
        Number("sigma", 0.0, 1.0, default=0.0),
    )

    def __init__(self, view: TwoViews, points: np.ndarray, sigma: float) -> None:
        self.view = view
        self.points = points
        self.sigma = sigma
        self.n_draws = view.n_draws // 2
        self.clusters = points.shape[1]
        self.legend = (
            "agreement: share of the stamps in the cluster of their point; balance: evenness of the clusters, "
            f"1 at best, {1 / self.clusters:.3f} where all stamps are in one (collapsed)"
        )
        self._assignment: Assignment | None = None

    @classmethod
    def make_fields(cls, source: Source, report: Callable[[str], None], clusters: int = 10, sigma: float = 0.0) -> None:
        """Draws the points."""
        counts = {split: source.records.counts.get(split, 0) for split in _SEEDS}
        points = {s: draw_points(count, clusters, sigma, _SEEDS[s]) for s, count in counts.items() if count}
        source.add(_FIELD, points)

    @classmethod
    def fit(
        cls,
        records: RecordsDirectory,
        columns: Mapping[str, np.ndarray],
        size: int,
        clusters: int = 10,
        sigma: float = 0.0,
    ) -> Self:
        """Remembers the points of the training split; the views need the sky."""
        return cls(TwoViews(records), columns[_FIELD], sigma)

    def layers(self) -> list[keras.Layer]:
        """Return the assignment of the training split."""
        if self._assignment is None:
            self._assignment = Assignment(len(self.points))
        return [self._assignment]

    def before_epoch(self, split: str, epoch: int, source: Source, predictions: Callable[[], np.ndarray]) -> None:
        """Exchanges the points of the training stamps; gives the validation stamps theirs from anew."""
        if split == "train":
            numbers = ops.convert_to_numpy(self._assignment.numbers)
            groups = _groups(np.random.default_rng([_SEEDS[split], epoch]).permutation(len(numbers)))
            numbers = numbers[exchange(self.points[numbers], predictions(), groups)]
            self._assignment.numbers.assign(numbers)
            source.add(_FIELD, {split: self.points[numbers]})
        else:
            found = predictions()
            points = draw_points(len(found), self.clusters, self.sigma, _SEEDS[split])
            source.add(_FIELD, {split: points[exchange(points, found, _groups(np.arange(len(found))))]})

    def resume_epoch(self, source: Source) -> None:
        """Give the training stamps the points that they have in the assignment."""
        source.add(_FIELD, {"train": self.points[ops.convert_to_numpy(self._assignment.numbers)]})

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], KerasTensor]:
        """Return an augmented view, and the point [N, K]."""
        return [self.view.view(flux, draws)], ops.cast(fields[_FIELD], "float32")

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """One linear layer, brought to length 1 [N, K]."""
        x = keras.layers.Dense(self.clusters, dtype="float32", name="projection")(embeddings[0])
        return keras.layers.UnitNormalization(dtype="float32", name="clusters")(x)

    def loss(self, target: KerasTensor, prediction: KerasTensor) -> KerasTensor:
        """Return the mean squared error over the K axes."""
        return ops.mean((target - prediction) ** 2, axis=-1)

    @property
    def score_names(self) -> tuple[str, ...]:
        """``agreement`` and ``balance``."""
        return ("agreement", "balance")

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `ClusterScores`."""
        return [ClusterScores(self.clusters)]

    def baselines(self, source: Source, split: str) -> dict[str, Scores]:
        """Return what a collapsed network reaches, all stamps being in the cluster that most points belong to."""
        points = source.columns(split, [_FIELD])[_FIELD]
        most = np.bincount(points.argmax(axis=1)).max() / len(points)
        return {"baseline_collapsed": {"agreement": float(most), "balance": 1 / self.clusters}}
