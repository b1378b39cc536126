"""Say at once of all columns that options name which ones a catalogue does not have."""

from astrokeras.config import ConvertConfig, values_of
from astrokeras.errors import UsageError
from astrokeras.survey.bands import names_in_tables
from astrokeras.survey.columns import CatalogColumns
from astrokeras.survey.presets import read_survey

_ROLES = ("id", "ra", "dec", "x", "y", "field")
_TEMPLATES = ("magnitudes", "magnitude_errors", "fluxes", "flux_errors", "flux_ivars")
_SHOWN = 30


def check_named_columns(columns: CatalogColumns, config: ConvertConfig) -> None:
    """Refuse a catalogue that lacks several of the columns, or any of those that the survey names and nobody typed.

    One alone, typed, is left to who looks for it.

    Raises:
        UsageError: with all that are missing, and what the catalogue has.
    """
    own = read_survey(config.images.survey).options if config.images.survey else {}
    lacking: dict[str, list[str]] = {}
    by_survey = False
    for option, names in _named(config).items():
        if absent := [name for name in names if columns.known(name) is None]:
            lacking["--" + option.replace("_", "-")] = absent
            by_survey |= values_of(config)[option] == own.get(option, "")
    if len(lacking) < 2 and not by_survey:
        return
    said = "; ".join(f"{option} {', '.join(absent)}" for option, absent in lacking.items())
    whose = f"the columns of survey {config.images.survey}" if by_survey else "these columns"
    has = ", ".join(columns.names[:_SHOWN]) + (", …" if len(columns.names) > _SHOWN else "")
    raise UsageError(
        f"{config.catalogue.catalog} does not have {whose}: {said}; it has {has}. Is it another catalogue of the "
        "survey? Name its columns with these options, or '' for none"
    )


def _named(config: ConvertConfig) -> dict[str, list[str]]:
    """Return the columns that each option names."""
    bands = names_in_tables(config.images.bands, config.photometry.catalog_bands)
    named = {f"{role}_column": (getattr(config.catalogue, f"{role}_column") or "").split(",") for role in _ROLES}
    if not config.photometry.measure:
        for option in _TEMPLATES:
            if option.startswith("flux") and config.photometry.magnitudes:
                continue
            text = getattr(config.photometry, option) or ""
            named[option] = list(dict.fromkeys(text.replace("{band}", band) for band in bands))
    named |= {"label": [config.catalogue.label or ""], "columns": list(config.catalogue.columns)}
    named["object_column"] = [config.catalogue.object_column or ""]
    found = {option: [name.strip() for name in names if name.strip()] for option, names in named.items()}
    return {option: names for option, names in found.items() if names}
