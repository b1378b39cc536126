"""The levels that SDSS's colour pictures have, of fluxes in i, r and g.

Source: Lupton et al. 2004, PASP 116, 133, with the parameters of SDSS's pipeline (stage ``sdss_frame_jpg`` of photoop,
after ``djs_rgb_make`` of idlutils), which ``docs/results.md`` compares with pictures. Implementations differ in two
steps:

- Negative fluxes become 0 before the sum of the three is taken, not after the stretch: so the noise of a frame becomes
  the sky that SDSS's pictures have.
- The pipeline gives areas above 30 nanomaggies a pixel their mean colour. Here every pixel keeps its own, so that a
  stamp does not depend on what surrounds it. So bright a pixel has the highest level in any case.
"""

import numpy as np

LUPTON = "lupton"
BANDS = ("i", "r", "g")  # red, green and blue
SCALES = np.array([2.0, 2.6, 3.6])
NONLINEARITY = 2.25
PIXEL = 0.396  # arcsec, of the frames whose fluxes a pixel the scales are for
NANOJANSKYS = 10 ** (0.4 * (31.4 - 22.5))  # of a nanomaggy


def levels_of(nanomaggies: np.ndarray) -> np.ndarray:
    """Return the levels 0 to 255, in whole numbers, of sky-subtracted fluxes.

    A band that is NaN stays so, and counts as dark in the other two.

    Shapes:
        ``[..., 3]`` in the order of `BANDS` → the same, float64

    Units:
        nanomaggies on a pixel of `PIXEL` arcseconds → none

    Example:
        >>> levels_of(np.array([0.1, 0.05, 0.02]))
        array([45., 29., 16.])
    """
    colour = np.maximum(nanomaggies, 0) * SCALES
    total = np.maximum(np.nansum(colour, axis=-1, keepdims=True), 1e-12)
    colour *= np.arcsinh(NONLINEARITY * total) / (NONLINEARITY * total)
    colour /= np.maximum(np.fmax.reduce(colour, axis=-1, keepdims=True), 1)
    return np.minimum(np.floor(colour * 256), 255)


def stretch(stamps: np.ndarray, pixel_scales: np.ndarray) -> None:
    """Turn fluxes into levels, in place; see `levels_of`.

    Args:
        stamps: in the order of `BANDS`.
        pixel_scales: side of the pixels of each stamp.

    Shapes:
        ``[N, S, S, 3]`` float32, ``[N]``

    Units:
        nJy a pixel, arcseconds
    """
    for stamp, scale in zip(stamps, pixel_scales.tolist(), strict=True):
        stamp[:] = levels_of(stamp.astype(np.float64) / NANOJANSKYS * (PIXEL / scale) ** 2)
