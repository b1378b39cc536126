"""Say in which field, and on which pixel, each catalogue object lies."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from scipy.spatial import cKDTree

from astrokeras.survey import sky
from astrokeras.survey.stamps import inside

OBJECTS_AT_ONCE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Field:
    """One survey image tile.

    Attributes:
        name: as the files have it; empty where a survey is one image.
        shape: ``(height, width)``.
        wcs: the celestial WCS, None where there is none that can be used.
        why: without `wcs`, which file has none and why, in words.
        notes: what else a person should know of the field's pixels.
    """

    name: str
    shape: tuple[int, int]
    wcs: WCS | None
    why: str = ""
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """How messages call the field; a survey of one image has no names."""
        return f"field {self.name}" if self.name else "the image"

    @property
    def pixel_scale(self) -> float:
        """Side of a pixel in arcseconds."""
        return float(np.sqrt(np.prod(proj_plane_pixel_scales(self.wcs)))) * 3600

    def to_pixels(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return 0-based x and y of ICRS positions in degrees; NaN where the projection has no answer."""
        return sky.to_pixels(self.wcs, ra, dec)

    def to_sky(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ICRS degrees of 0-based pixel positions."""
        return sky.to_sky(self.wcs, x, y)


def assign_fields(fields: Sequence[Field], ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return index of the field in which each object lies deepest, -1 where it lies in none.

    Depth is the distance in pixels to the nearest edge; of equal depths the first field wins. A field's WCS is asked
    only for the objects within the circle around it, which a tree of unit vectors finds.

    Args:
        fields: each with a WCS.
        ra: ICRS, degrees, ``[N]``; where it or `dec` is no position the object lies nowhere.
        dec: degrees.
    """
    best, depth = np.full(len(ra), -1), np.full(len(ra), -np.inf)
    usable = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec) & (np.abs(np.nan_to_num(dec)) <= 90))
    circles = [_circle(field) for field in fields]
    for start in range(0, len(usable), OBJECTS_AT_ONCE):
        rows = usable[start : start + OBJECTS_AT_ONCE]
        tree = cKDTree(unit_vectors(ra[rows], dec[rows]), balanced_tree=False, compact_nodes=False)
        for index, (field, (centre, radius)) in enumerate(zip(fields, circles, strict=True)):
            near = rows[np.sort(tree.query_ball_point(centre, radius))] if radius < 2 else rows
            if not len(near):
                continue
            x, y = field.to_pixels(ra[near], dec[near])
            here = depth_in(x, y, field.shape)
            better = inside(x, y, field.shape) & (here > depth[near])
            depth[near[better]] = here[better]
            best[near[better]] = index
    return best


def depth_in(x: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return distance in pixels from each position to the nearest edge pixel of an image of `shape`.

    Negative beyond.
    """
    return np.minimum.reduce([x, y, shape[1] - 1 - x, shape[0] - 1 - y])


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the directions of positions in degrees, ``[N, 3]``; NaN where one is NaN."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _circle(field: Field) -> tuple[np.ndarray, float]:
    """Return unit vector of the middle of a field, and the chord to its farthest corner and half as much again.

    Where a corner lies outside of the projection, the whole sky (a chord of 2).
    """
    height, width = field.shape
    x = np.array([(width - 1) / 2, -0.5, width - 0.5, -0.5, width - 0.5, -0.5, width - 0.5, *[(width - 1) / 2] * 2])
    y = np.array(
        [(height - 1) / 2, -0.5, -0.5, height - 0.5, height - 0.5, *[(height - 1) / 2] * 2, -0.5, height - 0.5]
    )
    vectors = unit_vectors(*field.to_sky(x, y))
    chord = np.linalg.norm(vectors[1:] - vectors[0], axis=1).max()
    return vectors[0], float(min(2.0, 1.5 * chord)) if np.isfinite(vectors).all() else 2.0
