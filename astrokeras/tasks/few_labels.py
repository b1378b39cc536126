"""Classes of all objects from a handful of labels, by their embeddings alone."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from astrokeras.tasks.directions import directions
from astrokeras.tasks.interpolation import interpolate
from astrokeras.tasks.logistic import linear_probe

METHODS = {
    "interpolated": "logistic regression on directions interpolated among neighbours",
    "directions": "logistic regression on directions",
    "linear": "logistic regression on the embeddings",
    "mean": "nearest class mean of directions",
}
_INVERSE_PENALTY = 10.0  # of regressions on directions; too few labels are there to choose it by


def spread(vectors: np.ndarray, neighbours: int = 10, alpha: float = 0.5, steps: int = 3) -> np.ndarray:
    """Return the directions of embeddings, interpolated among those of their neighbours, as directions again.

    Args:
        vectors: embeddings of all objects, labelled or not.
        neighbours: see `interpolate`, as for the others.
        alpha: see `interpolate`.
        steps: see `interpolate`.

    Shapes:
        ``[N, D]`` → ``[N, D]``

    Example:
        >>> near = np.array([[2.0, 0.0], [2.0, 0.2], [0.0, 1.0], [0.0, 0.9]])
        >>> spread(near, neighbours=1).astype(float).round(1).tolist()
        [[0.9, -0.4], [0.9, -0.4], [-0.9, 0.4], [-0.9, 0.4]]
    """
    return directions(interpolate(directions(vectors), neighbours, alpha, steps))


def classify(
    vectors: np.ndarray, mixed: np.ndarray, numbers: np.ndarray, n_classes: int, seed: int = 0, *,
    balanced: bool = False,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return the probabilities of all objects by each of `METHODS`.

    ``directions`` is there to tell what interpolation brings beyond the scaling that it needs.

    Args:
        vectors: embeddings ``[N, D]``.
        mixed: what `spread` makes of them.
        numbers: classes ``[N]``, -1 without a label.
        n_classes: C.
        seed: of the regressions' cross-validation.
        balanced: whether all classes count alike in the regressions, however many labels they have.

    Shapes:
        ``[N, C]`` each

    Raises:
        ValueError: the labels are all of one class.

    Example:
        >>> near = np.array([[1.0, 0.0], [1.0, 0.1], [0.9, 0.0], [0.0, 1.0], [0.1, 1.0], [0.0, 0.9]])
        >>> found = classify(near, spread(near, neighbours=2), np.array([0, -1, -1, 1, -1, -1]), 2)
        >>> found["interpolated"].argmax(axis=1).tolist()
        [0, 0, 0, 1, 1, 1]
    """
    return {
        "interpolated": _regression(mixed, numbers, n_classes, balanced=balanced),
        "directions": _regression(directions(vectors), numbers, n_classes, balanced=balanced),
        "linear": linear_probe(vectors, numbers, n_classes, seed, balanced=balanced),
        "mean": nearest_mean(vectors, numbers, n_classes),
    }


def _regression(vectors: np.ndarray, numbers: np.ndarray, n_classes: int, *, balanced: bool) -> np.ndarray:
    known, weights = numbers >= 0, "balanced" if balanced else None
    with threadpool_limits(1):  # on so few rows threads wait for one another more than they work
        model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000, class_weight=weights)
        model.fit(vectors[known], numbers[known])
    chances = np.zeros((len(vectors), n_classes))
    chances[:, model.classes_] = model.predict_proba(vectors)
    return chances


def nearest_mean(vectors: np.ndarray, numbers: np.ndarray, n_classes: int) -> np.ndarray:
    """Return for each object weights that add up to 1, the greatest for the class with the nearest mean.

    Of embeddings their `directions` are taken; a class weighs exp(-d²), d the distance to its mean.

    Source: Wang et al. 2019, "SimpleShot" (arXiv:1911.04623); Snell et al. 2017 (arXiv:1703.05175), equation 2.

    Shapes:
        vectors ``[N, D]``, numbers ``[N]`` → ``[N, C]``
    """
    unit = directions(vectors)
    weights = np.zeros((len(unit), n_classes))
    for number in np.unique(numbers[numbers >= 0]):
        mean = unit[numbers == number].mean(axis=0)
        weights[:, number] = np.exp(-((unit - mean) ** 2).sum(axis=1))
    return weights / weights.sum(axis=1, keepdims=True)
