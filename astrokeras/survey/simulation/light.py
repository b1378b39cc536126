"""Light on the detector: galaxy profiles, spiral arms, the point-spread function, and their convolution.

Profiles are drawn finer than a pixel with the object's centre on a sample corner, convolved there in Fourier
space, moved by the fraction of a pixel with the shift theorem, and summed into pixels. The steep core of a bulge
is so resolved, and a profile's sum is its flux by construction, whatever its size.
"""

import math
from collections.abc import Callable

import numpy as np
from astropy.modeling.models import Sersic2D
from numpy.typing import NDArray
from photutils.psf import MoffatPSF

MOFFAT_BETA = 3.5
_EXTENT = {"elliptical": 8.0, "spiral": 5.0, "irregular": 5.0}
"""Half-light radii at which galaxies end: far below the noise, de Vaucouleurs's wings included."""

Image = NDArray[np.float64]


def half_size(kind: str, radius: float, fwhm: float) -> int:
    """Return half the side of a galaxy's stamp in pixels, one of few values so that transfer functions are shared."""
    return 8 * math.ceil((_EXTENT[kind] * radius + 3 * fwhm) / 8)


def oversampling(half: int) -> int:
    """Return samples a pixel: many for small objects, few for large ones."""
    return 4 if half <= 32 else 3


def sample_offsets(half: int, oversample: int) -> tuple[Image, Image]:
    """Return offsets (dx, dy) in pixels of the samples of a stamp from its centre, a corner of four samples."""
    axis = (np.arange(2 * half * oversample) + 0.5) / oversample - half
    return np.meshgrid(axis, axis)


def galaxy(kind: str, radius: float, axis_ratio: float, rng: np.random.Generator, along: Image, across: Image) -> Image:
    """Return the two components of a galaxy, each summing to 1.

    Args:
        kind: A class of `scene.CLASSES` that is not a star.
        radius: Half-light radius of the larger component, in the unit of the offsets.
        axis_ratio: Minor over major axis.
        rng: Draws what the scene does not say: arms, clumps.
        along: Offsets along the major axis.
        across: Offsets along the minor axis.

    Shapes: `along`, `across` [n, n]; the result [2, n, n].
    """
    components = np.stack(_GALAXIES[kind](radius, axis_ratio, rng, along, across))
    components *= np.hypot(along, across) < _EXTENT[kind] * radius
    return components / components.sum(axis=(1, 2), keepdims=True)


def _sersic(index: float, radius: float, axis_ratio: float, along: Image, across: Image) -> Image:
    return Sersic2D.evaluate(along, across, 1.0, radius, index, 0.0, 0.0, 1 - axis_ratio, 0.0)


def _elliptical(
    radius: float, axis_ratio: float, rng: np.random.Generator, along: Image, across: Image
) -> tuple[Image, Image]:
    return (
        _sersic(4, radius, axis_ratio, along, across),
        _sersic(1, 1.5 * radius, 0.5 + 0.5 * axis_ratio, along, across),
    )


def _spiral(
    radius: float, axis_ratio: float, rng: np.random.Generator, along: Image, across: Image
) -> tuple[Image, Image]:
    arms, pitch = int(rng.choice([2, 2, 3, 4])), np.radians(rng.uniform(14, 28))
    phase, strength, sense = rng.uniform(0, 2 * np.pi), rng.uniform(0.65, 0.95), rng.choice([-1, 1])
    face_on = np.hypot(along, across / axis_ratio)
    winding = np.log(face_on / radius) / np.tan(pitch) * sense
    wave = np.cos(arms * (np.arctan2(across / axis_ratio, along) - winding) + phase)
    # Squared waves are narrow arms with wide gaps; their mean is 3/8 of the peak. The bulge region has none.
    contrast = strength * (1 - np.exp(-((face_on / (0.4 * radius)) ** 2)))
    modulation = 1 - contrast + contrast * (0.5 + 0.5 * wave) ** 2 / 0.375
    bulge = _sersic(4, 0.3 * radius, 0.5 + 0.5 * axis_ratio, along, across)
    return bulge, _sersic(1, radius, axis_ratio, along, across) * modulation


def _irregular(
    radius: float, axis_ratio: float, rng: np.random.Generator, along: Image, across: Image
) -> tuple[Image, Image]:
    clumps = np.zeros_like(along)
    for _ in range(int(rng.integers(4, 9))):
        at, width = rng.normal(0, (0.75 * radius, 0.75 * radius * axis_ratio)), radius * rng.uniform(0.12, 0.3)
        clump = np.exp(-((along - at[0]) ** 2 + (across - at[1]) ** 2) / (2 * width**2))
        clumps += rng.uniform(0.3, 1) * clump / width**2
    return _sersic(1, radius, axis_ratio, along - 0.25 * radius * rng.normal(), across), clumps


_GALAXIES: dict[str, Callable[..., tuple[Image, Image]]] = {
    "elliptical": _elliptical,
    "spiral": _spiral,
    "irregular": _irregular,
}


def half_light_radius(image: Image, distance: Image, step: float) -> float:
    """Return radius of the circle that holds half of the light of `image`, in the unit of `distance`.

    Light is summed in rings of width `step`, at least the distance of two samples.
    """
    rings = np.bincount((distance / step).astype(int).ravel(), weights=image.ravel())
    grown = np.concatenate([[0.0], np.cumsum(rings)])
    return float(np.interp(0.5 * grown[-1], grown, step * np.arange(len(grown))))


def _moffat(fwhm: float, dx: Image, dy: Image) -> Image:
    """Return Moffat profile of unit flux per square pixel; `fwhm` and the offsets in pixels."""
    alpha = fwhm / (2 * math.sqrt(2 ** (1 / MOFFAT_BETA) - 1))
    return MoffatPSF(flux=1.0, alpha=alpha, beta=MOFFAT_BETA)(dx, dy)


def transfer(half: int, fwhm: float) -> NDArray[np.complex128]:
    """Return Fourier transform of the PSF on the samples of a stamp, for `convolve`."""
    n, oversample = 2 * half * oversampling(half), oversampling(half)
    axis = np.fft.fftfreq(n, 1 / n) / oversample
    psf = _moffat(fwhm, *np.meshgrid(axis, axis))
    return np.fft.rfft2(psf / psf.sum())


def convolve(samples: Image, flux: Image, transfers: NDArray, shift: tuple[float, float], oversample: int) -> Image:
    """Return pixels of a galaxy in every band.

    Args:
        samples: Unit components on the samples, [2, n, n].
        flux: Their fluxes, [2, bands].
        transfers: `transfer` of every band, [bands, n, n // 2 + 1].
        shift: Where the centre lies in x and y from the stamp's central corner, in pixels.
        oversample: Samples a pixel.

    Returns:
        [bands, n / oversample, n / oversample] in the unit of `flux`.
    """
    n = samples.shape[-1]
    phase_y = np.exp(-2j * np.pi * np.fft.fftfreq(n) * shift[1] * oversample)
    phase_x = np.exp(-2j * np.pi * np.fft.rfftfreq(n) * shift[0] * oversample)
    first, second = np.fft.rfft2(samples) * (phase_y[:, None] * phase_x)
    spectrum = flux[0, :, None, None] * first + flux[1, :, None, None] * second
    bands = np.fft.irfft2(spectrum * transfers, s=(n, n))
    pixels = n // oversample
    return bands.reshape(-1, pixels, oversample, pixels, oversample).sum(axis=(2, 4))


def star_half_size(flux: float, fwhm: float, faintest: float) -> int:
    """Return half a star's stamp in pixels: as far as its wings are brighter than `faintest` a pixel."""
    alpha = fwhm / (2 * math.sqrt(2 ** (1 / MOFFAT_BETA) - 1))
    peak = flux * (MOFFAT_BETA - 1) / (math.pi * alpha**2)
    wings = alpha * math.sqrt(max(peak / faintest, 1) ** (1 / MOFFAT_BETA) - 1)
    return math.ceil(max(wings, 4 * fwhm))


def star(fwhm: float, half: int, shift: tuple[float, float]) -> Image:
    """Return a point source of unit flux integrated over the pixels of a stamp, [2 half, 2 half]."""
    oversample = oversampling(half)
    dx, dy = sample_offsets(half, oversample)
    samples = _moffat(fwhm, dx - shift[0], dy - shift[1]) / oversample**2
    return samples.reshape(2 * half, oversample, 2 * half, oversample).sum(axis=(1, 3))
