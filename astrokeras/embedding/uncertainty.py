"""How unsure a classifier is of an object, from its probabilities."""

from collections.abc import Callable, Mapping

import numpy as np

Measure = Callable[[np.ndarray], np.ndarray]


def margin(probabilities: np.ndarray) -> np.ndarray:
    """Return the difference between the two greatest probabilities; small is unsure.

    Source: Scheffer, Decomain and Wrobel 2001, "Active hidden Markov models for information extraction".

    Shapes:
        ``[N, C]`` → ``[N]``

    Example:
        >>> margin(np.array([[0.5, 0.25, 0.25]])).tolist()
        [0.25]
    """
    greatest = np.partition(probabilities, -2, axis=1)
    return greatest[:, -1] - greatest[:, -2]


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return Shannon's entropy in nats; large is unsure.

    Shapes:
        ``[N, C]`` → ``[N]``

    Example:
        >>> entropy(np.array([[0.5, 0.5, 0.0]])).round(3).tolist()
        [0.693]
    """
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return -(probabilities * logarithms).sum(axis=1)


# The greatest comes first.
UNSURE: Mapping[str, Measure] = {"margin": lambda probabilities: -margin(probabilities), "entropy": entropy}
