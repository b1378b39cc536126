"""What ``--levels`` asks of the other options, and what to say of its outcome."""

from collections.abc import Callable
from typing import Any

from astrokeras.config import ConvertConfig, replaced
from astrokeras.errors import UsageError
from astrokeras.survey.images import is_display
from astrokeras.survey.levels import BANDS

_WANTED = ", ".join(sorted(BANDS))
_DARK = 14  # the level of the brightest sky in the pictures that the encoders have seen


def with_levels(config: ConvertConfig, report: Callable[[str], None]) -> ConvertConfig:
    """Return `config` with its bands in the order of a picture's colours, where their fluxes become levels.

    Args:
        config: with what its survey says.
        report: is told another order.

    Raises:
        UsageError: the images are no calibrated fluxes in g, r and i.
    """
    asked, bands = config.photometry.levels, config.images.bands
    if not asked:
        return config
    if is_display(config.images.images):
        raise UsageError(f"--levels {asked}: JPEG and PNG hold levels already; leave it out")
    if sorted(bands) != sorted(BANDS):
        raise UsageError(f"--levels {asked}: expected --bands with {_WANTED} and no others, got {','.join(bands)}")
    if not config.photometry.zero_point:
        raise UsageError(f"--levels {asked}: the fluxes have to be known in nJy; say what they are by --zero-point")
    if bands == BANDS:
        return config
    if (option := _in_planes(config)) is not None:
        raise UsageError(
            f"--levels {asked}: {option} names one file for all bands, whose planes have to be in the order "
            f"{','.join(BANDS)}; if they are, or there is one plane for all, give --bands {','.join(BANDS)}"
        )
    places = [bands.index(band) for band in BANDS]
    names = config.photometry.catalog_bands
    if len(names) == len(bands):  # otherwise whoever reads the catalogue says so
        names = tuple(names[place] for place in places)
    report(f"--levels {asked}: bands in the order {', '.join(BANDS)}, which are red, green and blue")
    return replaced(config, bands=BANDS, catalog_bands=names)


def _in_planes(config: ConvertConfig) -> str | None:
    """Return an option whose images may hold the bands as planes in the order of ``--bands``."""
    for option in ("images", "weight", "mask"):
        template = getattr(config.images, option)
        extension = config.images.ext if option == "images" else getattr(config.images, f"{option}_ext")
        if template and "{band}" not in template and "=" not in (extension or ""):
            return f"--{option}"
    return None


def warn_of_sky(content: dict[str, Any], report: Callable[[str], None]) -> None:
    """Say in a line if a sky that has not been subtracted has become levels.

    Args:
        content: of ``convert.json``.
        report: is told.
    """
    bright = [
        f"{level:.0f} in {band}"
        for band, level, noise in zip(content["bands"], content["sky"], content["noise"], strict=True)
        if level > max(noise, _DARK)
    ]
    if content["options"]["levels"] and bright:
        report(
            f"warning: the edges of the stamps have the level {', '.join(bright)} of 255, above their noise and the "
            f"sky of SDSS's pictures ({_DARK}): subtract the sky of the images before, or cut larger stamps if the "
            "objects fill these"
        )
