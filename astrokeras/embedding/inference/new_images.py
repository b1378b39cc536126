"""How stamps are cut from new images: as for the records that a network was trained on, and no more is taken over."""

import dataclasses
import typing
from collections.abc import Callable
from pathlib import Path

from astrokeras.config import ConvertConfig, configure, option_fields, option_types
from astrokeras.config.over_objects import OverObjectsConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.survey.images import is_display
from astrokeras.survey.tables import is_table, read_table

# Every option of convert stands in one of these; what is new is not taken over until somebody decides so.
STAMPS = (
    "bands", "ext", "resample", "catalog_bands", "zero_point", "levels", "pixel_scale", "size", "edge",
    "max_bad_fraction", "detect", "detect_threshold", "detect_min_area",
)  # fmt: skip
COLUMNS = (
    "id_column", "ra_column", "dec_column", "x_column", "y_column", "origin", "field_column", "label",
    "label_names", "columns",
)  # fmt: skip
GIVEN = (  # by the command itself
    "images", "catalog", "workers", "weight", "weight_ext", "mask", "mask_ext", "mask_bits", "hcompress",
    "max_image_bytes", "max_catalog_bytes", "out",
)  # fmt: skip
LEFT = (
    "survey", "name", "valid", "object_column", "magnitudes", "magnitude_errors", "measure", "fluxes", "flux_errors",
    "flux_ivars", "flux_zero_point", "where", "splits", "split_by", "split_column", "cell_size", "splits_from",
    "max_reject_fraction", "scheduler", "resume", "overwrite", "seed",
)  # fmt: skip
_PAIRS = {"ra_column": "dec_column", "dec_column": "ra_column", "x_column": "y_column", "y_column": "x_column"}


@dataclasses.dataclass(frozen=True)
class Before:
    """How the stamps were made that a network was trained on.

    Attributes:
        source: the file that says so.
        unit: of the flux.
        conversion: the options.
    """

    source: Path
    unit: str
    conversion: dict[str, typing.Any]


def conversion_for(
    trained: Before, config: OverObjectsConfig, data: str, report: Callable[[str], None]
) -> ConvertConfig:
    """Return the conversion of the images that `data` names, and in lines what of the run's it is.

    Raises:
        UsageError: an option that the run does not allow.
        AstrokerasError: the run's file is damaged, or the catalogue cannot be read.
    """
    before = _options_of(trained)
    taken = {name: before[name] for name in STAMPS if name in before}
    if config.catalog:  # which says where the objects are, whatever the training did
        taken = {name: value for name, value in taken.items() if not name.startswith("detect")}
    taken |= _columns(before, config, report)
    if taken.get("levels") and is_display(data):  # which are such levels already
        del taken["levels"]
        taken.pop("zero_point", None)
    for name in ("zero_point", "edge"):
        if getattr(config, name) is not None:
            taken[name] = getattr(config, name)
    given = {name: getattr(config, name) for name in GIVEN if hasattr(config, name)}
    given |= {"images": data, "out": "", "max_image_bytes": config.max_image_bytes or _default_bytes()}
    options = configure(ConvertConfig, **{**taken, **given, "splits": "train=1", "split_by": "id"})
    _check_unit(trained, options)
    _tell(before, options, config, report)
    return options


def _options_of(trained: Before) -> dict[str, typing.Any]:
    """Return the options of the records' conversion that may be taken over, each of its type.

    Raises:
        AstrokerasError: one is not what it can be.
    """
    types = option_types(ConvertConfig)
    options = {}
    for name in (*STAMPS, *COLUMNS, "weight", "mask"):
        if name not in trained.conversion:
            continue
        value, kinds = trained.conversion[name], typing.get_args(types[name]) or (types[name],)
        if isinstance(value, list):
            value = tuple(value)
        is_text = isinstance(value, tuple) and all(isinstance(item, str) for item in value)
        if typing.get_origin(types[name]) is tuple:
            right = is_text
        else:
            right = isinstance(value, kinds) or (float in kinds and type(value) is int)
        right = right and not (name == "size" and value is None)  # recorded as what it came to
        if not right or (isinstance(value, bool) and bool not in kinds):
            raise AstrokerasError(f"{trained.source} is damaged: its records' {name} is {value!r}; repeat the run")
        options[name] = value
    return options


def _columns(before: dict, config: OverObjectsConfig, report: Callable[[str], None]) -> dict[str, typing.Any]:
    """Return what the run says of columns, as far as the new catalogue has them."""
    named = {name: before[name] for name in COLUMNS if before.get(name) not in (None, (), "")}
    if before.get("field_column") == "":
        named["field_column"] = ""
    if not config.catalog:
        return named if before.get("detect") else {}
    there = {name.lower() for name in read_table(config.catalog, limit=config.max_catalog_bytes).colnames}

    def has(name: str) -> bool:
        value = named[name]
        names = value if isinstance(value, tuple) else str(value).split(",")
        return all(_without_index(part) in there for part in names if part.strip())

    label_names = named.pop("label_names", ())
    carried = tuple(name for name in named.pop("columns", ()) if _without_index(name) in there)
    lost = [name for name in named if name != "origin" and not has(name)]
    lost += [other for name in lost if (other := _PAIRS.get(name)) in named and other not in lost]
    for name in lost:
        report(
            f"--{name.replace('_', '-')} {named[name]} of the records is not taken over: {config.catalog} has no "
            "such column"
        )
    gone = [name for name in before.get("columns", ()) if name not in carried]
    if gone:
        report(f"{config.catalog} has no {', '.join(gone)}, which the records carried")
    kept = {name: value for name, value in named.items() if name not in lost} | {"columns": carried}
    return kept | ({"label_names": label_names} if "label" in kept else {})


def _without_index(name: str) -> str:
    """Return the column of ``PSFMAG[2]``, in lower case."""
    return name.strip().lower().partition("[")[0]


def _default_bytes() -> int:
    return option_fields(ConvertConfig)["max_image_bytes"].default


def _check_unit(trained: Before, options: ConvertConfig) -> None:
    zero_point = options.photometry.zero_point
    if zero_point and trained.unit != "nJy" and not options.photometry.levels:
        raise UsageError(
            f"--zero-point {zero_point}: the network was trained on fluxes in the unit {trained.unit!r}, "
            "which zero points would change"
        )
    if zero_point and is_table(zero_point) and not Path(zero_point).is_file():
        raise UsageError(
            f"the zero points of the records stood in {zero_point}, which is not here; give those of the "
            "new images by --zero-point"
        )


def _tell(before: dict, options: ConvertConfig, config: OverObjectsConfig, report: Callable[[str], None]) -> None:
    """Say what of the run's conversion holds, and what does not."""
    zero_point = options.photometry.zero_point
    said = f", zero points {zero_point}" if zero_point else ""
    said += f", levels {options.photometry.levels}" if options.photometry.levels else ""
    bands = ", ".join(options.images.bands)
    report(
        f"stamps as for the run's records: {options.stamps.size} pixels, bands {bands}{said}, "
        f"edge {options.stamps.edge}"
    )
    if zero_point and config.zero_point is None and is_table(zero_point):
        report(f"fields that are not in {zero_point} are rejected; --zero-point names another table")
    for name in ("weight", "mask"):
        if before.get(name) and not getattr(options.images, name):
            report(
                f"the records hid bad pixels by --{name} {before[name]}, which is not taken over: "
                f"give --{name} for the new images, or all their pixels count as good"
            )
