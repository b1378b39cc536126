"""Fill in bands and patches that are taken out of a stamp.

After Simonetto et al. 2020, "Semi-supervised deep learning techniques for spectrum reconstruction", ICPR: parts of the
spectrum are missing and reconstructed from the rest. Here whole bands and, across all bands, square patches are
missing; a small decoder on the embedding alone, which therefore has to hold what is needed, fills them in. The error is
the mean square over what was taken out, in stretched units.
"""

from collections.abc import Mapping
from typing import ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.models.stretch import Stretch, stretch_for
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import Number, Parameter
from astrokeras.tasks.base import TASKS, Fields, Task
from astrokeras.tasks.decoder import decoded_picture
from astrokeras.tasks.reconstruction import Explained, Target, known_pixels, mean_error, score_names

_GRID = 8


@TASKS.register("masked_bands")
class MaskedBands(Task):
    """Reconstruction of bands and patches.

    Args:
        stretch: in which the pixels are compared.
        bands: names.
        size: side of the stamps in pixels.
        drop: probability with which a band is taken out; one always stays.
        patches: probability with which each of 8×8 patches is taken out of all bands.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Number("drop", 0.0, 0.9, default=0.3),
        Number("patches", 0.0, 0.9, default=0.4),
    )
    # Bands or pixels that an augmentation has taken out can't be asked for, and less would be left.
    broken_by = frozenset({"completeness"})
    legend = "explained: share of the variance of the missing pixels, stretched, that is predicted; 0 is their mean"

    def __init__(self, stretch: Stretch, bands: tuple[str, ...], size: int, drop: float, patches: float) -> None:
        self.stretch, self.bands, self.size, self.drop, self.patches = stretch, bands, size, drop, patches
        self.n_draws = len(bands) + _GRID * _GRID

    @classmethod
    def fit(
        cls,
        records: RecordsDirectory,
        columns: Mapping[str, np.ndarray],
        size: int,
        drop: float = 0.3,
        patches: float = 0.4,
    ) -> Self:
        """Return the stretch of the survey makes the bands comparable."""
        return cls(stretch_for(records, "auto"), records.bands, size, drop, patches)

    def hidden(self, draws: KerasTensor) -> KerasTensor:
        """Which pixels are taken out.

        Shapes:
            [N, n_draws] -> booleans [N, S, S, B]
        """
        bands, patches = draws[:, : len(self.bands)], draws[:, len(self.bands) :]
        # The band with the largest number stays in any case.
        dropped = (bands < self.drop) & (bands < ops.max(bands, axis=-1, keepdims=True))
        cell = np.arange(self.size) * _GRID // self.size
        taken = ops.reshape(patches < self.patches, (-1, _GRID, _GRID))
        taken = ops.take(ops.take(taken, cell, axis=1), cell, axis=2)
        return dropped[:, None, None, :] | taken[..., None]

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], Target]:
        """Return the stamp with holes, and what was in them."""
        hidden = self.hidden(draws)
        # The stretch fills missing pixels with sky, but nobody knows what is there.
        pixels = ops.where(ops.isfinite(flux), self.stretch(flux), float("nan"))
        return [ops.where(hidden, float("nan"), flux)], known_pixels(pixels, hidden)

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """See `decoder.decode`."""
        return decoded_picture(embeddings[0], self.size, len(self.bands))

    def layers(self) -> list[keras.Layer]:
        """Return the stretch."""
        return [self.stretch]

    def loss(self, target: Target, prediction: KerasTensor) -> KerasTensor:
        """Return the mean squared error over the missing pixels of each example."""
        return mean_error(target, (target["pixels"] - prediction) ** 2)

    @property
    def score_names(self) -> tuple[str, ...]:
        """``explained`` and ``explained_BAND``."""
        return score_names(self.bands)

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `Explained`."""
        return [Explained(self.bands)]
