"""Transformations of stamps, one of its own for each; `augmentations.resampling.resample` applies them."""

from keras import KerasTensor, ops


def span(draw: KerasTensor, low: float, high: float) -> KerasTensor:
    """Uniform numbers from `low` to `high` from uniform ones in [0, 1)."""
    return low + (high - low) * draw


def turning(angle: KerasTensor) -> KerasTensor:
    """Return the matrices [N, 2, 2] on (y, x) that turn from the x axis towards the y axis; angle [N] in radians."""
    cosine, sine = ops.cos(angle), ops.sin(angle)
    return ops.stack([ops.stack([cosine, sine], -1), ops.stack([-sine, cosine], -1)], -2)


def within_circle(flux: KerasTensor) -> KerasTensor:
    """Return the stamps with NaN outside of the largest circle: what is left has no corners that betray a turn.

    Shapes:
        [N, S, S, B] -> [N, S, S, B]
    """
    size = flux.shape[1]
    axis = ops.arange(size, dtype="float32") - (size - 1) / 2
    inside = axis[:, None] ** 2 + axis[None, :] ** 2 <= (size / 2) ** 2
    return ops.where(inside[None, :, :, None], flux, float("nan"))
