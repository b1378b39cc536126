"""Read survey images: FITS in any extension, cubes, and JPEG or PNG colour images.

One band of one image is read at a time, and of it the rows that are asked for. A file's claims about its size are
checked before its pixels are touched, and whatever goes wrong becomes an `ImageError` with a reason that a person
understands.
"""

import dataclasses
import itertools
import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from PIL import Image

from astrokeras.errors import UsageError
from astrokeras.survey.fits_file import MAX_IMAGE_BYTES, FitsFile, Rows
from astrokeras.survey.image_error import ImageError, one_line
from astrokeras.survey.scaling import Asinh
from astrokeras.survey.sky import Astrometry
from astrokeras.survey.template import ImageTemplate

DISPLAY_SUFFIXES = (".jpg", ".jpeg", ".png")
Extension = str | int


@dataclasses.dataclass(frozen=True)
class Plane:
    """One band of one image.

    Attributes:
        band: index of the band.
        pixels: ``[H, W]`` in the file's own dtype: an array, or `Rows` that are read when they are asked for, which is
            possible until the next plane is taken from `read_planes`.
        header: of the extension that holds the pixels; empty for JPEG and PNG.
        primary: the file's first header, where a keyword is looked up that `header` lacks.
        astrometry: what the headers say about the sky; of these two headers, unless it is given.
        asinh: the scale of the stored pixels, where it was one: `pixels` are linear flux.
        path: the file.
    """

    band: int
    pixels: np.ndarray | Rows
    header: fits.Header
    primary: fits.Header
    astrometry: Astrometry = None  # type: ignore[assignment]
    asinh: Asinh | None = None
    path: Path | None = None

    def __post_init__(self) -> None:
        if self.astrometry is None:
            object.__setattr__(self, "astrometry", Astrometry(self.header, self.primary))


def is_display(path: str | Path) -> bool:
    """Return whether the file is a JPEG or PNG, whose values are display levels 0 to 255 and not fluxes."""
    return str(path).lower().endswith(DISPLAY_SUFFIXES)


def parse_extensions(text: str | None, bands: tuple[str, ...], option: str = "--ext") -> dict[str, Extension]:
    """Read ``--ext``: one name or number for every band, or ``r=SCI_R,g=SCI_G`` for each."""
    if not text:
        return {}
    if "=" not in text:
        return dict.fromkeys(bands, _extension(text))
    pairs = {name.strip(): value for name, _, value in (item.partition("=") for item in text.split(","))}
    if set(pairs) != set(bands) or len(set(map(_extension, pairs.values()))) < len(bands):
        raise UsageError(f"{option} {text}: expected BAND=EXTENSION, each its own, for each of {','.join(bands)}")
    return {band: _extension(value) for band, value in pairs.items()}


def _extension(text: str) -> Extension:
    return int(text) if text.strip().isdecimal() else text.strip()


def read_planes(
    template: ImageTemplate,
    unit: str,
    extensions: dict[str, Extension],
    *,
    max_bytes: int = MAX_IMAGE_BYTES,
    hcompress: bool = False,
    shared: bool = False,
) -> Iterator[Plane]:
    """Yield the bands of one field (or of one object's own files), one after the other.

    Args:
        template: where the files are.
        unit: the field's name or the object's id.
        extensions: the extension of each band, from `parse_extensions`; empty: the first with pixels.
        max_bytes: images that claim more bytes of pixels are refused.
        hcompress: read HCOMPRESS too.
        shared: they are weights or masks: one image in a template without ``{band}`` may serve all bands, and pixels
            are on no asinh scale.

    Raises:
        ImageError: a file is missing, damaged, too large, or of a shape that does not hold the bands.
    """
    paths = _paths(template, unit)
    if is_display(paths[0]):
        yield from _display_planes(template, paths, max_bytes)
        return
    n_bands = len(template.bands)
    # One extension for all bands: each is a plane of the cube there.
    cube = "band" not in template and n_bands > 1 and len(set(extensions.values())) <= 1
    for path, group in itertools.groupby(enumerate(paths), key=lambda pair: pair[1]):
        with FitsFile(path, max_bytes, hcompress) as file:
            image, previous = None, None
            for band, _ in group:
                extension = extensions.get(template.bands[band])
                if image is None or extension != previous:
                    image, previous = file.image(extension), extension
                planes = math.prod(image.shape[:-2])
                one_for_all = cube and shared and planes == 1
                expected = n_bands if cube else 1
                if planes != expected and not one_for_all:
                    raise ImageError(
                        "wrong_bands", f"{path} holds {planes} image planes, expected {expected} (--bands, --ext)"
                    )
                asinh = None if shared else image.asinh
                rows = image.rows(band if cube and not one_for_all else 0, asinh)
                yield Plane(band, rows, image.header, image.primary, image.astrometry, asinh, path)


def _paths(template: ImageTemplate, unit: str) -> list[Path]:
    try:
        paths = [template.path(unit, band) for band in template.bands]
    except ValueError as error:
        raise ImageError("bad_name", str(error)) from None
    for path in paths:
        try:
            there, regular = path.exists(), path.is_file()
        except OSError as error:  # a name too long, a directory that may not be read
            raise ImageError("missing_image", one_line(error)) from None
        if not there:
            raise ImageError("missing_image", f"{path} does not exist")
        if not regular:
            raise ImageError("unreadable_image", f"{path} is no regular file")
    return paths


def _display_planes(template: ImageTemplate, paths: list[Path], max_bytes: int) -> Iterator[Plane]:
    for index, path in enumerate(paths if "band" in template else paths[:1]):
        levels = _read_display(path, max_bytes)
        expected = 1 if "band" in template else len(template.bands)
        if levels.shape[2] != expected:
            raise ImageError(
                "wrong_bands", f"{path} has {levels.shape[2]} colour channels, expected {expected} (--bands)"
            )
        for channel in range(expected):
            yield Plane(index + channel, levels[:, :, channel], fits.Header(), fits.Header())


def _read_display(path: Path, max_bytes: int) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("JPEG", "PNG")) as image:
                n_bytes = image.width * image.height * 4 * len(image.getbands())
                if n_bytes > max_bytes:
                    raise ImageError(
                        "image_too_large", f"{path} claims {image.width} × {image.height} pixels (--max-image-bytes)"
                    )
                if image.mode == "I" or image.mode.startswith("I;16"):  # 16 bits; Pillow's name for it has changed
                    return np.asarray(image, dtype=np.float32)[:, :, None] / 257
                grey = image.mode in ("1", "L", "LA")
                return np.atleast_3d(np.asarray(image.convert("L" if grey else "RGB"), dtype=np.float32))
    except ImageError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError, MemoryError) as error:
        raise ImageError("image_too_large", f"{path}: {one_line(error)}") from None
    except Exception as error:  # a damaged file can raise anything at all from within the reader
        raise ImageError("unreadable_image", f"{path}: {one_line(error)}") from None
