"""Cut the stamps of a field's objects, or the middle of each object's own image, band by band in the flux unit."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from astrokeras.config import ConvertConfig
from astrokeras.errors import UsageError
from astrokeras.survey.images import ImageError, is_display, parse_extensions, read_planes
from astrokeras.survey.stamps import cut
from astrokeras.survey.template import ImageTemplate
from astrokeras.survey.units import ZeroPoints, parse_zero_points


@dataclasses.dataclass(frozen=True)
class Cutting:
    """How stamps are cut: what a worker needs beside the objects."""

    template: ImageTemplate
    extensions: dict[str, str | int]
    zero_points: ZeroPoints
    size: int
    pad: bool

    @property
    def unit(self) -> str:
        """``nJy``, ``image`` (no zero point was given) or ``display`` (levels of JPEG and PNG)."""
        return "display" if is_display(self.template.text) else self.zero_points.unit


@dataclasses.dataclass(frozen=True)
class Stamps:
    """What was cut for N objects.

    Attributes:
        pixels: float32 ``[N, size, size, B]`` in the flux unit; bad pixels and what lies off the image are NaN. Not
            set where there is a reason.
        bad: the fraction of bad pixels in each stamp and band, among those that lie on the image, ``[N, B]``.
        reasons: why an object has no stamp, as (reason, detail); None where it has.
    """

    pixels: np.ndarray
    bad: np.ndarray
    reasons: list[tuple[str, str] | None]


def parse_cutting(config: ConvertConfig) -> Cutting:
    """How `config` wants the stamps to be cut.

    Raises:
        UsageError: options that cannot be read or contradict each other.
    """
    cutting = Cutting(
        template=ImageTemplate(config.images, config.bands),
        extensions=parse_extensions(config.ext, config.bands),
        zero_points=parse_zero_points(config.zero_point, config.bands, config.catalog_bands),
        size=config.size,
        pad=config.edge == "pad",
    )
    if cutting.zero_points.table and "field" not in cutting.template:
        raise UsageError(f"--zero-point {config.zero_point} is a table by field, but --images has no {{field}}")
    if cutting.unit == "display" and config.zero_point:
        raise UsageError("--zero-point: JPEG and PNG hold display levels, not fluxes; leave the zero point out")
    return cutting


def cut_field(cutting: Cutting, field: str, x: np.ndarray, y: np.ndarray) -> Stamps:
    """Cut the stamps of N objects of one field.

    Args:
        cutting: how.
        field: name of the field.
        x: 0-based column of each object, ``[N]``.
        y: 0-based row.
    """
    stamps = _no_stamps(cutting, len(x))
    one_band = np.empty(stamps.pixels.shape[:3], dtype=np.float32)
    try:
        zero_points = cutting.zero_points.of(field)
        for plane in read_planes(cutting.template, field, cutting.extensions):
            scale = np.float32(zero_points.scale(plane))
            stamps.bad[:, plane.band] = cut(plane.pixels, x, y, cutting.size, one_band)
            np.multiply(one_band, scale, out=stamps.pixels[..., plane.band])
    except ImageError as error:
        stamps.reasons[:] = [(error.reason, str(error))] * len(x)
    return stamps


def cut_objects(cutting: Cutting, ids: Sequence[str] | np.ndarray) -> Stamps:
    """Cut the middle of the images of N objects that have files of their own."""
    stamps = _no_stamps(cutting, len(ids))
    for i, name in enumerate(ids):
        try:
            _cut_object(cutting, str(name), stamps.pixels[i], stamps.bad[i])
        except ImageError as error:
            stamps.reasons[i] = (error.reason, str(error))
    return stamps


def _no_stamps(cutting: Cutting, n: int) -> Stamps:
    n_bands, size = len(cutting.template.bands), cutting.size
    return Stamps(np.empty((n, size, size, n_bands), dtype=np.float32), np.zeros((n, n_bands)), [None] * n)


def _cut_object(cutting: Cutting, name: str, pixels: np.ndarray, bad: np.ndarray) -> None:
    for plane in read_planes(cutting.template, name, cutting.extensions):
        height, width = plane.pixels.shape
        if min(height, width) < cutting.size and not cutting.pad:
            raise ImageError("too_small", f"the stamp is {width}×{height} pixels, expected {cutting.size} (--size)")
        scale = np.float32(cutting.zero_points.scale(plane))
        middle_x, middle_y = np.array([(width - 1) / 2]), np.array([(height - 1) / 2])
        one = np.empty((1, cutting.size, cutting.size), dtype=np.float32)
        bad[plane.band] = cut(plane.pixels, middle_x, middle_y, cutting.size, one)[0]
        np.multiply(one[0], scale, out=pixels[..., plane.band])
