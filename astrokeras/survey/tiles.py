"""Check tile-compressed FITS images before their tiles reach a decoder.

Source: FITS Standard 4.0, section 10 (tiled image compression).
"""

import dataclasses
import gzip
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from astrokeras.survey.image_error import Damaged, ImageError

_DEFLATE_LIMIT = 1032  # bytes that one byte of zlib's format can become at most (zlib's technical notes)
_KINDS = ("GZIP_1", "GZIP_2", "RICE_1", "RICE_ONE", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS")
_DITHERS = ("NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2", "NONE")
_UNCHECKED_BYTES = 64 << 20


def table_bytes(table: fits.Header) -> int:
    """Return bytes of the table and heap that hold the tiles."""
    return table["NAXIS1"] * table["NAXIS2"] + table.get("PCOUNT", 0)


def check_tiling(hdu: Any, path: Path, max_bytes: int, hcompress: bool) -> None:
    """Refuse headers that no compressed image can have, and those whose decoder would not be safe.

    Raises:
        ImageError: with the reason.
    """
    table = hdu._bintable.header
    kind = _compression(table)
    if kind == "HCOMPRESS_1" and not hcompress:
        raise ImageError(
            "hcompress", f"{path} is compressed by HCOMPRESS, whose decoder is unsafe on damaged files; "
            "if you trust where the files come from, use --hcompress",
        )  # fmt: skip
    tile = tuple(int(n) for n in hdu.tile_shape)
    if len(tile) != len(hdu.shape) or any(n < 1 for n in tile):
        raise ImageError("unreadable_image", f"{path}: its compressed tiles have the shape {tile}")
    n_tiles = math.prod(-(-n // t) for n, t in zip(hdu.shape, tile, strict=True))
    if table["NAXIS2"] != n_tiles:
        raise ImageError("unreadable_image", f"{path}: it holds {table['NAXIS2']} compressed tiles, expected {n_tiles}")
    if min(table["NAXIS1"], table.get("PCOUNT", 0)) < 0:
        raise ImageError("unreadable_image", f"{path}: its table of compressed pixels has a negative length")
    if table_bytes(table) > max_bytes:
        raise ImageError("image_too_large", f"{path} claims {table_bytes(table):,} bytes of compressed pixels")
    _check_settings(table, path)


def _check_settings(table: fits.Header, path: Path) -> None:
    kind, settings = _compression(table), _settings(table)
    one_of = {"ZCMPTYPE": (kind, _KINDS), "ZQUANTIZ": (table.get("ZQUANTIZ", "NO_DITHER"), _DITHERS)}
    if kind.startswith("RICE"):
        for name, values in {"BLOCKSIZE": (16, 32), "BYTEPIX": (1, 2, 4, 8)}.items():
            one_of[f"RICE's {name}"] = settings.get(name, values[-1]), values
    for name, (value, values) in one_of.items():
        if value not in values:
            raise ImageError("unreadable_image", f"{path}: {name} is {value!r}, expected one of {values}")
    seed = table.get("ZDITHER0", 1)
    if not isinstance(seed, int) or not 0 <= seed <= 10_000:
        raise ImageError("unreadable_image", f"{path}: ZDITHER0 is {seed!r}, expected 1 to 10000")


@dataclasses.dataclass(frozen=True)
class HeldTiles:
    """A compressed image whose table and heap are at hand, so that astropy need not seek and read for each tile.

    That takes nearly as long as decompressing, and far longer in a file that is packed as a whole.
    """

    hdu: Any
    table: "_Table"

    @classmethod
    def hold(cls, hdu: Any, read_bytes: Callable[[int, int], np.ndarray]) -> "HeldTiles":
        """Take hold of what astropy keeps behind `hdu`; `read_bytes(start, size)` gives bytes of the file."""
        if not isinstance(hdu._bintable, _Table):
            behind = hdu._bintable
            raw = read_bytes(behind._data_offset, table_bytes(behind.header))
            header = behind.header
            if hdu.header["BITPIX"] < 0 and "ZSCALE" not in behind.data.names:
                # Floats that are kept as they are say NaN themselves; astropy would compare them with ZBLANK or BLANK.
                header = header.copy()
                header.remove("ZBLANK", ignore_missing=True)
                hdu.header.remove("BLANK", ignore_missing=True)
            hdu._bintable = _Table(header, behind.data, raw, behind._theap)
        return cls(hdu, hdu._bintable)

    @property
    def blanks(self) -> tuple[object, ...]:
        """Beside the image's own BLANK, the stored numbers that stand for undefined pixels in tiles."""
        return tuple(self.table.header[keyword] for keyword in ("ZBLANK", "BLANK") if keyword in self.table.header)

    def read(self, index: tuple[int, ...], start: int, stop: int) -> np.ndarray:
        """Return rows `start` to `stop`, as they are stored, of the plane at `index` of the leading axes.

        Tiles are unpacked once they are known to be safe.

        Raises:
            Exception: anything that a damaged file causes.
        """
        tile_rows = slice(start // self.hdu.tile_shape[-2], (stop - 1) // self.hdu.tile_shape[-2] + 1)
        counts = [-(-n // t) for n, t in zip(self.hdu.shape, self.hdu.tile_shape, strict=True)]
        planes = tuple(i // t for i, t in zip(index, self.hdu.tile_shape, strict=False))
        numbers = np.arange(math.prod(counts)).reshape(counts)[(*planes, tile_rows)].ravel()
        self._check(numbers)
        return self.hdu.section[(*index, slice(start, stop), slice(None))]

    def _check(self, numbers: np.ndarray) -> None:
        """Refuse tiles that would harm their decoder."""
        kind = _compression(self.table.header)
        limit = 8 * math.prod(min(n, t) for n, t in zip(self.hdu.shape, self.hdu.tile_shape, strict=True))
        for column in ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"):
            if column not in self.table.data.names:
                continue
            item = {"I": 2, "J": 4}.get(self.table.data.columns[column].format.lstrip("1")[1:2], 1)
            sizes, offsets = np.array(self.table.data[column])[numbers].T.astype(np.int64)
            sizes = sizes * item
            if np.any((sizes < 0) | (offsets < 0) | (offsets + sizes > len(self.table.heap))):
                raise Damaged("a compressed tile lies outside the data, or the file is truncated")
            deflated = kind.startswith("GZIP") or column.startswith("GZIP")
            suspect = sizes * _DEFLATE_LIMIT > _UNCHECKED_BYTES if deflated else (sizes > 0) & (kind == "PLIO_1")
            for size, offset in zip(sizes[suspect], offsets[suspect], strict=True):
                data = self.table.heap[offset : offset + size]
                _check_deflated(data, limit) if deflated else _check_pixel_list(data)


@dataclasses.dataclass(frozen=True)
class _Table:
    """What astropy's decompression asks of the table behind a compressed image."""

    header: fits.Header
    data: fits.FITS_rec
    raw: np.ndarray
    _theap: int
    _data_offset: int = 0

    @property
    def heap(self) -> np.ndarray:
        return self.raw[self._theap :]

    def _get_raw_data(self, shape: Any, dtype: Any, offset: int) -> np.ndarray:
        if not 0 <= offset <= len(self.raw):
            raise Damaged("a compressed tile lies outside the data, or the file is truncated")
        return np.ndarray(shape, dtype, self.raw, offset)


def _compression(table: fits.Header) -> str:
    return str(table.get("ZCMPTYPE", "")).strip().upper()


def _settings(table: fits.Header) -> dict[str, Any]:
    numbers = (keyword[5:] for keyword in table if keyword.startswith("ZNAME"))
    return {str(table[f"ZNAME{n}"]).strip().upper(): table.get(f"ZVAL{n}") for n in numbers}


def _check_deflated(data: np.ndarray, limit: int) -> None:
    total = 0
    with gzip.GzipFile(fileobj=io.BytesIO(data.tobytes())) as stream:
        while chunk := stream.read(1 << 20):
            total += len(chunk)
            if total > limit:
                raise ImageError("image_too_large", "a compressed tile would unpack to more than its pixels")


def _check_pixel_list(data: np.ndarray) -> None:
    """Refuse a PLIO line list shorter than the length in words that it gives for itself: the decoder trusts it."""
    words = data[: len(data) // 2 * 2].view(">i2")
    if len(words) < 3 or (words[2] <= 0 and len(words) < 5):
        raise Damaged("a compressed tile is cut short")
    length = int(words[2]) if words[2] > 0 else (int(words[4]) << 15) + int(words[3])
    if not 0 <= length <= len(words):
        raise Damaged("a compressed tile is cut short")
