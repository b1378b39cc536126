"""Read survey images: FITS in any extension, cubes, and JPEG or PNG colour images.

One band of one image is in memory at a time. A file's claims about its size are checked before its pixels
are touched, and whatever goes wrong becomes an `ImageError` with a reason that a person understands.
"""

import dataclasses
import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning, AstropyWarning
from PIL import Image

from astrokeras.errors import UsageError
from astrokeras.survey.template import ImageTemplate

DISPLAY_SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_IMAGE_BYTES = 4 << 30


class ImageError(Exception):
    """An image that cannot be used; `reason` is the word that stands in ``rejects.ecsv``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Plane:
    """One band of one image.

    Attributes:
        band: index of the band.
        pixels: ``[H, W]`` in the file's own dtype.
        header: of the extension that holds the pixels; empty for JPEG and PNG.
        primary: the file's first header, where a keyword is looked up that `header` lacks.
    """

    band: int
    pixels: np.ndarray
    header: fits.Header
    primary: fits.Header


def is_display(path: str | Path) -> bool:
    """Whether the file is a JPEG or PNG, whose values are display levels 0 to 255 and not fluxes."""
    return str(path).lower().endswith(DISPLAY_SUFFIXES)


def parse_extensions(text: str | None, bands: tuple[str, ...]) -> dict[str, str | int]:
    """Read ``--ext``: one name or number for every band, or ``r=SCI_R,g=SCI_G`` for each."""
    if not text:
        return {}
    if "=" not in text:
        return dict.fromkeys(bands, _extension(text))
    pairs = {name.strip(): value for name, _, value in (item.partition("=") for item in text.split(","))}
    if set(pairs) != set(bands) or len(set(map(_extension, pairs.values()))) < len(bands):
        raise UsageError(f"--ext {text}: expected BAND=EXTENSION, each its own, for each of {','.join(bands)}")
    return {band: _extension(value) for band, value in pairs.items()}


def _extension(text: str) -> str | int:
    return int(text) if text.strip().isdecimal() else text.strip()


def read_planes(
    template: ImageTemplate, unit: str, extensions: dict[str, str | int], *, headers_only: bool = False
) -> Iterator[Plane]:
    """Yield the bands of one field (or of one object's own files), one after the other.

    Args:
        template: where the files are.
        unit: the field's name or the object's id.
        extensions: the extension of each band, from `parse_extensions`; empty: the first with pixels.
        headers_only: leave the pixels unread; `pixels` is then a read-only dummy of the right shape.

    Raises:
        ImageError: a file is missing, damaged, too large, or of a shape that does not hold the bands.
    """
    try:
        paths = [template.path(unit, band) for band in template.bands]
    except ValueError as error:
        raise ImageError("bad_name", str(error)) from None
    for path in paths:
        try:
            there = path.is_file()
        except OSError as error:  # a name too long, a directory that may not be read
            raise ImageError("missing_image", _one_line(error)) from None
        if not there:
            raise ImageError("missing_image", f"{path} does not exist")
    if is_display(paths[0]):
        yield from _display_planes(template, paths)
        return
    one_file = "band" not in template
    for index, (band, path) in enumerate(zip(template.bands, paths, strict=True)):
        # One extension for all bands: each is a plane of the cube there.
        cube = one_file and len(template.bands) > 1 and len(set(extensions.values())) <= 1
        yield _read_fits(path, extensions.get(band), _Wanted(index, cube, len(template.bands)), headers_only)


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """Which band, and whether it is one plane of a cube that holds all of them."""

    band: int
    cube: bool
    n_bands: int

    @property
    def plane(self) -> int:
        return self.band if self.cube else 0

    def check(self, shape: tuple[int, ...], path: Path) -> None:
        planes = math.prod(shape[:-2])
        expected = self.n_bands if self.cube else 1
        if planes != expected:
            raise ImageError("wrong_bands", f"{path} holds {planes} image planes, expected {expected} (--bands, --ext)")


def _display_planes(template: ImageTemplate, paths: list[Path]) -> Iterator[Plane]:
    for index, path in enumerate(paths if "band" in template else paths[:1]):
        levels = _read_display(path)
        expected = 1 if "band" in template else len(template.bands)
        if levels.shape[2] != expected:
            raise ImageError(
                "wrong_bands", f"{path} has {levels.shape[2]} colour channels, expected {expected} (--bands)"
            )
        for channel in range(expected):
            yield Plane(index + channel, levels[:, :, channel], fits.Header(), fits.Header())


def _read_display(path: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.mode == "I" or image.mode.startswith("I;16"):  # 16 bits; Pillow's name for it has changed
                    return np.asarray(image, dtype=np.float32)[:, :, None] / 257
                grey = image.mode in ("1", "L", "LA")
                return np.atleast_3d(np.asarray(image.convert("L" if grey else "RGB"), dtype=np.float32))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError("image_too_large", f"{path}: {_one_line(error)}") from None
    except Exception as error:  # a damaged file can raise anything at all from within the reader
        raise ImageError("unreadable_image", f"{path}: {_one_line(error)}") from None


def _read_fits(path: Path, extension: str | int | None, wanted: _Wanted, headers_only: bool) -> Plane:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            warnings.filterwarnings("error", ".*truncated.*", AstropyUserWarning)
            return _open_and_read(path, extension, wanted, headers_only)
    except ImageError:
        raise
    except AstropyUserWarning as warning:
        raise ImageError("unreadable_image", f"{path}: {_one_line(warning)}") from None
    except MemoryError:
        raise ImageError("image_too_large", f"{path}: not enough memory to read it") from None
    except Exception as error:  # a damaged FITS file can raise anything at all from within the reader
        raise ImageError("unreadable_image", f"{path}: {_one_line(error)}") from None


def _open_and_read(path: Path, extension: str | int | None, wanted: _Wanted, headers_only: bool) -> Plane:
    # Scaled integers (BZERO, BLANK) and compressed tiles cannot be mapped; everything else is, so that a
    # few stamps do not read the whole tile.
    for memmap in (True, False):
        # Opened here, since astropy leaves a file open whose first header it cannot read.
        with path.open("rb") as stream, fits.open(stream, memmap=memmap, lazy_load_hdus=True) as hdus:
            hdu = _select(hdus, extension, path)
            shape = _checked_shape(hdu, path)
            wanted.check(shape, path)
            headers = hdu.header.copy(), hdus[0].header.copy()
            if headers_only:
                return Plane(wanted.band, np.broadcast_to(np.float32(0), shape[-2:]), *headers)
            try:
                data = hdu.data
            except ValueError as error:
                if memmap and "memory-mapped" in str(error):
                    continue
                raise
            if data is None or data.shape != shape:
                raise ImageError("unreadable_image", f"{path}: its pixels are missing")
            return Plane(wanted.band, data.reshape(-1, *shape[-2:])[wanted.plane], *headers)
    raise ImageError("unreadable_image", f"{path}: its pixels cannot be read")


def _select(hdus: fits.HDUList, extension: str | int | None, path: Path) -> fits.hdu.base._BaseHDU:
    if extension is not None:
        try:
            hdu = hdus[extension]
        except (KeyError, IndexError):
            raise ImageError("missing_extension", f"{path} has no extension {extension!r} (--ext)") from None
        if not (hdu.is_image and len(hdu.shape) >= 2 and math.prod(hdu.shape) > 0):
            raise ImageError("no_pixels", f"{path}: extension {extension!r} holds no image (--ext)")
        return hdu
    for hdu in hdus:
        if hdu.is_image and len(hdu.shape) >= 2 and math.prod(hdu.shape) > 0:
            return hdu
    raise ImageError("no_pixels", f"{path} holds no image: every extension is a table or empty")


def _checked_shape(hdu: fits.hdu.base._BaseHDU, path: Path) -> tuple[int, ...]:
    """The shape that the header claims, once it is known to be believable."""
    shape = tuple(int(n) for n in hdu.shape)
    n_bytes = math.prod(shape) * abs(int(hdu.header.get("BITPIX", -32))) // 8
    if n_bytes > MAX_IMAGE_BYTES:
        raise ImageError("image_too_large", f"{path} claims {n_bytes:,} bytes of pixels in {shape}")
    plain = not isinstance(hdu, fits.CompImageHDU) and path.suffix.lower() not in (".gz", ".bz2", ".z", ".zip")
    if plain and n_bytes > path.stat().st_size:
        raise ImageError("unreadable_image", f"{path} is truncated: its header promises {n_bytes:,} bytes of pixels")
    return shape


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
