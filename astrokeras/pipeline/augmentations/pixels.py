"""Augmentations that change the pixels where they are: noise, blur, missing squares and bands."""

import numpy as np
from keras import KerasTensor, ops

from astrokeras.pipeline.augmentations.base import AUGMENTATIONS, Augmentation, per_example, with_margin
from astrokeras.pipeline.augmentations.deviates import normal
from astrokeras.pipeline.augmentations.resampling import along_axes
from astrokeras.spec import Number

# A Gaussian holds all but 3e-3 of its weight within so many standard deviations.
_WIDE = 3.0


@AUGMENTATIONS.register("noise")
class Noise(Augmentation):
    """Independent Gaussian noise on every pixel; its standard deviation is up to `sigmas` of each band's sky noise.

    The deviation is uniform from 0 to `sigmas`, the same fraction in all bands of an example.
    """

    parameters = (Number("sigmas", 0, 100),)
    n_draws = 3
    changes = frozenset({"noise"})

    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """See `Augmentation.apply`."""
        side, n_bands = flux.shape[2:]
        deviates = ops.reshape(normal(draws[:, 1:], side * side * n_bands), (-1, side, side, n_bands))
        deviation = per_example(draws[:, 0] * self.numbers["sigmas"]) * np.asarray(self.facts.noise, np.float32)
        return ops.cast(ops.cast(flux, "float32") + deviation * deviates, flux.dtype)


def _cosines(size: int) -> np.ndarray:
    """Return the orthonormal cosine transform (DCT-II): row k is the k-th mode of `size` pixels between mirrors."""
    k, i = np.mgrid[:size, :size]
    modes = np.cos(np.pi * k * (i + 0.5) / size) * np.sqrt(2.0 / size)
    modes[0] /= np.sqrt(2.0)
    return modes.astype(np.float32)


def gaussian_matrix(variance: KerasTensor, size: int) -> KerasTensor:
    """Return matrices that blur rows of `size` pixels by a Gaussian, as if mirrors stood at both ends.

    The Gaussian is applied in the space of frequencies, where it is exact for what the pixels sample well however
    narrow it is: blurring twice adds variances, and the sum of the pixels is conserved. On a lone bright pixel it
    rings by up to 2 % of the pixel where its standard deviation is about half a pixel.

    Shapes:
        variance [N] in square pixels -> [N, size, size] float32
    """
    modes = _cosines(size)
    frequency = np.pi * np.arange(size, dtype=np.float32) / size  # radians a pixel
    damping = ops.exp(-0.5 * variance[:, None] * frequency**2)
    return ops.matmul(modes.T, damping[..., None] * modes)


@AUGMENTATIONS.register("blur")
class Blur(Augmentation):
    """A wider point spread function: a Gaussian of standard deviation up to `pixels`, uniform from 0, for all bands.

    Missing pixels stay missing and lend their weight to those around them; without any, flux is conserved: what would
    leave the stamp is reflected at its edge.
    """

    parameters = (Number("pixels", 0, 100),)
    n_draws = 1
    changes = frozenset({"resolution", "noise"})

    def reach(self, side: int) -> int:
        """See `Augmentation.reach`."""
        return with_margin(side, _WIDE * self.numbers["pixels"])

    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """See `Augmentation.apply`."""
        matrix = gaussian_matrix((draws[:, 0] * self.numbers["pixels"]) ** 2, flux.shape[1])
        total, weight = along_axes(flux, matrix, matrix)
        return ops.cast(ops.where(ops.isfinite(flux), total / weight, float("nan")), flux.dtype)


def _without(flux: KerasTensor, gone: KerasTensor) -> KerasTensor:
    """Return NaN where pixels are gone, given in any shape that goes with [N, S, S, B].

    `ops.where` on all takes longer.
    """
    return flux + ops.cast(ops.where(gone, float("nan"), 0.0), flux.dtype)


@AUGMENTATIONS.register("erase")
class Erase(Augmentation):
    """A square of pixels is missing, its side `fraction` of the stamp's, its centre anywhere on the stamp.

    Source: DeVries & Taylor 2017, arXiv 1708.04552 (cutout); the square may reach over the edge as it does there.
    """

    parameters = (Number("fraction", 0, 1),)
    n_draws = 2
    changes = frozenset({"completeness"})

    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """See `Augmentation.apply`."""
        side = flux.shape[1]
        erased = round(self.numbers["fraction"] * size)
        # The first pixel of the square, of all places whose centre is on the part that the network will see.
        first = ops.floor(draws * float(size)) + float((side - size) // 2 - erased // 2)
        place = np.arange(side, dtype=np.float32)
        inside = ops.logical_and(place >= first[..., None], place < first[..., None] + float(erased))
        square = ops.logical_and(inside[:, 0, :, None], inside[:, 1, None, :])
        return _without(flux, square[..., None])


@AUGMENTATIONS.register("drop_band")
class DropBand(Augmentation):
    """Each band is missing with this `probability`, independently, but one band always stays."""

    parameters = (Number("probability", 0, 1),)
    changes = frozenset({"completeness"})

    @property
    def n_draws(self) -> int:
        """One a band."""
        return len(self.facts.bands)

    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """See `Augmentation.apply`."""
        # Where all would go, the one with the largest draw stays: each as likely.
        kept = ops.logical_or(draws >= self.numbers["probability"], draws == ops.max(draws, axis=1, keepdims=True))
        return _without(flux, ops.logical_not(kept)[:, None, None, :])
