"""Cut the stamps of a field's objects, or the middle of each object's own image, in the flux unit."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from astrokeras.config import DEFAULT_SIZE, ConvertConfig
from astrokeras.errors import UsageError
from astrokeras.survey.fits_file import MAX_IMAGE_BYTES, Rows
from astrokeras.survey.grids import Grid, different_grids, grid_shift
from astrokeras.survey.images import Extension, ImageError, Plane, is_display, parse_extensions, read_planes
from astrokeras.survey.mapped import MappedPlane
from astrokeras.survey.masks import Companion, hide_bad, parse_companions
from astrokeras.survey.placement import Field
from astrokeras.survey.resample import check_reproject, cut_resampled
from astrokeras.survey.stamps import cut, slabs, window_start, windows_inside
from astrokeras.survey.template import ImageTemplate
from astrokeras.survey.units import ZeroPoints, parse_zero_points

SLAB_BYTES = 128 << 20  # of a band that are read at once, more or less
PIECE_BYTES = 2 << 20  # of stamps that are cut at once where it can be: what a processor's cache holds
MOST_MAPPED = 100  # bands of a field that are mapped together: each takes a file descriptor


@dataclasses.dataclass(frozen=True)
class Cutting:
    """How stamps are cut, and what becomes of them: what a worker needs beside the objects.

    With `levels` the pixels' side in arcseconds has to be known: by a WCS, else `pixel_scale`.
    """

    template: ImageTemplate
    extensions: dict[str, Extension]
    zero_points: ZeroPoints
    size: int
    pad: bool
    companions: tuple[Companion, ...] = ()
    resample: bool = False
    hcompress: bool = False
    max_image_bytes: int = MAX_IMAGE_BYTES
    valid: bool = False
    levels: str | None = None
    pixel_scale: float | None = None

    @property
    def flux_unit(self) -> str:
        """Unit as cut: ``nJy``, ``image`` (no zero point was given) or ``display`` (levels of JPEG and PNG)."""
        return "display" if is_display(self.template.text) else self.zero_points.unit

    @property
    def unit(self) -> str:
        """Unit of the records: `flux_unit`, or ``display`` where fluxes become levels (`survey.levels`)."""
        return "display" if self.levels else self.flux_unit


@dataclasses.dataclass(frozen=True)
class CutStamps:
    """What was cut for N objects. The arrays are used again for the next ones.

    Attributes:
        pixels: float32 ``[N, size, size, B]`` in the flux unit; bad pixels and what lies off the image are NaN. Not
            set where there is a reason.
        bad: the fraction of bad pixels in each stamp and band, among those that lie on the image, ``[N, B]``.
        reasons: why an object has no stamp, as (reason, detail); None where it has.
        pixel_scale: side of the pixels of each stamp in arcseconds, ``[N]``; NaN where nobody has asked for it.
    """

    pixels: np.ndarray
    bad: np.ndarray
    reasons: list[tuple[str, str] | None]
    pixel_scale: np.ndarray


def parse_cutting(config: ConvertConfig) -> Cutting:
    """Return how `config` wants the stamps to be cut.

    Raises:
        UsageError: options that cannot be read or contradict each other, or a package that they need is missing.
    """
    template = ImageTemplate(config.images.images, config.images.bands)
    cutting = Cutting(
        template=template,
        extensions=parse_extensions(config.images.ext, config.images.bands),
        zero_points=parse_zero_points(
            config.photometry.zero_point, config.images.bands, config.photometry.catalog_bands
        ),
        size=config.stamps.size or DEFAULT_SIZE,
        pad=config.stamps.edge == "pad",
        companions=parse_companions(config.images, template),
        resample=config.images.resample,
        hcompress=config.images.hcompress,
        max_image_bytes=config.images.max_image_bytes,
        valid=config.images.valid,
        levels=config.photometry.levels,
        pixel_scale=config.images.pixel_scale,
    )
    if cutting.zero_points.table and "field" not in cutting.template:
        raise UsageError(
            f"--zero-point {config.photometry.zero_point} is a table by field, but --images has no {{field}}"
        )
    if cutting.flux_unit == "display" and config.photometry.zero_point:
        raise UsageError("--zero-point: JPEG and PNG hold display levels, not fluxes; leave the zero point out")
    if cutting.resample:
        check_reproject()
    return cutting


@dataclasses.dataclass(frozen=True)
class _Band:
    """One band with its bad pixels hidden, and where it lies: `shift` is None where it has to be resampled."""

    plane: Plane
    grid: Grid
    reference: Grid
    shift: tuple[int, int] | None

    @property
    def mapped(self) -> MappedPlane | None:
        """The pixels of a plain file, which can be cut as long as they are kept; None where they have to be read."""
        pixels = self.plane.pixels
        return pixels.mapped if isinstance(pixels, Rows) and self.shift is not None else None


def read_field(cutting: Cutting, name: str) -> Field:
    """Return the field that the bands make up: the grid of the first, on which positions are given.

    Raises:
        ImageError: a band cannot be used.
    """
    bands = list(_bands(cutting, name))
    field = bands[0].grid.field(name)
    if asinh := [cutting.template.bands[band.plane.band] for band in bands if band.plane.asinh]:
        note = f"the pixels of {', '.join(asinh)} are on an asinh scale (BSOFTEN, BOFFSET): they become linear flux"
        return dataclasses.replace(field, notes=(note,))
    return field


def _bands(cutting: Cutting, unit: str) -> Iterator[_Band]:
    """Yield the bands of one field or object, with their place on the grid of the first."""
    reading = {"max_bytes": cutting.max_image_bytes, "hcompress": cutting.hcompress}
    with contextlib.ExitStack() as stack:
        images, *others = (
            stack.enter_context(contextlib.closing(planes))
            for planes in (
                read_planes(cutting.template, unit, cutting.extensions, **reading),
                *(companion.planes(unit, **reading) for companion in cutting.companions),
            )
        )
        reference = None
        for plane in images:
            hidden = hide_bad(plane, [(c, next(o)) for c, o in zip(cutting.companions, others, strict=True)])
            grid = Grid(plane)
            reference = reference or grid
            yield _Band(hidden, grid, reference, _shift(cutting, reference, grid))


def aligned_planes(cutting: Cutting, unit: str) -> Iterator[Plane]:
    """Yield the bands with their bad pixels hidden, all on the grid of the first.

    NaN where a shifted band has no pixels.

    Raises:
        ImageError: a band cannot be used, or would have to be resampled.
    """
    for band in _bands(cutting, unit):
        if band.shift is None:
            raise different_grids(band.reference, band.grid, "two of its bands", "; as a whole they are not resampled")
        yield _aligned(band)


def _aligned(band: _Band) -> Plane:
    (dx, dy), (height, width), source = band.shift, band.reference.shape, band.plane.pixels
    if (dx, dy) == (0, 0) and band.grid.shape == band.reference.shape:
        return band.plane

    def read(start: int, stop: int) -> np.ndarray:
        out = np.full((stop - start, width), np.nan, dtype=np.float32)
        first, last = np.clip([start + dy, stop + dy], 0, band.grid.shape[0])
        left, right = np.clip([dx, width + dx], 0, band.grid.shape[1])
        rows = np.asarray(source[first:last])
        out[first - dy - start : last - dy - start, left - dx : right - dx] = rows[:, left:right]
        return out

    in_order = isinstance(source, Rows) and source.in_order
    return dataclasses.replace(band.plane, pixels=Rows(Path(), (height, width), read, in_order))


def _shift(cutting: Cutting, reference: Grid, grid: Grid) -> tuple[int, int] | None:
    shift = grid_shift(reference, grid)
    if shift is None and not cutting.resample:
        raise different_grids(reference, grid, "two of its bands", "; --resample brings them onto one grid")
    return shift


def _pixel_scale(cutting: Cutting, grid: Grid) -> float:
    """Return the side of a pixel in arcseconds; NaN where nobody has asked for it.

    Raises:
        ImageError: it is needed, and not known.
    """
    if not cutting.levels:
        return np.nan
    scale = grid.field("").pixel_scale if grid.wcs is not None else cutting.pixel_scale
    if not scale or not np.isfinite(scale):
        why = grid.why or f"{grid.path or 'the image'} has no WCS"
        raise ImageError("no_pixel_scale", f"{why}; say how many arcseconds a pixel has: --pixel-scale")
    return scale


def cut_field(cutting: Cutting, field: str, x: np.ndarray, y: np.ndarray) -> Iterator[CutStamps]:
    """Cut the stamps of N objects of one field: a few at a time from mapped images, otherwise all of them at once.

    An image that cannot be used rejects all objects, so it is found before the first are cut.

    Args:
        cutting: how.
        field: name of the field.
        x: 0-based column of each object on the grid of the first band, ``[N]``.
        y: 0-based row; objects sorted by it are cut fastest.

    Yields:
        The stamps, in the objects' order.
    """
    x0, y0 = window_start(x, cutting.size), window_start(y, cutting.size)
    order = np.argsort(y0, kind="stable")
    whole, held, scale = None, [], np.nan
    try:
        zero_points = cutting.zero_points.of(field)
        for band in _bands(cutting, field):
            if not held and whole is None:
                scale = _pixel_scale(cutting, band.reference)
            held.append((band, zero_points.scale(band.plane)))
            if band.mapped is None or len(held) > MOST_MAPPED:
                whole = whole or _no_stamps(cutting, len(x))
                _cut_bands(cutting, held, x0[order], y0[order], whole)
                held = []
        if whole:
            _cut_bands(cutting, held, x0[order], y0[order], whole)
    except ImageError as error:
        whole = _no_stamps(cutting, len(x))
        whole.reasons[:] = [(error.reason, str(error))] * len(x)
    if whole:
        whole.pixel_scale[:] = scale
        yield whole if np.array_equal(order, np.arange(len(x))) else _reordered(whole, np.argsort(order))
        return
    lowest = np.minimum.accumulate(y0[::-1])[::-1]  # of the rows that an object or those after it need
    for part, stamps in _pieces(cutting, len(x)):
        for band, _ in held:
            band.mapped.release(int(lowest[part.start]) + band.shift[1])
        _cut_bands(cutting, held, x0[part], y0[part], stamps)
        stamps.pixel_scale[:] = scale
        yield stamps


def cut_objects(cutting: Cutting, ids: Sequence[str] | np.ndarray) -> Iterator[CutStamps]:
    """Cut the middle of the images of N objects that have files of their own, a few objects at a time."""
    for part, stamps in _pieces(cutting, len(ids)):
        for i, name in enumerate(ids[part]):
            one = CutStamps(stamps.pixels[i : i + 1], stamps.bad[i : i + 1], [None], stamps.pixel_scale[i : i + 1])
            try:
                _cut_object(cutting, str(name), one)
            except ImageError as error:
                one.reasons[0] = (error.reason, str(error))
            stamps.reasons[i] = one.reasons[0]
        yield stamps


def _no_stamps(cutting: Cutting, n: int) -> CutStamps:
    n_bands, size = len(cutting.template.bands), cutting.size
    return _around(np.empty((n, size, size, n_bands), dtype=np.float32))


def _around(pixels: np.ndarray) -> CutStamps:
    """Return these stamps, of which nothing is known yet."""
    n, bands = len(pixels), pixels.shape[-1]
    return CutStamps(pixels, np.zeros((n, bands)), [None] * n, np.full(n, np.nan))


def _pieces(cutting: Cutting, n: int) -> Iterator[tuple[slice, CutStamps]]:
    """Divide N objects; each piece with room for its stamps, which the next one takes again."""
    step = max(1, PIECE_BYTES // (4 * cutting.size**2 * len(cutting.template.bands)))
    room = _no_stamps(cutting, min(step, n)).pixels
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        count = part.stop - start
        yield part, _around(room[:count])


def _reordered(stamps: CutStamps, order: np.ndarray) -> CutStamps:
    reasons = [stamps.reasons[i] for i in order]
    return CutStamps(stamps.pixels[order], stamps.bad[order], reasons, stamps.pixel_scale[order])


def _cut_object(cutting: Cutting, name: str, stamp: CutStamps) -> None:
    """Cut around the middle of the first band's image."""
    for band in _bands(cutting, name):
        height, width = band.grid.shape
        if min(height, width) < cutting.size and not cutting.pad:
            raise ImageError("too_small", f"the stamp is {width}×{height} pixels, expected {cutting.size} (--size)")
        if np.isnan(stamp.pixel_scale[0]):
            stamp.pixel_scale[0] = _pixel_scale(cutting, band.reference)
        height, width = band.reference.shape
        x0 = window_start(np.array([(width - 1) / 2]), cutting.size)
        y0 = window_start(np.array([(height - 1) / 2]), cutting.size)
        _cut_band(cutting, band, cutting.zero_points.scale(band.plane), x0, y0, stamp)


def _cut_bands(
    cutting: Cutting, bands: list[tuple[_Band, float]], x0: np.ndarray, y0: np.ndarray, stamps: CutStamps
) -> None:
    for band, scale in bands:
        _cut_band(cutting, band, scale, x0, y0, stamps)


def _cut_band(cutting: Cutting, band: _Band, scale: float, x0: np.ndarray, y0: np.ndarray, stamps: CutStamps) -> None:
    """Fill one band of the stamps from windows on the reference grid; sorted by row, unless the band is mapped."""
    index, size = band.plane.band, cutting.size
    pixels = stamps.pixels[..., index]
    if band.shift is None:
        bad, inside = cut_resampled(band.plane.pixels, band.grid, band.reference, x0, y0, size, pixels, scale)
    else:
        x0, y0 = x0 + band.shift[0], y0 + band.shift[1]
        inside = windows_inside(x0, y0, size, band.grid.shape)
        if band.mapped is None:
            bad = _cut_slabs(band.plane.pixels, x0, y0, size, pixels, scale)
        else:
            bad = cut(band.mapped.pixels, x0, y0, size, pixels, scale)
    stamps.bad[:, index] = bad
    if not cutting.pad:
        for i in np.flatnonzero(~inside):
            name = cutting.template.bands[index]
            stamps.reasons[i] = stamps.reasons[i] or ("edge", f"the stamp reaches over the edge of band {name}")


def _cut_slabs(
    source: np.ndarray | Rows, x0: np.ndarray, y0: np.ndarray, size: int, out: np.ndarray, scale: float
) -> np.ndarray:
    """Cut as `cut` does, reading no more rows than the windows need, and not many at once."""
    height, width = source.shape
    bad = np.empty(len(out))
    in_order = isinstance(source, Rows) and source.in_order
    for part in slabs(y0, size, None if in_order else SLAB_BYTES // (8 * width)):
        first = min(max(int(y0[part].min()), 0), height)
        last = min(max(int(y0[part].max()) + size, first), height)
        bad[part] = cut(source[first:last], x0[part], y0[part] - first, size, out[part], scale)
    return bad
