"""Cut stamps out of an image and measure their sky.

The window is that of `astropy.nddata.Cutout2D`: its first pixel is ``ceil(position - size / 2)``, so that an
object at an integer position lies on pixel ``size // 2`` of an even-sized stamp.
"""

import warnings
from collections.abc import Iterator

import numpy as np

BYTES_AT_ONCE = 512 << 10  # of stamps that are cut, so that they are still in the processor's cache when checked
SLAB_GAP = 64  # rows between two windows that are read rather than skipped
MAD_TO_SIGMA = 1.4826  # of a normal distribution


def window_start(position: np.ndarray, size: int) -> np.ndarray:
    """Return first pixel of each window along one axis (0-based; may be negative at an edge)."""
    return np.ceil(np.asarray(position, dtype=np.float64) - size / 2).astype(np.int64)


def inside(x: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return whether each position lies on a pixel of an image of `shape` ``(height, width)``; NaN does not."""
    return (x >= -0.5) & (y >= -0.5) & (x < shape[1] - 0.5) & (y < shape[0] - 0.5)


def fits_inside(x: np.ndarray, y: np.ndarray, size: int, shape: tuple[int, int]) -> np.ndarray:
    """Return whether the whole window of each (finite) position lies on the image."""
    return windows_inside(window_start(x, size), window_start(y, size), size, shape)


def windows_inside(x0: np.ndarray, y0: np.ndarray, size: int, shape: tuple[int, int]) -> np.ndarray:
    """Return whether each window, given by its first column and row, lies on the image as a whole."""
    return (x0 >= 0) & (y0 >= 0) & (x0 + size <= shape[1]) & (y0 + size <= shape[0])


def cut(
    pixels: np.ndarray, x0: np.ndarray, y0: np.ndarray, size: int, out: np.ndarray, scale: float = 1.0
) -> np.ndarray:
    """Copy the window of every object into `out`; what lies off the image becomes NaN.

    Args:
        pixels: ``[H, W]``, any dtype and byte order.
        x0: first column of each of N windows, an integer. One that touches the image nowhere becomes all NaN.
        y0: first row.
        size: side of the stamps in pixels.
        out: float32 ``[N, size, size]``, written to. Infinite pixels become NaN.
        scale: what the pixels are multiplied by.

    Returns:
        Of each stamp, the fraction of bad (non-finite) pixels among those that lie on the image, ``[N]``;
        1 where none does.
    """
    bad = np.zeros(len(out))
    step = max(1, min(len(out), BYTES_AT_ONCE // (4 * size**2)))
    work = np.empty((step, size, size), dtype=np.float32)  # `out` need not lie in one piece
    for start in range(0, len(out), step):
        part = slice(start, min(start + step, len(out)))
        stamps = work[: part.stop - start]
        with np.errstate(over="ignore"):  # beyond float32: infinite, hence bad
            areas = _cut_some(pixels, x0[part], y0[part], size, stamps)
            if scale != 1:
                np.multiply(stamps, np.float32(scale), out=stamps)
        finite = np.isfinite(stamps)
        if not finite.all():
            good = np.count_nonzero(finite, axis=(1, 2))
            bad[part] = np.where(areas > 0, (areas - good) / np.maximum(areas, 1), 1.0)
            stamps[~finite] = np.nan
        out[part] = stamps
    return bad


def _cut_some(pixels: np.ndarray, x0: np.ndarray, y0: np.ndarray, size: int, stamps: np.ndarray) -> np.ndarray:
    """Copy windows and return how many pixels of each lie on the image."""
    windows = list(zip(stamps, y0.tolist(), x0.tolist(), strict=True))
    if not windows_inside(x0, y0, size, pixels.shape).all():
        return np.array([_cut_one(pixels, top, left, size, stamp) for stamp, top, left in windows])
    for stamp, top, left in windows:
        stamp[:] = pixels[top : top + size, left : left + size]
    return np.full(len(stamps), size * size)


def _cut_one(pixels: np.ndarray, y0: int, x0: int, size: int, stamp: np.ndarray) -> int:
    """Copy one window and return how many of its pixels lie on the image."""
    height, width = pixels.shape
    top, bottom = max(y0, 0), min(y0 + size, height)
    left, right = max(x0, 0), min(x0 + size, width)
    if bottom - top == size and right - left == size:
        stamp[:] = pixels[top:bottom, left:right]
        return size * size
    stamp[:] = np.nan
    if bottom <= top or right <= left:
        return 0
    stamp[top - y0 : bottom - y0, left - x0 : right - x0] = pixels[top:bottom, left:right]
    return (bottom - top) * (right - left)


def slabs(y0: np.ndarray, size: int, max_rows: int | None) -> Iterator[slice]:
    """Divide windows, sorted by their first row, into runs to be read together.

    A run has no long gap that would be read for nothing, and spans at most `max_rows` rows, but at least one window.
    """
    starts, begin = y0.tolist(), 0
    for i in range(1, len(starts) + 1):
        if (
            i == len(starts)
            or starts[i] > starts[i - 1] + size + SLAB_GAP
            or (max_rows is not None and starts[i] + size - starts[begin] > max_rows)
        ):
            yield slice(begin, i)
            begin = i


def sky_level_and_noise(stamps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return robust sky of each stamp and band from its border, an eighth of the stamp wide.

    Args:
        stamps: ``[N, H, W, B]``; NaN pixels are left out.

    Returns:
        Median and 1.4826 × median absolute deviation, each ``[N, B]``, NaN where the border has no good pixel.
    """
    n, size, _, bands = stamps.shape
    width = max(1, size // 8)
    border = np.ones((size, size), dtype=bool)
    border[width:-width, width:-width] = False
    pixels = stamps.reshape(n, size * size, bands).take(np.flatnonzero(border), axis=1)
    values = np.ascontiguousarray(np.moveaxis(pixels, 1, -1))
    values.sort(axis=-1)  # NaN comes last
    level, deviation = _median_and_deviation(values)
    holes = np.isnan(values[..., -1])
    if holes.any():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
            level[holes] = np.nanmedian(values[holes], axis=-1)
            deviation[holes] = np.nanmedian(np.abs(values[holes] - level[holes][:, None]), axis=-1)
    return level, MAD_TO_SIGMA * deviation


def _median_and_deviation(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return median and median absolute deviation along the last axis, which is sorted.

    The k values nearest to the median stand side by side, so that the k-th smallest deviation is the least, over all
    runs of k values, of the larger deviation of a run's two ends.
    """
    n = values.shape[-1]
    low, high = (n + 1) // 2, n // 2 + 1  # one and the same of an odd number
    level = np.mean(values[..., low - 1 : high], axis=-1)
    middle = level[..., None]
    nearest = [
        np.maximum(middle - values[..., : n - k + 1], values[..., k - 1 :] - middle).min(axis=-1) for k in (low, high)
    ]
    return level, np.mean(nearest, axis=0)
