"""What the page of a map reads: places, names, colours, densities, stamps."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from astrokeras.config import MapConfig
from astrokeras.embedding.colours import Colour
from astrokeras.embedding.layout import Layout
from astrokeras.embedding.pages.page import VIEWERS, packed, sprite_of
from astrokeras.embedding.stamp_pictures import StampPictures
from astrokeras.embedding.table import Objects

_SPAN = 65535  # places of a page are whole numbers up to this
_SQUARES = 512  # of the picture of densities, along each side
_MOST_SPRITE = 8192  # pixels along a side, which is what browsers show


def page_data(
    config: MapConfig,
    objects: Objects,
    layout: Layout,
    colours: Sequence[Colour],
    pictures: StampPictures | None,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Return all that the page of a map shows.

    Of more objects than `config.points` the page has a sample, above a picture of how many lie where.
    """
    rng = np.random.default_rng(config.seed)
    count = len(layout.rows)
    shown = np.arange(count)
    about = f"{count:,} objects of {objects.file.path.name}"
    grid = on_grid(layout.places)
    density = None
    if count > config.points:
        shown = np.sort(rng.choice(count, config.points, replace=False))
        about += f"; {len(shown):,} of them, chosen at random, are points, above the density of all"
        density = {"side": _SQUARES, "counts": packed(densities(grid))}
    ids = objects.ids[layout.rows[shown]]
    data: dict[str, Any] = {
        "title": f"Map of {objects.file.path.name}",
        "about": about,
        "axes": f"across: {layout.axes[0]}; up: {layout.axes[1]}" if layout.axes[1] else layout.axes[0],
        "ids": ids.tolist(),
        "x": packed(grid[shown, 0]),
        "y": packed(grid[shown, 1]),
        "ra": packed(objects.ra[layout.rows[shown]]),
        "dec": packed(objects.dec[layout.rows[shown]]),
        "colours": [colour.page_data(shown) for colour in colours],
        "density": density,
        "viewer": VIEWERS[config.viewer],
        "stamps": None,
    }
    if pictures is not None and config.stamps:
        there = np.flatnonzero(pictures.known(ids.tolist()))
        if not len(there):
            report(f"no stamps are shown: none of the objects is in {pictures.records.path}")
            return data
        most = min(config.stamps, (_MOST_SPRITE // config.stamp_size) ** 2)
        chosen = there[spread(grid[shown[there]], most, rng)]
        sprite = sprite_of(pictures.pictures(ids[chosen].tolist(), config.stamp_size))
        data["stamps"] = {**sprite, "of": packed(chosen.astype(np.int32)), "count": len(chosen)}
    return data


def on_grid(places: np.ndarray) -> np.ndarray:
    """Return places as whole numbers from 0 to 65535, both axes to one scale and the narrower one in the middle.

    Shapes:
        [N, 2] float64 -> [N, 2] uint16
    """
    low, high = places.min(axis=0), places.max(axis=0)
    span = max(float((high - low).max()), 1e-300)
    return np.rint((places - (low + high) / 2) / span * _SPAN + _SPAN / 2).clip(0, _SPAN).astype(np.uint16)


def densities(grid: np.ndarray) -> np.ndarray:
    """Return how many objects lie in each square of the map, as opacity: the logarithm, scaled to 255; row 0 is on top.

    Shapes:
        [N, 2] uint16 -> [512, 512] uint8
    """
    squares = grid.astype(np.int64) * _SQUARES // (_SPAN + 1)
    counts = np.bincount((_SQUARES - 1 - squares[:, 1]) * _SQUARES + squares[:, 0], minlength=_SQUARES**2)
    level = np.log1p(counts) / np.log1p(max(counts.max(), 1))
    return np.rint(level * 255).astype(np.uint8).reshape(_SQUARES, _SQUARES)


def spread(grid: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Choose objects that lie all over the map, so that each region has some: square by square in turn.

    Shapes:
        [N, 2] uint16 -> [at most `most`] int64, sorted
    """
    if len(grid) <= most:
        return np.arange(len(grid))
    mixed = rng.permutation(len(grid))
    side = max(1, int(np.sqrt(most)))
    squares = grid[mixed].astype(np.int64) * side // (_SPAN + 1)
    square = squares[:, 1] * side + squares[:, 0]
    order = np.argsort(square, kind="stable")
    starts = np.r_[0, np.flatnonzero(np.diff(square[order])) + 1]
    turn = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    # The first of each square, then the second of each, and so on; within a turn by chance.
    first = order[np.lexsort((order, turn))][:most]
    return np.sort(mixed[first])
