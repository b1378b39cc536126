"""The objects of a simulated survey: what they are, how bright and how large, and what colour.

The numbers are round ones that give a survey its look (counts that rise with magnitude, red ellipticals, blue
spirals, small faint galaxies); nothing here is a model of galaxy evolution.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CLASSES = ("elliptical", "spiral", "irregular", "star")
_FRACTIONS = (0.25, 0.35, 0.20, 0.20)

REFERENCE = 0.62
"""Micrometres: the wavelength (that of r) at which magnitudes are drawn and colours are zero."""

_BRIGHTEST = {"star": 15.5}  # galaxies start at 17
_FAINTEST = 23.5
_COUNT_SLOPE = {"star": 0.05}  # dex of objects a magnitude; galaxies 0.15, flatter than the sky's

_WAVELENGTHS = {
    **{"u": 0.36, "g": 0.48, "r": REFERENCE, "i": 0.76, "z": 0.90, "y": 0.98},
    **{"U": 0.36, "B": 0.44, "V": 0.55, "R": 0.65, "I": 0.80, "Z": 0.88, "Y": 1.02, "VIS": 0.70},
    **{"J": 1.25, "H": 1.63, "K": 2.20, "Ks": 2.15},
    **{"J0378": 0.378, "J0395": 0.395, "J0410": 0.410, "J0430": 0.430, "J0515": 0.515},
    **{"J0660": 0.660, "J0861": 0.861},
}

# Magnitudes relative to r, at these wavelengths: the two ends of what a component can be.
_KNOTS = (0.36, 0.48, 0.62, 0.76, 0.90, 1.25, 1.63, 2.15)
_OLD = (2.50, 0.85, 0.0, -0.38, -0.68, -1.05, -1.30, -1.30)
_DISC = (1.30, 0.42, 0.0, -0.20, -0.33, -0.50, -0.65, -0.55)
_DIFFUSE = (1.00, 0.28, 0.0, -0.10, -0.15, -0.20, -0.20, 0.00)
_YOUNG = (0.45, 0.02, 0.0, 0.05, 0.10, 0.20, 0.30, 0.60)
_HOT_STAR = (1.10, 0.25, 0.0, -0.05, -0.06, 0.10, 0.30, 0.70)
_COOL_STAR = (3.80, 1.45, 0.0, -0.95, -1.50, -1.95, -2.15, -2.00)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A population of objects, without positions.

    Shapes: `flux` is [objects, 2, bands]; everything else [objects].
    Units: `flux` nJy, `radius` arcsec (half-light radius of the larger component, 0 for stars), `angle` radians
    from west to north.

    The two components are bulge and disc (elliptical, spiral), diffuse light and clumps (irregular); a star
    has only the first.
    """

    kind: NDArray[np.str_]
    magnitude: NDArray[np.float64]
    flux: NDArray[np.float64]
    radius: NDArray[np.float64]
    axis_ratio: NDArray[np.float64]
    angle: NDArray[np.float64]


def wavelengths(bands: Sequence[str]) -> NDArray[np.float64]:
    """Return effective wavelength of every band in micrometres.

    A band that is not a well-known one gets its place from its neighbours in the list, which is taken to
    run from blue to red.
    """
    known = {i: _WAVELENGTHS[band] for i, band in enumerate(bands) if band in _WAVELENGTHS}
    shortest, longest = min(known.values(), default=0.36), max(known.values(), default=0.9)
    ends = {-1: min(0.33, 0.9 * shortest), len(bands): max(1.0, 1.1 * longest)}
    anchors = dict(sorted((ends | known).items()))
    return np.interp(np.arange(len(bands)), list(anchors), list(anchors.values()))


def draw_scene(rng: np.random.Generator, number: int, bands: Sequence[str]) -> Scene:
    """Draw `number` objects seen in `bands`."""
    kind = rng.choice(np.array(CLASSES), size=number, p=_FRACTIONS)
    magnitude = _magnitudes(rng.random(number), kind)
    spread = rng.standard_normal(number)
    reddening = 0.05 * (magnitude - 20) * (kind != "star")  # fainter is farther is redder
    temperature = np.clip(0.45 + 0.28 * rng.standard_normal(number), 0, 1)
    tilt = 1 + 0.12 * spread + reddening
    size = 0.12 - 0.13 * (magnitude - 20) + 0.13 * rng.standard_normal(number)
    scale = np.select([kind == "elliptical", kind == "spiral", kind == "irregular"], [0.85, 1.3, 1.0], 0.0)
    cosine = rng.random(number)
    flatness = np.select([kind == "elliptical", kind == "spiral"], [0.6, 0.25], 0.45)
    second = _second_fraction(rng.random(number), kind)

    lam = wavelengths(bands)
    relative = np.empty((number, 2, len(bands)))
    star = temperature[:, None] * _colour(_COOL_STAR, lam) + (1 - temperature[:, None]) * _colour(_HOT_STAR, lam)
    for name, first_sed, second_sed in (
        ("elliptical", _OLD, _OLD),
        ("spiral", _OLD, _DISC),
        ("irregular", _DIFFUSE, _YOUNG),
    ):
        rows = kind == name
        relative[rows] = tilt[rows, None, None] * np.stack([_colour(first_sed, lam), _colour(second_sed, lam)])
    relative[kind == "star"] = star[kind == "star", None, :]
    relative += 0.03 * rng.standard_normal((number, 1, len(bands)))

    share = np.stack([1 - second, second], axis=1)[:, :, None]
    flux = share * 10 ** (0.4 * (31.4 - magnitude[:, None, None] - relative))
    return Scene(
        kind=kind,
        magnitude=magnitude,
        flux=flux,
        radius=scale * 10**size,
        axis_ratio=flatness + (1 - flatness) * cosine,
        angle=math.pi * rng.random(number),
    )


def _colour(template: Sequence[float], lam: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(np.log(lam), np.log(_KNOTS), template)


def _magnitudes(uniform: NDArray[np.float64], kind: NDArray[np.str_]) -> NDArray[np.float64]:
    """Invert the cumulative counts ``10^(slope m)`` between the brightest and the faintest magnitude."""
    slope = np.array([_COUNT_SLOPE.get(name, 0.15) for name in kind])
    low, high = (10 ** (slope * np.array(m)) for m in ([_BRIGHTEST.get(k, 17.0) for k in kind], _FAINTEST))
    return np.log10(low + uniform * (high - low)) / slope


def _second_fraction(uniform: NDArray[np.float64], kind: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return share of the light at r in the second component."""
    low, high = (
        np.select([kind == "elliptical", kind == "spiral", kind == "irregular"], limits, 0.0)
        for limits in ([0.0, 0.65, 0.25], [0.15, 0.95, 0.55])
    )
    return low + uniform * (high - low)
