"""Read rows of FITS images without believing what their headers claim.

Whatever is wrong with a file becomes an `ImageError`. Plain images are mapped, so that only the pixels that are cut are
read; scaled integers and compressed tiles are read by rows; a file compressed as a whole is read through, once. Stored
numbers become values here (`scaling`), since BLANK has to be compared before they are scaled.
"""

import contextlib
import dataclasses
import functools
import math
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from astrokeras.survey.image_error import ImageError, readable
from astrokeras.survey.mapped import MappedPlane
from astrokeras.survey.scaling import Asinh, Scaling, asinh_scale
from astrokeras.survey.sky import Astrometry
from astrokeras.survey.streams import MAX_IMAGE_BYTES, Plain, open_stream
from astrokeras.survey.tiles import HeldTiles, check_tiling


@dataclasses.dataclass(frozen=True)
class Rows:
    """The pixels of one plane, read when rows of them are asked for: ``rows[y0:y1]``, or ``np.asarray(rows)`` for all.

    Only as long as the file is open, which is until the next plane is asked for. Of a file that can only be read
    `in_order`, asking for rows before those of the last time means to unpack it from its beginning again. Pixels that
    are `mapped` can be read for as long as they are kept.
    """

    path: Path
    shape: tuple[int, int]
    read: Callable[[int, int], np.ndarray]
    in_order: bool = False
    mapped: MappedPlane | None = None

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return pixels ``[rows, W]``, in the file's own type unless they are scaled."""
        start, stop, _ = rows.indices(self.shape[0])
        with readable(self.path):
            if stop <= start:
                return np.empty((0, self.shape[1]), dtype=np.float32)
            pixels = self.read(start, stop)
            if pixels.shape != (stop - start, self.shape[1]):
                raise ImageError("unreadable_image", f"{self.path}: its pixels are missing")
            return pixels

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)


class FitsFile:
    """An open FITS file.

    Args:
        path: where it is; gzip and bzip2 are unpacked on the way.
        max_bytes: an image that claims more bytes of pixels is refused.
        hcompress: read tiles compressed by HCOMPRESS, whose decoder is not safe on damaged files.

    Raises:
        ImageError: it is no FITS file.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_IMAGE_BYTES, hcompress: bool = False) -> None:
        self.path, self.max_bytes, self.hcompress = path, max_bytes, hcompress
        with contextlib.ExitStack() as stack, readable(path):
            self._stream = stack.enter_context(open_stream(path, max_bytes))
            with self._stream.explained():
                self.hdus = fits.open(self._stream, memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True)
            self._close = stack.pop_all().close

    def __enter__(self) -> "FitsFile":
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def explained(self) -> contextlib.AbstractContextManager[None]:
        """Raise the reason for which reading was stopped rather than what came of it."""
        return self._stream.explained()

    def image(self, extension: str | int | None) -> "Image":
        """Return an image of the file, the first one unless `extension` names it.

        Raises:
            ImageError: there is no such image, or it cannot be what its header claims.
        """
        with readable(self.path), self.explained():
            hdu = self._select(extension)
            shape = self._check(hdu)
            return Image(self, hdu, shape, hdu.header, self.hdus[0].header)

    def _select(self, extension: str | int | None) -> Any:
        if extension is not None:
            try:
                hdu = self.hdus[extension]
            except (KeyError, IndexError):
                raise ImageError("missing_extension", f"{self.path} has no extension {extension!r}") from None
            if not self._has_pixels(hdu):
                raise ImageError("no_pixels", f"{self.path}: extension {extension!r} is no image but {_kind(hdu)}")
            return hdu
        for hdu in self.hdus:
            if self._has_pixels(hdu):
                return hdu
        held = ", ".join(f"{n} × {kind}" if n > 1 else kind for kind, n in Counter(map(_kind, self.hdus)).items())
        raise ImageError("no_pixels", f"{self.path} holds no image of two or more axes, but {held}")

    def _has_pixels(self, hdu: Any) -> bool:
        if not (hdu.is_image and len(hdu.shape) >= 2):
            return False
        if any(int(n) < 0 for n in hdu.shape):
            raise ImageError("unreadable_image", f"{self.path}: its axes have lengths {hdu.shape}")
        return math.prod(hdu.shape) > 0

    def _check(self, hdu: Any) -> tuple[int, ...]:
        """Return the shape that the header claims, once it is known to be believable."""
        shape, path = tuple(int(n) for n in hdu.shape), self.path
        bitpix = hdu.header.get("BITPIX")
        if bitpix not in (8, 16, 32, 64, -32, -64):
            raise ImageError("unreadable_image", f"{path}: BITPIX is {bitpix!r}, expected 8, 16, 32, 64, -32 or -64")
        n_bytes = math.prod(shape) * abs(bitpix) // 8
        if n_bytes > self.max_bytes:
            raise ImageError(
                "image_too_large",
                f"{path} claims {n_bytes:,} bytes of pixels, more than {self.max_bytes:,} (--max-image-bytes)",
            )
        for keyword in ("BSCALE", "BZERO"):
            value = hdu.header.get(keyword)
            if value is None or isinstance(value, fits.card.Undefined):
                continue
            if isinstance(value, bool | str | complex) or not math.isfinite(value) or (keyword, value) == ("BSCALE", 0):
                raise ImageError("unreadable_image", f"{path}: {keyword} is {value!r}, with which pixels mean nothing")
        if isinstance(hdu, fits.CompImageHDU):
            check_tiling(hdu, path, self.max_bytes, self.hcompress)
        elif isinstance(self._stream, Plain):
            end = hdu.fileinfo()["datLoc"] + n_bytes
            if end > os.fstat(self._stream.fileno()).st_size:
                raise ImageError(
                    "unreadable_image", f"{path} is truncated: its header promises {n_bytes:,} bytes of pixels"
                )
        return shape

    def rows_of(self, hdu: Any, shape: tuple[int, ...], plane: int, asinh: Asinh | None = None) -> Rows:
        """Return plane number `plane` of an image of `shape`, its values on a linear scale if `asinh` is theirs."""
        index = tuple(int(i) for i in np.unravel_index(plane, shape[:-2])) if len(shape) > 2 else ()
        in_order = not isinstance(self._stream, Plain)
        if isinstance(hdu, fits.CompImageHDU):
            tiles = HeldTiles.hold(hdu, self._bytes)
            scaling = Scaling.of(hdu.header, tiles.blanks)
            stored, in_order = (lambda start, stop: tiles.read(index, start, stop)), False
        else:
            scaling = Scaling.of(hdu.header)
            dtype = np.dtype(fits.hdu.base.BITPIX2DTYPE[hdu.header["BITPIX"]]).newbyteorder(">")
            offset = hdu.fileinfo()["datLoc"] + plane * math.prod(shape[-2:]) * dtype.itemsize
            if not in_order and scaling.plain and not asinh:
                mapped = MappedPlane(self._stream, offset, dtype, shape[-2:])
                return Rows(self.path, shape[-2:], lambda start, stop: mapped.pixels[start:stop], mapped=mapped)
            row_bytes = shape[-1] * dtype.itemsize

            def stored(start: int, stop: int) -> np.ndarray:
                with self.explained():
                    content = self._stream.bytes_at(offset + start * row_bytes, (stop - start) * row_bytes)
                if len(content) < (stop - start) * row_bytes:
                    raise ImageError("unreadable_image", f"{self.path} is truncated: its pixels are not all there")
                return content.view(dtype).reshape(stop - start, shape[-1])

        def read(start: int, stop: int) -> np.ndarray:
            values = scaling.values(stored(start, stop))
            return asinh.flux(values) if asinh else values

        return Rows(self.path, shape[-2:], read, in_order)

    def _bytes(self, start: int, size: int) -> np.ndarray:
        """Return bytes of the file, mapped where it is a plain one."""
        if isinstance(self._stream, Plain):
            return np.memmap(self._stream, np.uint8, "r", start, (size,)).view(np.ndarray)
        return self._stream.bytes_at(start, size)


@dataclasses.dataclass(frozen=True)
class Image:
    """One image of an open file: its shape ``(…, H, W)``, its header, and the first header of the file."""

    file: FitsFile
    hdu: Any
    shape: tuple[int, ...]
    header: fits.Header
    primary: fits.Header

    @functools.cached_property
    def asinh(self) -> Asinh | None:
        """The scale of its pixels, where it is an asinh."""
        with readable(self.file.path):
            return asinh_scale(self.header, self.primary)

    @functools.cached_property
    def astrometry(self) -> Astrometry:
        """What its headers say about the sky."""
        with readable(self.file.path), self.file.explained():
            return Astrometry(self.header, self.primary, self.file.hdus)

    def rows(self, plane: int, asinh: Asinh | None = None) -> Rows:
        """Return pixels of one of its planes, counted through all leading axes.

        Brought from the scale `asinh` to flux.
        """
        with readable(self.file.path), self.file.explained():
            return self.file.rows_of(self.hdu, self.shape, plane, asinh)


def _kind(hdu: Any) -> str:
    """Return what an extension without an image is, in words."""
    if isinstance(hdu, fits.GroupsHDU):
        return "random groups"
    if hdu.is_image:
        shape = tuple(int(n) for n in hdu.shape)
        if math.prod(shape) == 0 or not shape:
            return "a header without pixels"
        return f"an image of one axis ({shape[0]} pixels)"
    if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
        return "a table"
    return "an extension of a kind that is not known"
