"""The linear layer under whose concentrations votes are most probable."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, logit
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

LEAST, SPAN = 1.0, 100.0
"""The concentrations are `LEAST` + `SPAN` × the sigmoid of what the layer gives."""
_PENALTIES = np.logspace(5, 1, 5)  # the first leaves next to nothing but the bias
_FOLDS = 3
_OPTIONS = {"maxiter": 100, "ftol": 1e-6}


def log_likelihoods(counts: np.ndarray, concentrations: np.ndarray) -> np.ndarray:
    """Return what `dirichlet.log_likelihood` does, in double precision, [N]."""
    alpha = np.broadcast_to(np.asarray(concentrations, np.float64), counts.shape)
    n, whole = counts.sum(axis=1), alpha.sum(axis=1)
    ways = gammaln(n + 1) - gammaln(counts + 1).sum(axis=1)
    return ways + gammaln(whole) - gammaln(n + whole) + (gammaln(counts + alpha) - gammaln(alpha)).sum(axis=1)


def dirichlet_regression(features: np.ndarray, counts: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit the layer by maximum likelihood, with a ridge penalty on the kernel of standardised features.

    The penalty is the one under which the votes of examples left out are most probable, by cross-validation; where the
    features say nothing, that is the largest, and the layer gives the same concentrations for all.

    Args:
        features: ``[N, D]``.
        counts: ``[N, A]`` of at least 0, of one question.
        seed: of the folds.

    Returns:
        Kernel ``[D, A]`` and bias ``[A]``, of raw features.
    """
    scaler = StandardScaler().fit(features)
    values = scaler.transform(features).astype(np.float64)
    axes = np.linalg.svd(values, full_matrices=False)[2].T  # the kernel of least norm lies among the examples
    values = values @ axes
    layer = _path(values, counts, _PENALTIES[: 1 + _chosen(values, counts, seed)])[-1]
    kernel = axes @ layer[:-1] / scaler.scale_[:, None]
    return kernel.astype(np.float32), (layer[-1] - scaler.mean_ @ kernel).astype(np.float32)


def _chosen(values: np.ndarray, counts: np.ndarray, seed: int) -> int:
    """Return the place of the penalty; without examples to leave out, of the first."""
    if len(values) <= 2 * _FOLDS:
        return 0
    told = np.zeros(len(_PENALTIES))
    for train, test in KFold(_FOLDS, shuffle=True, random_state=seed).split(values):
        for place, layer in enumerate(_path(values[train], counts[train], _PENALTIES)):
            told[place] += log_likelihoods(counts[test], _concentrations(values[test], layer)).sum()
    return int(told.argmax())


def _path(values: np.ndarray, counts: np.ndarray, penalties: np.ndarray) -> list[np.ndarray]:
    """Return the layer under each penalty, [D + 1, A] with the bias last; each begins with the one before."""
    answers = counts.shape[1]
    shares = (counts.sum(axis=0) + 1) / (counts.sum() + answers)
    bias = logit(np.clip((4 * answers * shares - LEAST) / SPAN, 0.01, 0.99))
    layers = [np.concatenate([np.zeros((values.shape[1], answers)), bias[None]])]
    for penalty in penalties:
        told = minimize(
            _objective, layers[-1].ravel(), (values, counts, penalty), "L-BFGS-B", jac=True, options=_OPTIONS
        )
        layers.append(told.x.reshape(layers[0].shape))
    return layers[1:]


def _objective(flat: np.ndarray, values: np.ndarray, counts: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
    """Return minus the log likelihood with the penalty, and its gradient."""
    layer = flat.reshape(-1, counts.shape[1])
    alpha = _concentrations(values, layer)
    whole = alpha.sum(axis=1, keepdims=True)
    slope = (
        digamma(counts + alpha) - digamma(alpha) + digamma(whole) - digamma(counts.sum(axis=1, keepdims=True) + whole)
    )
    slope *= (alpha - LEAST) * (1 - (alpha - LEAST) / SPAN)
    loss = 0.5 * penalty * np.square(layer[:-1]).sum() - log_likelihoods(counts, alpha).sum()
    gradient = np.concatenate([penalty * layer[:-1] - values.T @ slope, -slope.sum(axis=0)[None]])
    return float(loss), gradient.ravel()


def _concentrations(values: np.ndarray, layer: np.ndarray) -> np.ndarray:
    return LEAST + SPAN * expit(values @ layer[:-1] + layer[-1])
