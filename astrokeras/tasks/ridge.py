"""Ridge regression as the weights of a linear layer."""

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

_PENALTIES = np.logspace(-1, 5, 13)


def ridge_regression(
    features: np.ndarray, values: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ridge regression on standardised features, its penalties chosen by leaving out one example at a time.

    Args:
        features: ``[N, D]``.
        values: ``[N, C]``, all of them known; without any, the layer gives 0, with one row, that row.
        weights: of the examples, ``[N]``; equal if None.

    Returns:
        Kernel ``[D, C]`` and bias ``[C]`` of the linear layer that is the same on the raw features, and the root of the
        mean square error of the values that were left out (1 if there were none), ``[C]``.
    """
    width = values.shape[1]
    if len(values) < 2:
        bias = values.sum(axis=0).astype(np.float32)
        return np.zeros((features.shape[1], width), np.float32), bias, np.ones(width)
    scaler = StandardScaler().fit(features)
    model = RidgeCV(alphas=_PENALTIES, alpha_per_target=True)
    model.fit(scaler.transform(features), values, sample_weight=weights)
    kernel = model.coef_.reshape(width, -1).T / scaler.scale_[:, None]
    bias = model.intercept_ - scaler.mean_ @ kernel
    left = np.sqrt(np.maximum(-np.reshape(model.best_score_, -1), 0.0))
    return kernel.astype(np.float32), bias.astype(np.float32), np.broadcast_to(left, width)
