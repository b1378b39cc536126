"""The noiseless light of a scene on one tile."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from astrokeras.survey.simulation import light
from astrokeras.survey.simulation.scene import Scene
from astrokeras.survey.simulation.telescope import PIXEL_SCALE, Pointing

_FAINTEST_WING = 0.05  # sky sigmas a pixel, where a star's stamp may end

Image = NDArray[np.float64]


def depth(x: NDArray[np.float64], y: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return how far inside a tile a position lies, in pixels; negative outside."""
    return np.minimum(np.minimum(x, y), np.minimum(size - 1 - x, size - 1 - y)) + 0.5


def render(
    scene: Scene,
    field: Pointing,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    size: int,
    shapes: Callable[[int], np.random.Generator],
) -> tuple[Image, NDArray[np.float64]]:
    """Draw the objects at (x, y), 0-based pixels of the tile.

    Args:
        scene: The objects.
        field: The tile: its seeing, rotation and noise.
        x: Positions along columns, [objects].
        y: Positions along rows, [objects].
        size: Of the tile.
        shapes: The generator of an object's arms and clumps, the same on every tile.

    Returns:
        The image, [bands, size, size] nJy, and half-light radii before the seeing over all bands, [objects] arcsec;
        0 for stars and for objects whose light does not reach the tile.
    """
    image, radii = np.zeros((len(field.fwhm), size, size)), np.zeros(len(x))
    transfers: dict[int, NDArray[np.complex128]] = {}
    for i in range(len(x)):
        half = _half_size(scene, field, i)
        if depth(x[i], y[i], size) < -half:
            continue
        corner = np.rint([x[i] + 0.5, y[i] + 0.5]).astype(int)
        shift = (x[i] + 0.5 - corner[0], y[i] + 0.5 - corner[1])
        if scene.kind[i] == "star":
            stars = zip(scene.flux[i, 0], field.fwhm / PIXEL_SCALE, strict=True)
            stamp = np.stack([flux * light.star(fwhm, half, shift) for flux, fwhm in stars])
        else:
            if half not in transfers:
                transfers[half] = np.stack([light.transfer(half, fwhm) for fwhm in field.fwhm / PIXEL_SCALE])
            samples, radii[i] = _galaxy(scene, i, field.rotation, half, shapes(i))
            stamp = light.convolve(samples, scene.flux[i], transfers[half], shift, light.oversampling(half))
        _add(image, stamp, corner[0] - half, corner[1] - half)
    return image, radii


def _half_size(scene: Scene, field: Pointing, i: int) -> int:
    fwhm = field.fwhm / PIXEL_SCALE
    if scene.kind[i] != "star":
        return light.half_size(scene.kind[i], scene.radius[i] / PIXEL_SCALE, fwhm.max())
    faintest = _FAINTEST_WING * field.noise / field.adu
    return max(light.star_half_size(*args) for args in zip(scene.flux[i, 0], fwhm, faintest, strict=True))


def _galaxy(scene: Scene, i: int, rotation: float, half: int, shape: np.random.Generator) -> tuple[Image, float]:
    """Return unit components of a galaxy on the samples of its stamp, and its half-light radius in arcsec."""
    step = PIXEL_SCALE / light.oversampling(half)
    dx, dy = (PIXEL_SCALE * offset for offset in light.sample_offsets(half, light.oversampling(half)))
    turn = scene.angle[i] - rotation  # the object's own axes do not turn with the camera
    along, across = np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
    samples = light.galaxy(scene.kind[i], scene.radius[i], scene.axis_ratio[i], shape, along, across)
    bulge, disc = scene.flux[i].sum(axis=1)
    total = bulge * samples[0] + disc * samples[1]
    return samples, light.half_light_radius(total, np.hypot(along, across), 2 * step)


def _add(image: Image, stamp: Image, x: int, y: int) -> None:
    """Add the part of `stamp` that lies on `image`; its first pixel is at (x, y)."""
    (height, width), (tall, wide) = image.shape[1:], stamp.shape[1:]
    rows, columns = slice(max(y, 0), min(y + tall, height)), slice(max(x, 0), min(x + wide, width))
    image[:, rows, columns] += stamp[:, rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
