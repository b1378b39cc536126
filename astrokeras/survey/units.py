"""Bring every band to one flux unit, the nanojansky.

Source: Oke and Gunn 1983, ApJ 266, 713: m_AB = -2.5 log10(f_nu / erg s^-1 cm^-2 Hz^-1) - 48.60, so that
m_AB = 31.4 - 2.5 log10(f_nu / nJy).
"""

import dataclasses
import math
from collections.abc import Mapping

from astrokeras.errors import UsageError
from astrokeras.survey.images import ImageError, Plane
from astrokeras.survey.tables import is_table
from astrokeras.survey.zero_point_table import read_zero_point_table

AB_ZERO_POINT_NJY = 31.4
# Zero points beyond which one image unit is no nJy that float32 can hold with all its digits (1e-37 to 1e37).
LOWEST, HIGHEST = -61.0, 123.0


@dataclasses.dataclass(frozen=True)
class ZeroPoints:
    """The magnitude that one image unit corresponds to: per band, by header keyword, or per field and band."""

    values: tuple[float, ...] = ()
    keyword: str = ""
    table: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)

    @property
    def unit(self) -> str:
        """``nJy``, or ``image`` where no zero point was given and fluxes stay as they are."""
        return "nJy" if self.values or self.keyword or self.table else "image"

    def of(self, field: str) -> "ZeroPoints":
        """Return the zero points of one field.

        Raises:
            ImageError: the table has no row for it, or lacks one of its bands.
        """
        if not self.table:
            return self
        if field not in self.table:
            raise ImageError("no_zero_point", f"field {field!r} is not in the table of zero points (--zero-point)")
        values = self.table[field]
        if not all(map(math.isfinite, values)):
            raise ImageError(
                "no_zero_point", f"field {field!r} lacks a band in the table of zero points (--zero-point)"
            )
        return ZeroPoints(values)

    def scale(self, plane: Plane) -> float:
        """Return what one image unit of this band is in nJy (1 where there is no zero point).

        Raises:
            ImageError: neither the image's header nor the file's first one has a sensible number under the keyword.
        """
        if self.unit == "image":
            return 1.0
        if self.values:
            return _checked(self.values[plane.band], "the table of zero points")
        value = plane.header.get(self.keyword, plane.primary.get(self.keyword))
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            found = "absent or empty" if value is None else repr(value)
            raise ImageError("no_zero_point", f"header keyword {self.keyword} is {found}, expected a magnitude")
        return _checked(value, f"header keyword {self.keyword}")


def _checked(zero_point: float, source: str) -> float:
    """Do as `_scale`, where what is wrong rejects the image."""
    try:
        return _scale(zero_point)
    except ValueError as error:
        raise ImageError("no_zero_point", f"{source}: {error}") from None


def _scale(zero_point: float) -> float:
    """Return one image unit in nJy; it has to be a number that float32 can hold."""
    if not LOWEST <= zero_point <= HIGHEST:
        raise ValueError(f"{zero_point} is no magnitude of one image unit, expected {LOWEST} to {HIGHEST}")
    return 10.0 ** (0.4 * (AB_ZERO_POINT_NJY - zero_point))


def zero_point_of(unit: str) -> float:
    """Return the magnitude of a flux of 1 in a records' unit.

    AB of a nanojansky; elsewhere 0, for instrumental magnitudes.
    """
    return AB_ZERO_POINT_NJY if unit == "nJy" else 0.0


def _magnitude(text: str) -> float:
    value = float(text)
    _scale(value)
    return value


def parse_zero_points(text: str | None, bands: tuple[str, ...], catalog_bands: tuple[str, ...] = ()) -> ZeroPoints:
    """Read ``--zero-point``: ``25``, ``u=0,g=0,…``, ``header:MAGZPT`` or a table with a row a field."""
    if not text:
        return ZeroPoints()
    if is_table(text):
        return ZeroPoints(table=read_zero_point_table(text, bands, catalog_bands))
    if text.startswith("header:"):
        keyword = text.removeprefix("header:").strip().upper()
        if not keyword:
            raise UsageError(f"--zero-point {text}: expected a header keyword, as in header:MAGZPT")
        return ZeroPoints(keyword=keyword)
    try:
        if "=" not in text:
            return ZeroPoints((_magnitude(text),) * len(bands))
        pairs = {k.strip(): _magnitude(v) for k, v in (item.split("=") for item in text.split(","))}
    except ValueError:
        raise UsageError(
            f"--zero-point {text}: expected a number, BAND=NUMBER for each band, header:KEYWORD or a table"
        ) from None
    missing, unknown = set(bands) - set(pairs), set(pairs) - set(bands)
    if missing or unknown:
        raise UsageError(
            f"--zero-point {text}: "
            + (f"no value for band {', '.join(sorted(missing))}" if missing else "")
            + ("; " if missing and unknown else "")
            + (f"{', '.join(sorted(unknown))} is not in --bands" if unknown else "")
        )
    return ZeroPoints(tuple(pairs[band] for band in bands))
