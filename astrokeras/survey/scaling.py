"""From the numbers that a FITS file stores to the values that they mean.

Source: FITS Standard 4.0, sections 4.4.2.5 (BSCALE, BZERO, BLANK), 5.2.5 (unsigned integers) and 5.3 (undefined
pixels); for the asinh scale of Pan-STARRS1's stacks, Waters et al. 2020, ApJS 251, 4, section 3.
"""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
from astropy.io import fits

from astrokeras.survey.image_error import Damaged

POGSON = 2.5 / math.log(10)  # magnitudes of a factor e


@dataclasses.dataclass(frozen=True)
class Scaling:
    """What a header says about the stored numbers: value = zero + scale × number, `blanks` are no values at all.

    Attributes:
        bitpix: type of the stored numbers.
        scale: BSCALE.
        zero: BZERO.
        blanks: of integers, the stored numbers that mean an undefined pixel.
    """

    bitpix: int
    scale: float = 1
    zero: float = 0
    blanks: tuple[int, ...] = ()

    @classmethod
    def of(cls, header: fits.Header, others: Iterable[object] = ()) -> "Scaling":
        """Return the scaling of an image with this header, whose BSCALE and BZERO are numbers.

        Args:
            header: of the image.
            others: values with BLANK's meaning that are written elsewhere (ZBLANK).
        """
        bitpix = header["BITPIX"]
        blanks = {_integer(value) for value in (header.get("BLANK"), *others)} - {None}
        zero, scale = (header.get(keyword, default) for keyword, default in (("BZERO", 0), ("BSCALE", 1)))
        return cls(
            bitpix,
            scale if isinstance(scale, int | float) else 1,
            zero if isinstance(zero, int | float) else 0,
            tuple(sorted(blanks)) if bitpix > 0 else (),
        )

    @property
    def plain(self) -> bool:
        """Whether the stored numbers are the values."""
        return self.scale == 1 and self.zero == 0 and not self.blanks

    def values(self, stored: np.ndarray) -> np.ndarray:
        """Return the values of stored numbers, NaN where they are undefined.

        Types are those of astropy: integers as long as they are integers and defined, otherwise float32 of 8 and 16
        bits, float64 of 32 bits; integers of 64 bits among undefined ones are ``longdouble``, which keeps them whole
        where the machine can.
        """
        if self.plain:
            return stored
        blank = self._blank(stored)
        values = self._scaled(stored)
        if blank is None:
            return values
        if values.dtype.kind != "f":
            values = values.astype({1: np.float32, 2: np.float32, 4: np.float64}.get(stored.itemsize, np.longdouble))
        values[blank] = np.nan
        return values

    def _blank(self, stored: np.ndarray) -> np.ndarray | None:
        """Return where stored numbers are undefined, compared as integers; None where none is."""
        blank = None
        for number in self.blanks:
            here = stored == number
            if isinstance(here, np.ndarray) and here.any():
                blank = here if blank is None else blank | here
        return blank

    def _scaled(self, stored: np.ndarray) -> np.ndarray:
        bits = abs(self.bitpix)
        if self.scale == 1 and self.zero == 0:
            return stored
        if self.bitpix == 8 and (self.scale, self.zero) == (1, -128):
            return (stored ^ np.uint8(128)).view(np.int8)
        if self.bitpix > 8 and (self.scale, self.zero) == (1, 1 << (bits - 1)):
            native = stored.astype(stored.dtype.newbyteorder("="))
            return native.view(f"u{bits // 8}") ^ native.dtype.type(-1 << (bits - 1)).view(f"u{bits // 8}")
        if self.bitpix > 0:
            values = stored.astype(np.float32 if bits <= 16 else np.float64)
        else:
            values = stored.astype(stored.dtype.newbyteorder("="))
        with np.errstate(over="ignore", invalid="ignore"):
            if self.scale != 1:
                values *= self.scale
            if self.zero != 0:
                values += self.zero
        return values


def _integer(value: object) -> int | None:
    """Return a value of BLANK, which may be written as 32767.0."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    return int(value) if math.isfinite(value) and value == int(value) else None


@dataclasses.dataclass(frozen=True)
class Asinh:
    """The scale of Pan-STARRS1's stacks: flux = offset + 2 softening sinh(v / (2.5 / ln 10))."""

    softening: float
    offset: float

    def flux(self, values: np.ndarray) -> np.ndarray:
        """Return flux, float32, of asinh-scaled values; infinite where it is beyond float32."""
        with np.errstate(over="ignore", invalid="ignore"):
            flux = self.offset + 2 * self.softening * np.sinh(np.asarray(values, dtype=np.float64) / POGSON)
            return flux.astype(np.float32)


def asinh_scale(header: fits.Header, primary: fits.Header) -> Asinh | None:
    """Return the asinh scale of an image, told by BSOFTEN and BOFFSET in its header or in the first of the file.

    Raises:
        Damaged: one of the two is missing or no number.
    """
    cards = {}
    for keyword in ("BSOFTEN", "BOFFSET"):
        value = header.get(keyword, primary.get(keyword))
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise Damaged(f"{keyword} is {value!r}, expected the number of an asinh scale")
            cards[keyword] = float(value)
    if not cards:
        return None
    if len(cards) < 2 or not cards["BSOFTEN"] > 0:
        said = ", ".join(f"{keyword} = {value:g}" for keyword, value in cards.items())
        raise Damaged(f"pixels on an asinh scale need BSOFTEN above 0 and BOFFSET, but the header has {said}")
    return Asinh(cards["BSOFTEN"], cards["BOFFSET"])
