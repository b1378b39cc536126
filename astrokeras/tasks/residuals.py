"""How predicted magnitudes differ from those of the catalogue: mean error, bias, scatter, all and by magnitude."""

from collections.abc import Sequence

import numpy as np

from astrokeras.survey.stamps import MAD_TO_SIGMA
from astrokeras.tasks.base import Curves, Scores

# Of fewer objects in a bin of one magnitude nothing is said.
_FEWEST = 5


def bias(residuals: np.ndarray) -> float:
    """Return the mean of prediction minus truth."""
    return float(np.mean(residuals)) if len(residuals) else float("nan")


def nmad(residuals: np.ndarray) -> float:
    """1.4826 times the median of the absolute deviations from the median: σ of a normal distribution.

    Source: Hoaglin, Mosteller & Tukey 1983, Understanding robust and exploratory data analysis; after Brammer, van
    Dokkum & Coppi 2008, ApJ 686, 1503, customary for photometric redshifts.
    """
    if not len(residuals):
        return float("nan")
    return float(MAD_TO_SIGMA * np.median(np.abs(residuals - np.median(residuals))))


_MEASURES = {"mae": lambda r: float(np.mean(np.abs(r))) if len(r) else float("nan"), "bias": bias, "nmad": nmad}


def residual_scores(truth: np.ndarray, prediction: np.ndarray, bands: Sequence[str], usable: np.ndarray) -> Scores:
    """``mae``, ``bias`` and ``nmad`` of the known magnitudes: over all bands and, as in ``mae_BAND``, of each.

    Shapes:
        truth [N, B] with NaN where missing, prediction [N, B], usable [B]

    Units:
        mag; NaN for a band of which nothing is known
    """
    residuals = np.where(usable, prediction - truth, np.nan)
    known = {f"_{band}": residuals[:, i] for i, band in enumerate(bands) if usable[i]}
    scores = {}
    for name, measure in _MEASURES.items():
        for suffix, values in {"": residuals.ravel(), **known}.items():
            scores[name + suffix] = measure(values[np.isfinite(values)])
    return scores


def by_magnitude(truth: np.ndarray, prediction: np.ndarray, bands: Sequence[str], usable: np.ndarray) -> Curves:
    """``mae_BAND``, ``bias_BAND`` and ``nmad_BAND`` over the magnitude: bin m is from m to below m + 1.

    Bins are of the catalogue's magnitude, and hold five objects at least.

    Shapes:
        as for `residual_scores`
    """
    curves: Curves = {}
    for i in np.flatnonzero(usable):
        known = np.isfinite(truth[:, i]) & np.isfinite(prediction[:, i])
        bins, residuals = np.floor(truth[known, i]).astype(int), (prediction - truth)[known, i]
        for edge in np.unique(bins):
            inside = residuals[bins == edge]
            if len(inside) >= _FEWEST:
                for name, measure in _MEASURES.items():
                    curves.setdefault(f"{name}_{bands[i]}", {})[int(edge)] = measure(inside)
    return curves
