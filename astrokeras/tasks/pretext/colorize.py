"""Predict the colours of a stamp from what is left without them.

Source: Vincenzi et al. 2020, "The color out of space: learning self-supervised representations for Earth observation
imagery", ICPR (arXiv 2006.12119): mean absolute error of the a and b channels of CIE Lab, from a decoder behind the
encoder. They predict the colours from the spectral bands other than red, green and blue. So here: every second band,
stretched, from the others. Of a stamp of display levels in three channels, a and b are predicted from its lightness.

The option ``sobel`` is for their term that compares gradients, of which the exact form was not found; this one is ours:
the mean absolute error of the gradients by Sobel's operators, along both axes, times the option's value.
"""

from collections.abc import Mapping
from typing import ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import UsageError
from astrokeras.models.stretch import Stretch, stretch_for
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import Number, Parameter
from astrokeras.tasks.base import TASKS, Fields, Task
from astrokeras.tasks.decoder import decoded_picture
from astrokeras.tasks.lab import gray, lab
from astrokeras.tasks.reconstruction import (
    Explained,
    Target,
    gradient_error,
    known_pixels,
    mean_error,
    score_names,
)

# About the range of a and b, to bring them to the order of 1.
_CHROMA = 100.0


@TASKS.register("colorize")
class Colorize(Task):
    """Prediction of held-out bands, or of the chroma of display levels.

    Args:
        stretch: in which fluxes are compared.
        bands: names.
        size: side of the stamps in pixels.
        display: whether the stamps are display levels in three channels, the first of which is red.
        sobel: weight of the error of the gradients.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (Number("sobel", 0.0, 100.0, default=0.0),)

    # Noise in the seen bands alone would do no harm, but an augmentation changes all.
    broken_by = frozenset({"completeness"})
    legend = "explained: share of the variance of the colours that is predicted; 0 is their mean"

    def __init__(self, stretch: Stretch, bands: tuple[str, ...], size: int, display: bool, sobel: float = 0.0) -> None:
        self.stretch, self.bands, self.size, self.display, self.sobel = stretch, bands, size, display, sobel
        self.held_out = np.arange(len(bands)) % 2 == 1
        self.channels = ("a", "b") if display else tuple(np.array(bands)[self.held_out].tolist())

    @classmethod
    def fit(cls, records: RecordsDirectory, columns: Mapping[str, np.ndarray], size: int, sobel: float = 0.0) -> Self:
        """Return the stretch of the survey makes the bands comparable.

        Raises:
            UsageError: there is one band only.
        """
        if len(records.bands) == 1:
            raise UsageError(f"task 'colorize' needs two bands or more; {records.path} has {records.bands[0]} alone")
        display = records.unit == "display" and len(records.bands) == 3
        return cls(stretch_for(records, "auto"), records.bands, size, display, sobel)

    @property
    def notes(self) -> list[str]:
        """What is predicted from what."""
        if self.display:
            return ["colorize: the chroma of the stamps is predicted from their lightness"]
        seen = np.array(self.bands)[~self.held_out].tolist()
        return [f"colorize: {', '.join(self.channels)} are predicted from {', '.join(seen)}"]

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], Target]:
        """Return the stamp without its colours, and these."""
        good = ops.isfinite(flux)
        if self.display:
            # A pixel without one of its channels has no colour.
            whole = ops.all(good, axis=-1, keepdims=True)
            levels = ops.where(whole, flux, 0.0) / 255.0
            lightness, chroma = lab(levels)
            view = ops.where(whole, ops.repeat(gray(lightness) * 255.0, 3, axis=-1), float("nan"))
            return [view], known_pixels(ops.where(whole, chroma / _CHROMA, float("nan")), ops.ones_like(chroma) > 0)
        pixels = ops.where(good, self.stretch(flux), float("nan"))
        pixels = ops.take(pixels, np.flatnonzero(self.held_out), axis=-1)
        return [ops.where(self.held_out, float("nan"), flux)], known_pixels(pixels, ops.ones_like(pixels) > 0)

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """See `decoder.decode`."""
        return decoded_picture(embeddings[0], self.size, len(self.channels))

    def layers(self) -> list[keras.Layer]:
        """Return the stretch."""
        return [self.stretch]

    def loss(self, target: Target, prediction: KerasTensor) -> KerasTensor:
        """Return the mean absolute error over each example's pixels, and that of the gradients times its weight."""
        error = mean_error(target, ops.abs(target["pixels"] - prediction))
        return error + self.sobel * gradient_error(target, prediction) if self.sobel else error

    @property
    def score_names(self) -> tuple[str, ...]:
        """``explained`` and that of each channel."""
        return score_names(self.channels)

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `Explained`."""
        return [Explained(self.channels)]
