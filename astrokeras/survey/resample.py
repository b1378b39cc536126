"""Bring a band that lies on another pixel grid onto that of the first band, stamp by stamp.

Source: DeForest 2004, Solar Physics 219, 3 (adaptive, anti-aliased resampling), as `reproject.reproject_adaptive` has
it, with its Gaussian kernel and `conserve_flux`: an output pixel holds the flux that falls on it, so that the flux of
an object stays what it was although pixels are larger or smaller.
"""

import importlib.util
import warnings

import numpy as np
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from astropy.wcs.wcsapi import HighLevelWCSWrapper
from astropy.wcs.wcsapi.wrappers import BaseWCSWrapper

from astrokeras.errors import UsageError
from astrokeras.survey.fits_file import Rows
from astrokeras.survey.grids import Grid
from astrokeras.survey.stamps import cut, inside, slabs

KERNEL_REACH = 4  # pixels, on either grid, beyond which the kernel is zero
ROWS_AT_ONCE = 512


def check_reproject() -> None:
    """Raise a `UsageError` where reproject is not installed."""
    if importlib.util.find_spec("reproject") is None:
        raise UsageError("--resample needs the package reproject: pip install 'astrokeras[resample]'")


def cut_resampled(
    source: np.ndarray | Rows,
    grid: Grid,
    reference: Grid,
    x0: np.ndarray,
    y0: np.ndarray,
    size: int,
    out: np.ndarray,
    scale: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut windows (sorted by row) on the grid `reference` from pixels on `grid`, as `stamps.cut`; both have a WCS.

    NaN and infinite pixels make every pixel NaN that the kernel reaches from them, and so does the edge of the image.

    Returns:
        Of each stamp, the fraction of bad pixels among those that lie on the image, and whether all of them do.
    """
    bad, complete = np.empty(len(out)), np.ones(len(out), dtype=bool)
    in_order = isinstance(source, Rows) and source.in_order
    for part in slabs(y0, size, None if in_order else ROWS_AT_ONCE):
        boxes = _boxes(grid, reference, x0[part], y0[part], size)
        first, last = np.clip([boxes[:, 2].min(), boxes[:, 3].max()], 0, grid.shape[0]).tolist()
        rows = np.asarray(source[first : max(first, last)])
        stamps = range(part.start, part.stop)
        for i, (left, right, bottom, top) in zip(stamps, boxes.tolist(), strict=True):
            window = slice(max(bottom, 0) - first, max(top - first, 0)), slice(max(left, 0), max(right, 0))
            pixels = rows[window]
            wcs_in = HighLevelWCSWrapper(_Shifted(grid.wcs, max(left, 0), max(bottom, 0)))
            wcs_out = HighLevelWCSWrapper(_Shifted(reference.wcs, int(x0[i]), int(y0[i])))
            flux = _resample(pixels, wcs_in, wcs_out, size) if min(pixels.shape) > 1 else np.full((size, size), np.nan)
            cut(flux, np.zeros(1, int), np.zeros(1, int), size, out[i : i + 1], scale)
            whole = left >= 0 and bottom >= 0 and right <= grid.shape[1] and top <= grid.shape[0]
            on_image = np.full((size, size), True) if whole else _on_image(grid, reference, x0[i], y0[i], size)
            bad[i] = np.mean(~np.isfinite(out[i][on_image])) if on_image.any() else 1.0
            complete[i] = on_image.all()
    return bad, complete


def _resample(pixels: np.ndarray, wcs_in: HighLevelWCSWrapper, wcs_out: HighLevelWCSWrapper, size: int) -> np.ndarray:
    from reproject import reproject_adaptive  # noqa: PLC0415 - not everybody has it

    flux = np.array(pixels, dtype=np.float64)
    flux[~np.isfinite(flux)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        return reproject_adaptive(
            (flux, wcs_in), wcs_out, shape_out=(size, size), return_footprint=False, conserve_flux=True,
            kernel="gaussian", boundary_mode="strict", bad_value_mode="strict",
        )  # fmt: skip


def _boxes(grid: Grid, reference: Grid, x0: np.ndarray, y0: np.ndarray, size: int) -> np.ndarray:
    """Return left, right, bottom and top of the pixels that each window needs, ``[N, 4]``, right and top exclusive."""
    steps = np.linspace(-KERNEL_REACH, size - 1 + KERNEL_REACH, 5)
    x, y = x0[:, None, None] + steps[None, None, :], y0[:, None, None] + steps[None, :, None]
    x, y = (axis.reshape(len(x0), -1) for axis in np.broadcast_arrays(x, y))
    x, y = _to_grid(grid, reference, x, y)
    nowhere = ~np.isfinite(x + y).all(axis=1)  # beyond the projection: no pixel at all
    x[nowhere], y[nowhere] = -1e6, -1e6
    reach = KERNEL_REACH
    edges = [x.min(axis=1) - reach, x.max(axis=1) + reach + 1, y.min(axis=1) - reach, y.max(axis=1) + reach + 1]
    return np.clip(np.floor(np.stack(edges, axis=1)), -(2**31), 2**31).astype(np.int64)


def _on_image(grid: Grid, reference: Grid, x0: int, y0: int, size: int) -> np.ndarray:
    x, y = np.meshgrid(x0 + np.arange(size), y0 + np.arange(size))
    return inside(*_to_grid(grid, reference, x, y), grid.shape)


def _to_grid(grid: Grid, reference: Grid, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ra, dec = reference.field("").to_sky(x.ravel(), y.ravel())
    found = grid.field("").to_pixels(ra, dec)
    return found[0].reshape(x.shape), found[1].reshape(x.shape)


class _Shifted(BaseWCSWrapper):
    """The WCS of an image whose first pixel is `x`, `y` of another one; negative where it begins before it."""

    def __init__(self, wcs: WCS, x: int, y: int) -> None:
        super().__init__(wcs)
        self._first = x, y

    @property
    def pixel_n_dim(self) -> int:
        return 2

    @property
    def world_n_dim(self) -> int:
        return 2

    def pixel_to_world_values(self, *pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Convert as the interface has it, of pixels from this first one."""
        moved = (np.asarray(axis) + first for axis, first in zip(pixels, self._first, strict=True))
        return self._wcs.pixel_to_world_values(*moved)

    def world_to_pixel_values(self, *world: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the opposite."""
        pixels = self._wcs.world_to_pixel_values(*world)
        return tuple(np.asarray(axis) - first for axis, first in zip(pixels, self._first, strict=True))
