"""Cut stamps out of an image and measure their sky.

The window is that of `astropy.nddata.Cutout2D`: its first pixel is ``ceil(position - size / 2)``, so that an
object at an integer position lies on pixel ``size // 2`` of an even-sized stamp.
"""

import warnings

import numpy as np

MAD_TO_SIGMA = 1.4826  # of a normal distribution


def window_start(position: np.ndarray, size: int) -> np.ndarray:
    """First pixel of each window along one axis (0-based; may be negative at an edge)."""
    return np.ceil(np.asarray(position, dtype=np.float64) - size / 2).astype(np.int64)


def inside(x: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Whether each position lies on a pixel of an image of `shape` ``(height, width)``; NaN does not."""
    return (x >= -0.5) & (y >= -0.5) & (x < shape[1] - 0.5) & (y < shape[0] - 0.5)


def fits_inside(x: np.ndarray, y: np.ndarray, size: int, shape: tuple[int, int]) -> np.ndarray:
    """Whether the whole window of each (finite) position lies on the image."""
    x0, y0 = window_start(x, size), window_start(y, size)
    return (x0 >= 0) & (y0 >= 0) & (x0 + size <= shape[1]) & (y0 + size <= shape[0])


def cut(pixels: np.ndarray, x: np.ndarray, y: np.ndarray, size: int, out: np.ndarray) -> np.ndarray:
    """Copy the window of every object into `out`; what lies off the image becomes NaN.

    Args:
        pixels: ``[H, W]``, any dtype and byte order.
        x: 0-based column of each of N objects. A window that touches the image nowhere becomes all NaN.
        y: 0-based row.
        size: side of the stamps in pixels.
        out: float32 ``[N, size, size]``, written to. Infinite pixels become NaN.

    Returns:
        Of each stamp, the fraction of bad (non-finite) pixels among those that lie on the image, ``[N]``;
        1 where none does.
    """
    height, width = pixels.shape
    bad = np.ones(len(x))
    for i, (x0, y0) in enumerate(zip(window_start(x, size), window_start(y, size), strict=True)):
        top, bottom = max(y0, 0), min(y0 + size, height)
        left, right = max(x0, 0), min(x0 + size, width)
        stamp = out[i]
        if bottom - top < size or right - left < size:
            stamp[:] = np.nan
        if bottom <= top or right <= left:
            continue
        view = stamp[top - y0 : bottom - y0, left - x0 : right - x0]
        with np.errstate(over="ignore"):  # beyond float32: infinite, hence bad
            view[:] = pixels[top:bottom, left:right]
        finite = np.isfinite(view)
        n_bad = view.size - np.count_nonzero(finite)
        bad[i] = n_bad / view.size
        if n_bad:
            view[~finite] = np.nan
    return bad


def sky_level_and_noise(stamps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Robust sky of each stamp from its border, an eighth of the stamp wide.

    Args:
        stamps: ``[N, H, W]``; NaN pixels are left out.

    Returns:
        Median and 1.4826 × median absolute deviation, each ``[N]``, NaN where the border has no good pixel.
    """
    size = stamps.shape[1]
    width = max(1, size // 8)
    border = np.ones((size, size), dtype=bool)
    border[width:-width, width:-width] = False
    values = stamps[:, border]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        level = np.nanmedian(values, axis=1)
        noise = MAD_TO_SIGMA * np.nanmedian(np.abs(values - level[:, None]), axis=1)
    return level, noise
