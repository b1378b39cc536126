"""A logistic regression as the weights of a softmax layer."""

import contextlib
import warnings
from contextlib import AbstractContextManager

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

_ABSENT = -30.0  # bias of a class without a training example: its probability is nothing
_SMALLEST_SHARE = 1e-3  # of an example: less costs a row and changes nothing
# Numbers of features below which threads wait for one another more than they work.
_SMALL = 2_000_000
# Stronger penalties win the cross-validation of a few dozen labels by predicting the most frequent class alone.
_BLOCK = 1 << 16  # of rows that are predicted at once
_INVERSE_PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 10.0)


def logistic_regression(
    features: np.ndarray, labels: np.ndarray, n_classes: int, seed: int, *, balanced: bool = False,
    shares: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Logistic regression on standardised features, its penalty chosen by cross-validation within these examples.

    Args:
        features: ``[N, D]``.
        labels: ``[N]``, in 0 … `n_classes` - 1, at least two different ones.
        n_classes: C.
        seed: of the folds.
        balanced: whether all classes count alike, however many examples they have.
        shares: of the classes in each example, ``[N, C]``, to be fitted instead of `labels`, by which the penalty is
            chosen all the same.

    Returns:
        Kernel ``[D, C]`` and bias ``[C]`` of the softmax layer that is the same on the raw features.
    """
    with _threads(features):
        return _fitted(features, labels, n_classes, seed, shares, balanced=balanced)


def linear_probe(
    vectors: np.ndarray, numbers: np.ndarray, n_classes: int, seed: int, *, balanced: bool = False
) -> np.ndarray:
    """Return the probabilities of all objects by a logistic regression on those that have a class.

    Args:
        vectors: ``[N, D]``.
        numbers: classes ``[N]``, -1 without one.
        n_classes: C.
        seed: of the cross-validation.
        balanced: see `logistic_regression`.

    Shapes:
        ``[N, C]``
    """
    known = numbers >= 0
    with threadpool_limits(1):  # on so few rows threads wait for one another more than they work
        kernel, bias = logistic_regression(vectors[known], numbers[known], n_classes, seed, balanced=balanced)
    parts = [_softmax(vectors[start : start + _BLOCK] @ kernel + bias) for start in range(0, len(vectors), _BLOCK)]
    return np.concatenate(parts)


def _threads(features: np.ndarray) -> AbstractContextManager:
    return threadpool_limits(1) if features.size < _SMALL else contextlib.nullcontext()


def _fitted(
    features: np.ndarray, labels: np.ndarray, n_classes: int, seed: int, shares: np.ndarray | None, *, balanced: bool
) -> tuple[np.ndarray, np.ndarray]:
    scaler = StandardScaler().fit(features)
    # The solution lies in the space that the examples span, so that it can be sought there: the same at less cost.
    _, sizes, axes = np.linalg.svd(scaler.transform(features), full_matrices=False)
    axes = axes[: max(1, np.count_nonzero(sizes > 1e-6 * sizes[0]))]
    reduced = scaler.transform(features) @ axes.T
    present, counts = np.unique(labels, return_counts=True)
    model = LogisticRegression(C=0.1, max_iter=300, tol=1e-3, class_weight="balanced" if balanced else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if counts.min() >= 2:
            folds = StratifiedKFold(int(min(5, counts.min())), shuffle=True, random_state=seed)
            search = GridSearchCV(model, {"C": _INVERSE_PENALTIES}, scoring="neg_log_loss", cv=folds)
            model = search.fit(reduced, labels).best_estimator_
        else:
            model.fit(reduced, labels)
        if shares is not None:
            model, present = _fit_shares(reduced, shares, model.C, balanced=balanced)
    weights, offsets = model.coef_ @ axes, model.intercept_
    if len(present) == 2:  # one row for the second class against the first
        weights, offsets = np.concatenate([-weights, weights]) / 2, np.concatenate([-offsets, offsets]) / 2
    kernel = np.zeros((features.shape[1], n_classes), np.float32)
    bias = np.full(n_classes, _ABSENT, np.float32)
    kernel[:, present] = (weights / scaler.scale_).T
    bias[present] = offsets - weights @ (scaler.mean_ / scaler.scale_)
    return kernel, bias


def _fit_shares(
    features: np.ndarray, shares: np.ndarray, inverse_penalty: float, *, balanced: bool
) -> tuple[LogisticRegression, np.ndarray]:
    """Return a regression in which each example stands once for each of its classes, and the classes that there are."""
    rows, classes = np.nonzero(shares > _SMALLEST_SHARE)
    weights = shares[rows, classes].astype(np.float64)
    if balanced:
        amounts = np.bincount(classes, weights)
        weights *= weights.sum() / (np.count_nonzero(amounts) * amounts[classes])
    model = LogisticRegression(C=inverse_penalty, max_iter=300, tol=1e-3)
    return model.fit(features[rows], classes, sample_weight=weights), np.unique(classes)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
