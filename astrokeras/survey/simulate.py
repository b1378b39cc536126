"""``astrokeras simulate``: a small multi-band survey with the habits of a real one.

Tiles overlap, bands differ in depth, seeing and zero point, detectors have dead columns and saturate, the
catalogue has gaps. The same options give the same bytes.
"""

import functools
import itertools
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table, vstack
from numpy.typing import NDArray

from astrokeras.config import SimulateConfig, as_dict
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.files import CannotWrite, write_json
from astrokeras.progress import Progress, followed, not_shown
from astrokeras.survey.out import check_out_is_not_here
from astrokeras.survey.simulation.aperture import MISSING, aperture_radius, magnitudes, measure_apertures
from astrokeras.survey.simulation.render import depth, render
from astrokeras.survey.simulation.scene import Scene, draw_scene
from astrokeras.survey.simulation.telescope import BLANK, PIXEL_SCALE, Pointing, expose, lay_out_pointings, revisit
from astrokeras.survey.units import AB_ZERO_POINT_NJY

SAMPLE = SimulateConfig(out="data/sample", fields=4, size=640, objects=2000, seed=7)
"""The options behind ``data/sample``."""

OFF_IMAGES = 3
"""Catalogue rows that lie outside every tile."""

_LABEL_LIMIT, _LABELLED = 21.8, 0.6
_SCENE, _FIELD, _SHAPE, _NOISE, _VISIT = range(5)  # independent random streams


def simulate(config: SimulateConfig, progress: Progress = not_shown) -> dict[str, int]:
    """Write the survey to `config.out`: ``images/{field}_{band}.fits``, ``catalog.fits`` and ``simulate.json``.

    With several visits an image is called by its visit instead of its field, and the catalogue has a row for each
    object in each visit, with the visit in the column ``VISIT``.

    Args:
        config: `objects` is the number of objects of the whole survey.
        progress: shows how many fields are done.

    Returns:
        How many fields, images, objects, labelled and undetected objects (in no band, in no visit) there are; of
        several visits, how many of each field.

    Raises:
        UsageError: an option is out of range.
        AstrokerasError: `config.out` exists and is not an empty directory, or cannot be written.
    """
    _check(config)
    out = Path(config.out)
    check_out_is_not_here(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise AstrokerasError(f"{out} exists and is not an empty directory: choose another --out or remove it")
    partial = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}.partial")
    try:
        (partial / "images").mkdir(parents=True)
        counts = _write(config, partial, progress)
        partial.replace(out.absolute())
    except (OSError, CannotWrite) as error:
        raise AstrokerasError(f"cannot write {out}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return counts


def _check(config: SimulateConfig) -> None:
    for name, least in (("fields", 1), ("size", 64), ("objects", 2 * OFF_IMAGES), ("visits", 1), ("seed", 0)):
        if getattr(config, name) < least:
            raise UsageError(f"--{name} {getattr(config, name)}: expected {least} or more")
    # FITS columns know no case, so u and U cannot both be in one catalogue.
    if not config.bands or len({band.upper() for band in config.bands}) < len(config.bands):
        raise UsageError(f"--bands {','.join(config.bands)}: expected names that differ in more than case")
    for band in config.bands:
        if not re.fullmatch(r"[A-Za-z0-9]{1,8}", band):
            raise UsageError(f"--bands: {band!r} is not a band name of up to 8 letters and digits")


def _write(config: SimulateConfig, out: Path, progress: Progress) -> dict[str, int]:
    fields = lay_out_pointings([_rng(config, _FIELD, i) for i in range(config.fields)], config.size, config.bands)
    rng = _rng(config, _SCENE)
    scene = draw_scene(rng, config.objects, config.bands)
    ra, dec = _positions(rng, fields, config)
    x, y = np.stack([_on_pixels(field, ra, dec) for field in fields], axis=1)
    owner = depth(x, y, config.size).argmax(axis=0)
    rows = np.arange(config.objects)
    table = _catalogue(rng, scene, config.bands, ra, dec, x[owner, rows], y[owner, rows])
    table.add_column(np.array([field.name for field in fields])[owner], name="FIELD", index=1)
    tables = [table.copy() for _ in range(config.visits)]
    exposures = list(itertools.product(range(config.fields), range(config.visits)))
    for index, visit in followed(exposures, progress, "fields" if config.visits == 1 else "visits", len(exposures)):
        field, mine = fields[index], np.flatnonzero(owner == index)
        if config.visits > 1:
            field = revisit(field, visit, _rng(config, _VISIT, index, visit))
        stream = (_NOISE, index) if config.visits == 1 else (_NOISE, index, visit)
        noise = functools.partial(_rng, config, *stream)
        _expose_field(config, out / "images", scene, field, tables[visit], mine, noise)
    for visit, one in enumerate(tables if config.visits > 1 else []):
        one.add_column([f"{name}V{visit}" for name in one["FIELD"]], name="VISIT", index=2)
        one["FLUX_RADIUS"] = tables[0]["FLUX_RADIUS"]  # it hangs a little on the samples, and they on the seeing
    vstack(tables).write(out / "catalog.fits")
    options = {name: value for name, value in as_dict(config).items() if name != "out"}
    if config.visits == 1:
        del options["visits"]
    write_json(out / "simulate.json", options)
    measured = [one[f"MAG_AUTO_{band}"] for one in tables for band in config.bands]
    return {
        "fields": config.fields,
        **({"visits": config.visits} if config.visits > 1 else {}),
        "images": len(exposures) * len(config.bands),
        "objects": config.objects,
        "labelled": int(np.count_nonzero(table["CLASS"] != "")),
        "undetected": int(np.count_nonzero(np.all(np.array(measured) == MISSING, axis=0))),
    }


def _expose_field(
    config: SimulateConfig,
    folder: Path,
    scene: Scene,
    field: Pointing,
    table: Table,
    mine: NDArray[np.intp],
    noise: Callable[[int], np.random.Generator],
) -> None:
    """Write the images of a field in one visit, and measure there the objects that are its own.

    Args:
        config: options.
        folder: of the images.
        scene: what there is.
        field: as it is seen in this visit.
        table: rows of all objects in this visit; those of `mine` get their places, magnitudes and radii.
        mine: rows of the objects that belong to the field.
        noise: the generator of a band's noise.
    """
    x, y = _on_pixels(field, table["RA"].data, table["DEC"].data)
    signal, radius = render(scene, field, x, y, config.size, functools.partial(_rng, config, _SHAPE))
    x, y, radius = x[mine], y[mine], radius[mine]
    table["X"][mine], table["Y"][mine], table["FLUX_RADIUS"][mine] = x, y, radius.round(4)
    for b, band in enumerate(config.bands):
        pixels = expose(signal[b], field, b, noise(b))
        _write_image(folder / f"{field.name}_{band}.fits", pixels, field.header(band, b))
        flux, error = measure_apertures(
            np.where(pixels == BLANK, np.nan, pixels),
            x,
            y,
            aperture_radius(radius, field.fwhm[b]) / PIXEL_SCALE,
            field.noise[b],
        )
        measured = magnitudes(flux, error, field.zero_point[b])
        table[f"MAG_AUTO_{band}"][mine], table[f"MAGERR_AUTO_{band}"][mine] = measured


def _rng(config: SimulateConfig, *stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([config.seed, *stream]))


def _on_pixels(field: Pointing, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x and y on a field, 0-based pixels."""
    # Rounded, so that what is drawn does not hang on the last digit of a trigonometric function.
    return np.stack(field.wcs.all_world2pix(ra, dec, 0)).round(4)


def _positions(
    rng: np.random.Generator, fields: list[Pointing], config: SimulateConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places spread evenly over the tiles, and `OFF_IMAGES` of them beside the tiles, at random rows."""
    corners = np.concatenate([field.wcs.calc_footprint(axes=(config.size,) * 2) for field in fields])
    (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
    inside = np.empty((0, 2))
    while len(inside) < config.objects:
        places = rng.uniform((west, south), (east, north), (config.objects, 2)).round(7)
        on_tile = [depth(*field.wcs.all_world2pix(*places.T, 0), config.size) > 0 for field in fields]
        inside = np.concatenate([inside, places[np.any(on_tile, axis=0)]])
    places = inside[: config.objects]
    off = rng.choice(config.objects, OFF_IMAGES, replace=False)
    margin = rng.uniform(5, 15, OFF_IMAGES) / 3600
    places[off, 1] = (north + margin).round(7)
    return places[:, 0], places[:, 1]


def _write_image(path: Path, pixels: NDArray[np.int16], header: fits.Header) -> None:
    # RICE because its coder is astropy's own: gzip output changes with the zlib that happens to be there.
    tile = fits.CompImageHDU(pixels, header, compression_type="RICE_1", tile_shape=(16, pixels.shape[1]))
    fits.HDUList([fits.PrimaryHDU(), tile]).writeto(path)


def _catalogue(
    rng: np.random.Generator,
    scene: Scene,
    bands: Sequence[str],
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> Table:
    """Return the catalogue before anything is measured; ids and row order know nothing of the classes."""
    number = len(ra)
    known = (scene.magnitude < _LABEL_LIMIT) & (rng.random(number) < _LABELLED)
    true = AB_ZERO_POINT_NJY - 2.5 * np.log10(scene.flux.sum(axis=1))
    table = Table(
        {
            "ID": [f"SIM-{serial:07d}" for serial in rng.permutation(number) + 1],
            **{"RA": ra, "DEC": dec, "X": x, "Y": y},
            "CLASS": np.where(known, scene.kind, ""),
            **{f"MAG_TRUE_{band}": true[:, b].round(4).astype(np.float32) for b, band in enumerate(bands)},
            **{f"MAG_AUTO_{band}": np.full(number, MISSING, np.float32) for band in bands},
            **{f"MAGERR_AUTO_{band}": np.full(number, MISSING, np.float32) for band in bands},
            "FLUX_RADIUS": np.zeros(number, np.float32),
        }
    )
    for name, unit in {"RA": "deg", "DEC": "deg", "X": "pix", "Y": "pix", "FLUX_RADIUS": "arcsec"}.items():
        table[name].unit = unit
    return table
