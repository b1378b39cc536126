"""Surveys by name: what a survey's files and catalogue columns are called, so that options need not say it.

A survey is a small TOML file whose keys are options of ``astrokeras convert``; those in ``surveys/`` come with
astrokeras, and a user's own have the same form (``docs/surveys.md``).
"""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

from astrokeras.config import ConvertConfig, replaced, values_of
from astrokeras.errors import AstrokerasError, UsageError, unknown_name
from astrokeras.small_file import read_small
from astrokeras.survey.template import ImageTemplate

FOLDER = Path(__file__).with_name("surveys")
# Options that say what a survey is, as against what is to be made of it.
DESCRIBING = (
    "images", "bands", "ext", "weight", "weight_ext", "mask", "mask_ext", "mask_bits", "zero_point", "pixel_scale",
    "catalog_bands", "id_column", "ra_column", "dec_column", "x_column", "y_column", "origin", "field_column",
    "magnitudes", "magnitude_errors", "fluxes", "flux_errors", "flux_ivars", "flux_zero_point",
)  # fmt: skip
PLACES = ("id_column", "ra_column", "dec_column", "x_column", "y_column", "origin", "field_column")
PHOTOMETRY = ("magnitudes", "magnitude_errors", "fluxes", "flux_errors", "flux_ivars", "flux_zero_point")
COMPANIONS = {"weight": ("weight_ext",), "mask": ("mask_ext", "mask_bits")}
SOURCE = ("release", "checked", "links", "missing", "notes")


@dataclasses.dataclass(frozen=True)
class Survey:
    """What is known of a survey: options of ``convert`` by their field names, and where that stands."""

    name: str
    options: dict[str, Any]
    source: dict[str, Any]


def survey_names() -> list[str]:
    """Return the surveys that come with astrokeras."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def read_survey(name: str) -> Survey:
    """Return the survey of that name, or the one described by a file ``NAME.toml``.

    Raises:
        UsageError: there is no such survey, or the file says what no survey can say.
    """
    own = name.endswith(".toml")
    if not own and name not in survey_names():
        raise UsageError(f"--survey: {unknown_name('survey', name, survey_names())} (or name a file, as in mine.toml)")
    file = Path(name) if own else FOLDER / f"{name}.toml"
    try:
        content = tomllib.loads(read_small(file))
    except OSError as error:
        raise UsageError(f"--survey {name}: {error.strerror}") from None
    except RecursionError:
        raise UsageError(f"--survey {name} is no TOML file: it is nested too deeply") from None
    except (ValueError, AstrokerasError) as error:
        raise UsageError(f"--survey {name} is no TOML file: {error}") from None
    source = content.pop("source", {})
    options = {key.replace("-", "_"): value for key, value in content.items()}
    for key in ("bands", "catalog_bands"):
        if isinstance(options.get(key), str):
            options[key] = [band.strip() for band in options[key].split(",")]
    if problem := _problem(options, source):
        raise UsageError(f"--survey {name}: {problem}")
    return Survey(file.stem, options, source)


def _problem(options: dict[str, Any], source: Any) -> str | None:
    """Return what is wrong with the content of a file; types are left to the options themselves."""
    if not isinstance(source, dict):
        return "expected a table [source]"
    for what, found, known in (("key", options, DESCRIBING), ("key of [source]", source, SOURCE)):
        for key in found.keys() - set(known):
            typed = [other.replace("_", "-") for other in known]
            return unknown_name(what, key.replace("_", "-"), typed)
    if not isinstance(options.get("images"), str) or "{" not in options["images"]:
        return "expected images = '…' with a placeholder, as in '{field}_{band}.fits'"
    bands, others = options.get("bands", []), options.get("catalog_bands", [])
    if isinstance(bands, list) and isinstance(others, list) and others and len(others) != len(bands):
        return "expected as many catalog-bands as bands"
    return None


def with_survey(config: ConvertConfig) -> ConvertConfig:
    """Return `config` with what its survey knows fitted to what else is asked for.

    Where ``--images`` is only a directory the survey's own file names are added to it, those of weights and masks too
    if there are any. Of some of its bands only those are taken. Without a catalogue, and where magnitudes are measured,
    its names of the columns are left out.
    """
    own = read_survey(config.images.survey).options if config.images.survey else {}
    chosen = values_of(config)
    kept = {key for key, value in own.items() if _plain(chosen[key]) == _plain(value)}
    idle = [] if config.catalogue.catalog else PLACES
    idle = [*idle, *PHOTOMETRY] if config.photometry.measure or not config.catalogue.catalog else idle
    changes: dict[str, Any] = {key: None for key in idle if key in kept}
    if "catalog_bands" in kept and "bands" not in kept:
        names = dict(zip(own["bands"], own["catalog_bands"], strict=True))
        changes["catalog_bands"] = tuple(names.get(band, band) for band in config.images.bands)
    for key in {"zero_point", "ext"} & kept:
        parts = str(own[key]).split(",")
        if "=" in str(own[key]):
            changes[key] = ",".join(part for part in parts if part.partition("=")[0].strip() in config.images.bands)
    return _with_templates(replaced(config, **changes), own, kept)


def _plain(value: Any) -> Any:
    """Return a value as it is compared: a file says 22.5 or ["g", "r"] where an option is "22.5" or ("g", "r")."""
    return [str(item) for item in value] if isinstance(value, list | tuple) else str(value)


def _with_templates(config: ConvertConfig, own: dict[str, Any], kept: set[str]) -> ConvertConfig:
    """Return `config` with templates for a directory, without the survey's weights and masks if there are none."""
    changes: dict[str, Any] = {}
    directory, at_home = "", "images" in kept
    if "{" not in config.images.images and Path(config.images.images).is_dir():
        if not own:
            raise UsageError(
                f"--images {config.images.images} is a directory; expected a template, as in "
                f"'{config.images.images}/{{field}}_{{band}}.fits', or --survey NAME, which knows its own"
            )
        directory, at_home = config.images.images, True
        changes["images"] = _there(directory, own["images"], config.images.bands)
    for kind, details in COMPANIONS.items():
        if kind in kept:
            template = _there(directory, own[kind], config.images.bands)
            there = at_home and ImageTemplate(template, config.images.bands).has_files()
            changes[kind] = template if there else None
        if not changes.get(kind, getattr(config.images, kind)):
            changes |= {key: None for key in details if key in kept}
    return replaced(config, **changes)


def _there(directory: str, own: str, bands: tuple[str, ...]) -> str:
    """Return the survey's template as the archive lays files out, or all in one directory, whichever has any."""
    templates = [str(Path(directory) / name) for name in (own, Path(own).name)]
    return next((text for text in templates if ImageTemplate(text, bands).has_files()), templates[0])


def describe_survey(config: ConvertConfig) -> list[str]:
    """Return what to tell of the survey that `config` names and is fitted to: lines for the log."""
    if not config.images.survey:
        return []
    survey = read_survey(config.images.survey)
    said = (survey.source.get("release"), survey.source.get("notes"))
    lines = ["; ".join([f"survey {survey.name}", *(str(text) for text in said if text)])]
    unused = [kind for kind in COMPANIONS if kind in survey.options and not getattr(config.images, kind)]
    if unused:
        lines.append(f"the survey's {' and '.join(unused)} images are not used: none are there, or they were left out")
    return lines


def check_pixel_scale(expected: float, scales: dict[str, float]) -> str | None:
    """Return a line that warns of fields whose pixels are not of the survey's size.

    Args:
        expected: side of a pixel in arcsec.
        scales: what the WCS of each field says.

    Returns:
        None if all are within a twentieth of it.
    """
    off = {name: scale for name, scale in scales.items() if not abs(scale / expected - 1) <= 0.05}
    if not off:
        return None
    name, scale = max(off.items(), key=lambda item: abs(item[1] / expected - 1))
    return (
        f"warning: {len(off)} of {len(scales)} fields have pixels of another size than {expected:g} arcsec "
        f"(--pixel-scale), as {name or 'the image'} of {scale:.4g}: are these images of that survey?"
    )
