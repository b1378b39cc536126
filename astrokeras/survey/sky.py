"""Read what an image's headers say about the sky, as astropy reads it, and go between pixels and positions.

Pixels are 0-based and in the order of the file's axes, whichever of the two axes is the longitude.
"""

import functools
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from astropy import log
from astropy.coordinates import ICRS, BaseCoordinateFrame, SkyCoord
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS, NoConvergence
from astropy.wcs.utils import wcs_to_celestial_frame

from astrokeras.survey.wcs_cards import claims_sky, needs_tables, wcs_cards

MAX_TABLE_BYTES = 256 << 20  # of a table that a WCS refers to
FRAMES = ("ICRS", "FK5", "FK4", "FK4-NO-E")
_TABLES = ("WCSDVARR", "D2IMARR")
# Cards of a file that are not of the image in another extension (FITS Standard 4.0, appendix K).
_NOT_INHERITED = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|EXTNAME|EXTVER|EXTLEVEL|INHERIT|CHECKSUM|DATASUM|END|"
)
# Cards that differ from band to band and have no part in any WCS. With other differences two WCS are compared.
_HARMLESS = frozenset((
    "", "SIMPLE", "XTENSION", "BITPIX", "EXTEND", "PCOUNT", "GCOUNT", "EXTNAME", "EXTVER", "INHERIT", "BSCALE", "BZERO",
    "BLANK", "BUNIT", "DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM", "DATE", "OBJECT", "FILTER",
    "FILTNAM", "BAND", "EXPTIME", "TEXPTIME", "GAIN", "RDNOISE", "SATURATE", "AIRMASS", "SEEING", "FWHM", "MAGZERO",
    "MAGZPT", "MAGZP", "ZEROPT", "PHOTZP", "FILENAME", "COMMENT", "HISTORY", "END",
))  # fmt: skip


def to_sky(wcs: WCS, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ICRS degrees of pixel positions; NaN where the projection has no answer."""
    longitude, latitude = native_to_sky(wcs, x, y)
    frame = _frame(wcs)
    if isinstance(frame, ICRS):
        return longitude % 360, latitude
    sky = SkyCoord(longitude, latitude, unit="deg", frame=frame).icrs
    return np.asarray(sky.ra.deg), np.asarray(sky.dec.deg)


def to_pixels(wcs: WCS, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pixel positions of ICRS degrees; NaN where the projection has no answer."""
    frame = _frame(wcs)
    if not isinstance(frame, ICRS):
        place = SkyCoord(ra, dec, unit="deg").transform_to(frame).spherical
        ra, dec = place.lon.deg, place.lat.deg
    return native_to_pixels(wcs, ra, dec)


def native_to_sky(wcs: WCS, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return degrees along the longitude and latitude that the WCS itself has."""
    with _quiet():
        world = wcs.all_pix2world(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), 0)
    return np.asarray(world[wcs.wcs.lng]), np.asarray(world[wcs.wcs.lat])


def native_to_pixels(wcs: WCS, longitude: np.ndarray, latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the opposite of `native_to_sky`."""
    world = [np.asarray(latitude, dtype=np.float64)] * 2
    world[wcs.wcs.lng] = np.asarray(longitude, dtype=np.float64)
    with _quiet():
        try:
            x, y = wcs.all_world2pix(*world, 0)
        except NoConvergence as error:  # far outside a distorted field: the answer so far says just that
            x, y = error.best_solution.T
    return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)


def _frame(wcs: WCS) -> BaseCoordinateFrame:
    with _quiet():
        return wcs_to_celestial_frame(wcs)


class Astrometry:
    """What the headers of one image say about the sky; the WCS is made when it is asked for.

    Args:
        header: of the extension that holds the pixels.
        primary: the first header of the file, which counts where `header` inherits it (INHERIT = T) and has no
            celestial axes itself.
        hdus: the open file, for WCS that stand in tables too: those are read at once.
    """

    def __init__(
        self, header: fits.Header, primary: fits.Header | None = None, hdus: fits.HDUList | None = None
    ) -> None:
        self._headers = [header]
        self._aside = ""
        if primary is not None and primary is not header and not claims_sky(header) and claims_sky(primary):
            if header.get("INHERIT") is True:
                self._headers.append(primary)
            else:
                self._aside = "the first header of the file has one, but the extension does not say INHERIT = T"
        self._in_tables = False
        if hdus is not None:
            self._in_tables = any(map(needs_tables, self._headers))
            if self._in_tables:
                self._hdus = hdus
                self._read  # noqa: B018 - as long as the file is open
                del self._hdus

    @property
    def wcs(self) -> WCS | None:
        """The celestial WCS, None where there is none that can be used."""
        return self._read[0]

    @property
    def native(self) -> WCS | None:
        """The WCS also where it is of a sphere that cannot be compared with a catalogue's."""
        return self._read[1]

    @property
    def why(self) -> str:
        """Why there is no `wcs`, in words that follow a file's name; empty where there is one."""
        return self._read[2]

    @functools.cached_property
    def claimed(self) -> bool:
        """Whether the headers say that there is a WCS, readable or not."""
        return any(map(claims_sky, self._headers))

    def same_text(self, other: "Astrometry") -> bool:
        """Return whether all that could have a part in the WCS is the same to the letter."""
        return self is other or (not self._in_tables and not other._in_tables and self._text == other._text)

    @functools.cached_property
    def _text(self) -> list[str]:
        lines = []
        for header in self._headers:
            text = header.tostring("", endcard=False, padding=False)
            cards = (text[start : start + 80] for start in range(0, len(text), 80))
            lines += [card for card in cards if card[:8].rstrip() not in _HARMLESS]
        return lines

    @functools.cached_property
    def _read(self) -> tuple[WCS | None, WCS | None, str]:
        wcs = None
        try:
            with _quiet():
                wcs = self._make()
                if wcs is None:
                    return None, None, f"has no WCS{': ' * bool(self._aside)}{self._aside}"
                return wcs, wcs, ""
        except _Unusable as error:
            return None, error.native, f"has a WCS that cannot be used: {error}"
        except Exception as error:  # damaged headers are refused in many ways
            if not self.claimed:
                return None, None, "has no WCS"
            return None, None, f"has a WCS that cannot be read: {_said(error)}"

    def _make(self) -> WCS | None:
        if not self._headers[0] and len(self._headers) == 1:
            return None
        header = _merged(self._headers)
        cards = wcs_cards(header)
        hdus = getattr(self, "_hdus", None)
        if hdus is not None:
            _check_tables(cards, hdus)
        wcs = WCS(cards, hdus, naxis=2)
        if wcs.wcs.lng < 0 or wcs.wcs.lat < 0:
            wcs.wcs.set()
        if wcs.wcs.lng < 0 or wcs.wcs.lat < 0:
            if self.claimed:
                axes = " and ".join(repr(name) for name in wcs.wcs.ctype)
                raise _Unusable(f"its first two axes are {axes}, expected a longitude and a latitude")
            return None
        _check_frame(wcs)
        if not np.isfinite(to_sky(wcs, *(wcs.wcs.crpix[:, None] - 1))).all():
            raise ValueError("its reference pixel lies nowhere on the sky")
        return wcs


class _Unusable(Exception):
    """Why a WCS that can be read is of no use; `native`: the WCS."""

    def __init__(self, why: str, native: WCS | None = None) -> None:
        super().__init__(why)
        self.native = native


def _merged(headers: list[fits.Header]) -> fits.Header:
    """Return the first header, and of the others the cards that it lacks."""
    if len(headers) == 1:
        return headers[0]
    own, inherited = headers
    merged = own.copy()
    for card in inherited.cards:
        if not _NOT_INHERITED.fullmatch(card.keyword) and card.keyword not in own:
            merged.append(card, end=True)
    return merged


def _check_frame(wcs: WCS) -> None:
    """Raise `_Unusable` where the frame of a WCS is none that astropy knows."""
    try:
        _frame(wcs)
    except Exception:
        radesys = wcs.wcs.radesys.strip()
        if radesys and radesys not in FRAMES:
            said = f"RADESYS is {radesys!r}, expected {', '.join(FRAMES[:-1])} or {FRAMES[-1]}"
        else:
            said = (
                f"its axes are {' and '.join(repr(name) for name in wcs.wcs.ctype)}, expected right ascension and "
                "declination (RA, DEC) or galactic coordinates (GLON, GLAT)"
            )
        raise _Unusable(said, wcs) from None


def _check_tables(cards: fits.Header, hdus: fits.HDUList) -> None:
    """Raise ValueError where tables that a WCS refers to are missing or too large; have the others ready to be read."""
    named = {str(cards[keyword]).strip().upper() for keyword in cards if re.fullmatch(r"PS\d+_0[A-Z]?", keyword)}
    found = set()
    for hdu in hdus[1:]:
        if hdu.name not in named and hdu.name not in _TABLES:
            continue
        if hdu.size > MAX_TABLE_BYTES:
            raise ValueError(f"its table {hdu.name} claims {hdu.size:,} bytes")
        if hasattr(hdu, "_do_not_scale_image_data"):
            hdu._do_not_scale_image_data = False
        found.add((hdu.name, hdu.ver))
    for keyword in cards:
        if re.fullmatch(r"(CPDIS|CQDIS|D2IMDIS)\d+", keyword) and str(cards[keyword]).strip().upper() == "LOOKUP":
            kind = "D2IM" if keyword.startswith("D2IM") else keyword[1] + "P"
            table = "D2IMARR" if kind == "D2IM" else "WCSDVARR"
            if not any(name == table for name, _ in found):
                raise ValueError(f"{keyword} is LOOKUP, but the file has no extension {table}")


def _said(error: BaseException) -> str:
    """Return what astropy or wcslib says about a header, without where in their sources they say it."""
    text = re.sub(r"ERROR \d+ in \w+\(\) at line \d+ of file \S+?:(?=\s)", " ", str(error))
    text = " ".join(re.sub(r"[^\x20-\x7e]", " ", text).split())
    return (text[:200] or "no reason is given").rstrip(". ")


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what astropy has to say about headers that break a standard."""
    disabled, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", AstropyWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        log.disabled = disabled
