"""The likelihood of counts of votes, and gamma functions that Keras lacks."""

import math

from keras import KerasTensor, ops

_SHIFT = 6
_STIRLING = (1 / 12, -1 / 360, 1 / 1260)


def log_gamma(x: KerasTensor) -> KerasTensor:
    """Return the logarithm of the gamma function of numbers above 0, to the precision of float32.

    Source: Stirling's series (Abramowitz & Stegun 1964, 6.1.41) at x + 6, and the recurrence 6.1.15 back to x.
    """
    product = x
    for step in range(1, _SHIFT):
        product = product * (x + step)
    far = x + float(_SHIFT)
    square = far * far
    series = (_STIRLING[0] + (_STIRLING[1] + _STIRLING[2] / square) / square) / far
    return (far - 0.5) * ops.log(far) - far + 0.5 * math.log(2 * math.pi) + series - ops.log(product)


def log_rising(x: KerasTensor, steps: KerasTensor) -> KerasTensor:
    """Return log Γ(x + steps) - log Γ(x), of numbers above 0."""
    return log_gamma(x + steps) - log_gamma(x)


def log_likelihood(counts: KerasTensor, concentrations: KerasTensor) -> KerasTensor:
    """Return the logarithm of the Dirichlet-multinomial probability of counts; 0 where nobody voted.

    Source: Walmsley et al. 2022, "Galaxy Zoo DECaLS", MNRAS 509, 3966, the likelihood of one question:
    Γ(n + 1) Γ(a) / Γ(n + a) times the product of Γ(k + α) / (Γ(k + 1) Γ(α)), of n votes and concentrations of sum a.

    Shapes:
        counts [N, A] of at least 0, concentrations [N, A] above 0 -> [N]
    """
    total = ops.sum(counts, axis=-1)
    ways = log_gamma(total + 1.0) - ops.sum(log_gamma(counts + 1.0), axis=-1)
    together = log_rising(ops.sum(concentrations, axis=-1), total)
    likelihood = ways + ops.sum(log_rising(concentrations, counts), axis=-1) - together
    return likelihood * ops.cast(total > 0, "float32")
