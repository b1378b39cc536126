"""Embeddings as directions, where too little is known to scale them by anything but themselves."""

import numpy as np


def directions(vectors: np.ndarray) -> np.ndarray:
    """Return the embeddings about the mean of all, to unit length.

    Those of bright or odd objects are often much longer than others; so all count the same.

    Source: Wang et al. 2019, "SimpleShot" (arXiv:1911.04623).

    Shapes:
        ``[N, D]`` → ``[N, D]``

    Example:
        >>> directions(np.array([[1.0, 5.0], [1.0, 1.0], [1.0, 3.0]])).tolist()
        [[0.0, 1.0], [0.0, -1.0], [0.0, 0.0]]
    """
    centred = vectors - vectors.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(lengths > 0, lengths, 1)
