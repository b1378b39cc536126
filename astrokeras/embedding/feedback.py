"""Rank odd objects anew by what somebody has found interesting among them."""

import numpy as np

_TOP = 5.0  # scores go from 0 to 5, as in the paper
_LEAST, _SPAN = 0.1, 0.85  # of the weight where labels are near


def rank_anew(vectors: np.ndarray, scores: np.ndarray, interest: np.ndarray, seed: int) -> np.ndarray:
    """Return scores in which what is like boring objects counts for less.

    A random forest learns from the labelled objects how interesting each one is. Near a labelled object that decides:
    the score is multiplied by 0.1 for boring ones, by 0.95 for interesting ones. Far from all of them nobody knows, and
    the score stays as it is.

    Args:
        vectors: the objects, in few dimensions.
        scores: how odd they are; the larger, the odder.
        interest: 1 for interesting, 0 for boring, NaN where nobody has said; there is one at least that is not.
        seed: of the forest.

    Shapes:
        vectors [N, K], scores [N], interest [N] -> [N] float64, from 0 to 5

    Source: Lochner and Bassett 2021, Astronomy and Computing 36, 100481 (Astronomaly), equations 1 to 3, with the
    distance scale set to the mean distance to a labelled object.

    Example:
        >>> vectors = np.array([[0.0], [0.1], [9.0], [9.1]])
        >>> rank_anew(vectors, np.array([1.0, 3, 2, 3]), np.array([0, np.nan, 1, np.nan]), 0).argmax()
        np.int64(3)
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415 - slow to import

    known = ~np.isnan(interest)
    span = float(np.ptp(scores))
    scaled = _TOP * (scores - scores.min()) / span if span > 0 else np.full(len(scores), _TOP)
    forest = RandomForestRegressor(100, random_state=seed).fit(vectors[known], _TOP * interest[known])
    weight = _LEAST + _SPAN * forest.predict(vectors) / _TOP
    far, _ = cKDTree(vectors[known]).query(vectors)
    mean = float(far.mean())
    unknown = np.expm1(np.minimum(far / mean, 50.0)) if mean > 0 else np.zeros(len(far))
    return scaled * np.tanh(unknown + np.arctanh(weight))
