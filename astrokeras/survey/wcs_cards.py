"""Which cards of a header are handed to astropy's WCS, so that reading them takes no time and harms nothing.

wcslib notes every card that it rejects in a buffer that a few dozen of them overflow, and believes what a header says
about numbers of axes and terms. Cards that it would reject are left out before, which comes to the same.

Source: Greisen and Calabretta 2002, A&A 395, 1061 (the keywords), Shupe et al. 2005, ASP 347, 491 (SIP).
"""

import math
import re

from astropy.io import fits

MAX_CARDS = 5000  # that can have a part in a WCS; a hundred are many
MAX_SIP_ORDER = 9
MAX_TERMS = 1000  # of a polynomial distortion on one axis
_NEVER = frozenset(("", "COMMENT", "HISTORY", "CONTINUE", "END", "HIERARCH"))
_NUMBERS = re.compile(
    r"(CRVAL|CRPIX|CDELT|CROTA|CRDER|CSYER|CZPHS|CPERI|CPERR|CQERR|DVERR|CD|PC|PV)(\d+)(?:_(\d+))?[A-Z]?"
    r"|(EQUINOX|EPOCH|LONPOLE|LATPOLE|VELOSYS|ZSOURCE|VELANGL|RESTFRQ|RESTFREQ|RESTWAV|WCSAXES|MJD-\w+|OBSGEO-\w)[A-Z]?"
)
_TEXTS = re.compile(
    r"(CTYPE|CUNIT|CNAME|WAT|PS)(\d+)(?:_(\d+))?[A-Z]?|(RADESYS|RADECSYS|WCSNAME|SPECSYS|SSYSOBS|SSYSSRC|TIMESYS)[A-Z]?"
)
_RECORDS = re.compile(r"(CPDIS|CQDIS|D2IMDIS|DP|DQ|D2IM)\d+[A-Z]?")
_SIP = re.compile(r"[AB]P?_ORDER")
_TERMS = re.compile(r"\b(NTERMS|NAUX|NAXES)\b[\s:'=]*([-+.\deE]+)")
_CELESTIAL = re.compile(r"(RA|DEC|[A-Z]LON|[A-Z]LAT|[A-Z]{2}LN|[A-Z]{2}LT)-.*")
_PLATE = ("PLTRAH", "AMDX1", "AMDY1")


def claims_sky(header: fits.Header) -> bool:
    """Return whether a header has axes on a sphere, or a plate solution of the Digitized Sky Survey."""
    if all(keyword in header for keyword in _PLATE):
        return True
    return any(_CELESTIAL.match(str(header.get(f"CTYPE{axis}", "")).strip().upper()) for axis in (1, 2))


def needs_tables(header: fits.Header) -> bool:
    """Return whether the WCS of a header stands in other extensions too: lookup tables, or axes by table (-TAB)."""
    names = ("CPDIS", "CQDIS", "D2IM", "AXISCORR")
    return any(
        keyword.startswith(names) or (keyword.startswith("CTYPE") and "-TAB" in str(header[keyword]))
        for keyword in header
    )


def wcs_cards(header: fits.Header) -> fits.Header:
    """Return the cards of `header` that a WCS can be read from.

    Raises:
        ValueError: a WCS of these cards would take for ever, or too much memory.
    """
    kept = [card for card in header.cards if _matters(card)]
    if len(kept) > MAX_CARDS:
        raise ValueError(f"its header has {len(kept):,} cards that could belong to it, expected {MAX_CARDS:,} at most")
    for card in kept:
        _check_size(card)
    return fits.Header(kept)


def _matters(card: fits.Card) -> bool:
    """Return whether a card can have a part in a WCS.

    Raises:
        ValueError: with it none can be read.
    """
    keyword = card.keyword.strip()  # astropy leaves blanks in one that is out of its columns
    if keyword in _NEVER or (len(keyword) > 8 and not _RECORDS.match(keyword)):  # HIERARCH
        return False
    text = str(card)
    if len(text) > 80 or text[8:10] != "= ":  # text that goes on in other cards, or no value at all
        return False
    if number := _NUMBERS.fullmatch(keyword):
        return _is_number(_value(card)) and _small(number.groups()[1:3])
    if words := _TEXTS.fullmatch(keyword):
        return isinstance(_value(card), str) and _small(words.groups()[1:3])
    return True


def _check_size(card: fits.Card) -> None:
    """Raise ValueError where a card claims more axes, terms or orders than any WCS has."""
    keyword = card.keyword
    if keyword.startswith("WCSAXES"):
        if not 0 <= card.value <= 99:
            raise ValueError(f"{keyword} is {card.value!r}, expected 99 at most")
    elif _SIP.fullmatch(keyword):
        value = _value(card)
        if not _is_number(value) or value != int(value) or not 0 <= value <= MAX_SIP_ORDER:
            raise ValueError(f"{keyword} is {value!r}, expected a whole number from 0 to {MAX_SIP_ORDER}")
    elif _RECORDS.match(keyword):
        for name, text in _TERMS.findall(str(card)):
            if not 0 <= _float(text) <= MAX_TERMS:
                raise ValueError(f"{keyword} has {name} {text}, expected {MAX_TERMS} at most")


def _value(card: fits.Card) -> object:
    try:
        return card.value
    except Exception:  # a card that is against the standard
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _small(numbers: tuple[str | None, ...]) -> bool:
    return all(number is None or int(number) <= 99 for number in numbers)
