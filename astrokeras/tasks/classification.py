"""How good a classifier is, by scikit-learn's definitions."""

import math
import warnings

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "auroc")


def classification_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return the scores of a classifier.

    Args:
        labels: int ``[N]``, all of them known.
        probabilities: ``[N, C]``.

    Returns:
        ``accuracy``; ``balanced_accuracy``, the mean recall of the classes that occur in `labels`; ``macro_f1``, the
        mean F1 of the same classes; ``auroc``, the mean over the same classes of the area under the curve of one class
        against the rest, NaN where only one class occurs.
        All are NaN without labels.
    """
    if len(labels) == 0:
        return dict.fromkeys(SCORES, math.nan)
    predicted = probabilities.argmax(axis=1)
    present = np.unique(labels)
    with warnings.catch_warnings():
        # A class that is predicted but does not occur has no recall; it is left out, as said above.
        warnings.filterwarnings("ignore", "y_pred contains classes not in y_true", UserWarning)
        balanced = balanced_accuracy_score(labels, predicted)
    areas = [roc_auc_score(labels == c, probabilities[:, c]) for c in present] if len(present) > 1 else [math.nan]
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "balanced_accuracy": float(balanced),
        "macro_f1": float(f1_score(labels, predicted, labels=present, average="macro", zero_division=0)),
        "auroc": float(np.mean(areas)),
    }
