"""How well groups agree with labels that they were made without."""

from typing import Any

import numpy as np

from astrokeras.embedding.clustering import NONE


def agreement(number: np.ndarray, labels: np.ndarray) -> dict[str, Any] | None:
    """Compare groups with labels, over the labelled objects; None without any.

    Args:
        number: the group of each object; those in no group count as a group of their own, and as wrong in the
            accuracy.
        labels: the class of each, None where there is none.

    Shapes:
        number [N] int64, labels [N] text or None

    Returns:
        ``labelled`` (how many), ``nmi`` (normalised mutual information: 0 for independent, 1 for equal), ``ari``
        (adjusted Rand index: 0 by chance, 1 for equal), ``accuracy`` where each class is given the one group that makes
        the whole best, ``classes`` and ``table``, the number of objects of each group (first row: of none) in each
        class.

    Source: Hubert and Arabie 1985 (ARI); Kuhn 1955 (the matching).

    Example:
        >>> agreement(np.array([1, 1, 2, 2]), np.array(["a", "a", "b", None], object))["accuracy"]
        1.0
    """
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score  # noqa: PLC0415

    known = np.array([label is not None for label in labels], dtype=bool)
    if not known.any():
        return None
    classes, index = np.unique(labels[known].astype(str), return_inverse=True)
    groups = number[known]
    table = np.zeros((int(number.max()) + 1, len(classes)), np.int64)
    np.add.at(table, (groups, index), 1)
    rows, columns = linear_sum_assignment(-table[NONE + 1 :])
    return {
        "labelled": int(known.sum()),
        "nmi": float(normalized_mutual_info_score(index, groups)),
        "ari": float(adjusted_rand_score(index, groups)),
        "accuracy": float(table[NONE + 1 :][rows, columns].sum() / known.sum()),
        "classes": classes.tolist(),
        "table": table.tolist(),
    }
