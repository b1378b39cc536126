"""Weight and mask images: which pixels of an image are bad."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from astrokeras.config import ImageOptions
from astrokeras.errors import UsageError
from astrokeras.survey.fits_file import Rows
from astrokeras.survey.grids import Grid, different_grids, grid_shift
from astrokeras.survey.images import Extension, ImageError, Plane, parse_extensions, read_planes
from astrokeras.survey.template import ImageTemplate


@dataclasses.dataclass(frozen=True)
class Companion:
    """Images that go with the survey's own, pixel by pixel.

    Attributes:
        kind: ``weight`` (weight or inverse variance: not positive, or NaN, is bad) or ``mask`` (not zero is bad).
        template: where the files are; one without ``{band}`` may hold one image that serves all bands.
        extensions: as for the images.
        bits: of a mask, the bits that mean bad.
    """

    kind: str
    template: ImageTemplate
    extensions: dict[str, Extension]
    bits: int | None = None

    def planes(self, unit: str, **reading: object) -> Iterator[Plane]:
        """Yield the companions of the bands of one field or object, one after the other.

        Raises:
            ImageError: ``no_weight`` or ``no_mask``, and why.
        """
        try:
            yield from read_planes(self.template, unit, self.extensions, shared=True, **reading)
        except ImageError as error:
            raise ImageError(f"no_{self.kind}", str(error)) from None

    def bad(self, pixels: np.ndarray) -> np.ndarray:
        """Return where these pixels of the companion say that the image is bad."""
        if self.kind == "weight":
            return ~(pixels > 0)
        if self.bits is None:
            return pixels != 0  # NaN too
        finite = np.isfinite(pixels)
        return ~finite | (np.where(finite, pixels, 0).astype(np.int64) & self.bits != 0)


def parse_companions(options: ImageOptions, images: ImageTemplate) -> tuple[Companion, ...]:
    """Read ``--weight``, ``--mask`` and the options that go with them.

    Raises:
        UsageError: options without the file that they are about, or placeholders that the images do not have.
    """
    for option in ("weight_ext", "mask_ext", "mask_bits"):
        kind = option.split("_")[0]
        if getattr(options, option) and not getattr(options, kind):
            raise UsageError(f"--{option.replace('_', '-')} goes with --{kind}")
    companions = []
    for kind, text, ext in (
        ("weight", options.weight, options.weight_ext),
        ("mask", options.mask, options.mask_ext),
    ):
        if not text:
            continue
        template = ImageTemplate(text, options.bands, f"--{kind}")
        for placeholder in ("field", "id"):
            if placeholder in template and placeholder not in images:
                raise UsageError(f"--{kind} {text}: {{{placeholder}}} has no meaning, as --images does not have it")
        bits = _parse_bits(options.mask_bits) if kind == "mask" else None
        companions.append(Companion(kind, template, parse_extensions(ext, options.bands, f"--{kind}-ext"), bits))
    return tuple(companions)


def _parse_bits(text: str | None) -> int | None:
    """Return the values of the bits that mean bad, put together: ``1,4,8`` is 13."""
    if not text:
        return None
    bits = 0
    for item in text.split(","):
        if not item.strip().isdecimal() or not 0 < int(item) < 2**63:
            raise UsageError(f"--mask-bits {text}: expected the values of the bits, as in 1,4,8 or 13")
        bits |= int(item)
    return bits


def hide_bad(plane: Plane, companions: list[tuple[Companion, Plane]]) -> Plane:
    """Return the band with NaN where one of its companions calls it bad, read as lazily as the band itself.

    Raises:
        ImageError: a companion lies on another grid.
    """
    if not companions:
        return plane
    grid = Grid(plane)
    for companion, other in companions:
        _check_grid(grid, Grid(other), companion)

    def read(start: int, stop: int) -> np.ndarray:
        pixels = np.asarray(plane.pixels[start:stop])
        pixels = np.array(pixels, dtype=pixels.dtype.newbyteorder("=") if pixels.dtype.kind == "f" else np.float32)
        for companion, other in companions:
            pixels[companion.bad(np.asarray(other.pixels[start:stop]))] = np.nan
        return pixels

    sources = [plane, *(other for _, other in companions)]
    in_order = any(isinstance(source.pixels, Rows) and source.pixels.in_order for source in sources)
    return dataclasses.replace(plane, pixels=Rows(companions[0][0].template.text, grid.shape, read, in_order))


def _check_grid(grid: Grid, other: Grid, companion: Companion) -> None:
    if grid.shape != other.shape:
        raise ImageError(
            "different_grids", f"the {companion.kind} has {other.shape[1]}×{other.shape[0]} pixels, "
            f"its image {grid.shape[1]}×{grid.shape[0]}",
        )  # fmt: skip
    if not (grid.sky.claimed and other.sky.claimed):
        return
    what = f"an image and its {companion.kind}"
    shift = grid_shift(grid, other)
    if shift is None:
        raise different_grids(grid, other, what)
    if shift != (0, 0):
        raise ImageError("different_grids", f"{what} are {shift} pixels apart, expected the same grid")
