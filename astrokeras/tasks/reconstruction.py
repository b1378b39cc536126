"""What the tasks that predict pixels have in common: their masked error and score."""

from typing import Any

import keras
from keras import KerasTensor, ops

from astrokeras.tasks.decoder import coarse

Target = dict[str, KerasTensor]


def known_pixels(pixels: KerasTensor, asked: KerasTensor) -> Target:
    """Return the coarse pixels that are asked for and known in full.

    Shapes:
        pixels [N, S, S, C] with NaN where missing, asked [N, S, S, C] booleans ->
        ``pixels`` and ``weight`` (1 or 0) [N, side, side, C], see `decoder.decoded_side`
    """
    good = asked & ops.isfinite(pixels)
    weight = ops.cast(coarse(ops.cast(good, "float32")) > 0.999, "float32")
    return {"pixels": coarse(ops.where(ops.isfinite(pixels), pixels, 0.0)) * weight, "weight": weight}


def mean_error(target: Target, error: KerasTensor) -> KerasTensor:
    """Return the mean of an error over the pixels of each example that count; 0 where there are none; [N]."""
    axes = (1, 2, 3)
    return ops.sum(error * target["weight"], axis=axes) / ops.maximum(ops.sum(target["weight"], axis=axes), 1.0)


def gradients(pixels: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Return the change a pixel along y and along x, by Sobel's operators, an eighth of whose sums it is.

    Inner pixels alone.

    Shapes:
        [N, S, S, C] -> two [N, S - 2, S - 2, C]
    """

    def along(values: KerasTensor, weights: tuple[float, float, float]) -> KerasTensor:
        return weights[0] * values[:, :-2] + weights[1] * values[:, 1:-1] + weights[2] * values[:, 2:]

    def across(values: KerasTensor, weights: tuple[float, float, float]) -> KerasTensor:
        return ops.transpose(along(ops.transpose(values, (0, 2, 1, 3)), weights), (0, 2, 1, 3))

    smooth, difference = (0.25, 0.5, 0.25), (-0.5, 0.0, 0.5)
    return across(along(pixels, difference), smooth), along(across(pixels, difference), smooth)


def gradient_error(target: Target, prediction: KerasTensor) -> KerasTensor:
    """Return the mean absolute error of `gradients`, summed over both directions, where all of the 3x3 pixels count.

    [N].
    """
    weight = -ops.max_pool(-target["weight"], 3, strides=1, padding="valid")
    rows, columns = gradients(target["pixels"] - prediction)
    return mean_error({"weight": weight}, ops.abs(rows) + ops.abs(columns))


class Explained(keras.metrics.Metric):
    """Share of the variance of the pixels asked for that the prediction explains, over all and for each channel.

    1 less the squared errors over those from the channel's mean: 1 is perfect, 0 as good as always the mean.
    """

    def __init__(self, channels: tuple[str, ...]) -> None:
        super().__init__(name="explained")
        self.channels = channels
        self.sums = {
            name: self.add_variable(shape=(len(channels),), initializer="zeros", name=name)
            for name in ("count", "pixels", "squares", "errors")
        }

    def update_state(self, target: Target, prediction: KerasTensor, sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0 don't count."""
        weight = target["weight"]
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1, 1, 1))
        pixels = target["pixels"]
        parts = {"count": 1.0, "pixels": pixels, "squares": pixels**2, "errors": (pixels - prediction) ** 2}
        for name, values in parts.items():
            self.sums[name].assign_add(ops.sum(values * weight, axis=(0, 1, 2)))

    def result(self) -> dict[str, KerasTensor]:
        """``explained`` over all channels and ``explained_CHANNEL`` for each."""
        count, pixels, squares, errors = (self.sums[name].value for name in ("count", "pixels", "squares", "errors"))
        scatter = squares - pixels**2 / ops.maximum(count, 1.0)
        named = {f"explained_{channel}": 1.0 - errors[i] / scatter[i] for i, channel in enumerate(self.channels)}
        return {"explained": 1.0 - ops.sum(errors) / ops.sum(scatter), **named}


def score_names(channels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that `Explained` gives."""
    return ("explained", *(f"explained_{channel}" for channel in channels))
