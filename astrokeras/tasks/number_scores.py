"""How good predicted numbers are, and their uncertainties."""

import numpy as np
from scipy.stats import norm

OUTLIER = 0.15
"""Of a redshift: the |Δz| / (1 + z) beyond which it counts as wrong, as in Hildebrandt et al. 2010, A&A 523, A31."""

_FAR = 5.0  # of other numbers: so many robust standard deviations from the median residual
_NAMES = ("mae", "bias", "nmad", "outliers", "r2")
_LEVELS = np.arange(1, 20) / 20


def number_scores(
    truth: np.ndarray, predicted: np.ndarray, error: np.ndarray | None = None, redshift: bool = False
) -> dict[str, float]:
    """Return the scores of predicted numbers; all are NaN without labels.

    Args:
        truth: ``[N]``, all of them known.
        predicted: ``[N]``.
        error: predicted standard deviations ``[N]``, if there are any.
        redshift: whether residuals are Δz / (1 + z) in bias, nmad and outliers.

    Returns:
        ``mae``, the mean absolute error; ``bias``, the mean residual; ``nmad``, 1.4826 times the median distance of the
        residuals from their median; ``outliers``, the share of residuals larger than 0.15, or for other numbers more
        than 5 ``nmad`` from their median; ``r2``, the share of the variance that is explained. With errors
        ``coverage``, the share of the truths within one standard deviation (0.683 if it is right), and
        ``calibration``, the mean distance of the share of truths below a predicted quantile from what it should be,
        over 19 quantiles (0 is best).

    Example:
        >>> scores = number_scores(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0, 7.0]), redshift=True)
        >>> scores["mae"], scores["bias"], scores["outliers"]
        (1.0, 0.25, 0.25)
    """
    names = (*_NAMES, *(("coverage", "calibration") if error is not None else ()))
    if len(truth) == 0:
        return dict.fromkeys(names, float("nan"))
    truth, predicted = truth.astype(np.float64), predicted.astype(np.float64)
    plain = predicted - truth
    residual = plain / np.maximum(1.0 + truth, 1e-3) if redshift else plain
    away = np.abs(residual - np.median(residual))
    nmad = 1.4826 * np.median(away)
    spread = np.sum((truth - truth.mean()) ** 2)
    scores = {
        "mae": np.mean(np.abs(plain)),
        "bias": np.mean(residual),
        "nmad": nmad,
        "outliers": np.mean(np.abs(residual) > OUTLIER) if redshift else np.mean(away > _FAR * nmad),
        "r2": 1.0 - np.sum(plain**2) / spread if spread > 0 else np.nan,
    }
    if error is not None:
        ranks = norm.cdf(-plain / np.maximum(error.astype(np.float64), 1e-12))
        below = (ranks[:, None] <= _LEVELS).mean(axis=0)
        scores["coverage"] = np.mean(np.abs(plain) <= error)
        scores["calibration"] = np.mean(np.abs(below - _LEVELS))
    return {name: float(value) for name, value in scores.items()}
