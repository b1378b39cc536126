"""Read a survey catalogue into plain arrays, finding the usual columns by their usual names."""

import dataclasses

import numpy as np
from astropy.table import MaskedColumn

from astrokeras.config import ConvertConfig, PhotometryOptions
from astrokeras.errors import UsageError
from astrokeras.survey.bands import names_in_tables
from astrokeras.survey.classes import class_indices, parse_label_names
from astrokeras.survey.columns import CatalogColumns, as_text
from astrokeras.survey.fluxes import check_flux_options, errors_from_ivars, magnitudes_from_fluxes
from astrokeras.survey.named_columns import check_named_columns
from astrokeras.survey.tables import is_untyped, read_table
from astrokeras.survey.where import rows_where

USUAL_NAMES = {
    "id": ("id", "objid", "object_id", "objectid", "source_id", "sourceid", "coadd_object_id", "number", "name"),
    "ra": ("ra", "raj2000", "ra_j2000", "alpha_j2000", "alphawin_j2000", "ra_deg", "_raj2000", "ra_icrs"),
    "dec": (
        "dec",
        "dej2000",
        "decj2000",
        "dec_j2000",
        "delta_j2000",
        "deltawin_j2000",
        "dec_deg",
        "_dej2000",
        "de_icrs",
    ),
    "x": ("x", "x_image", "xwin_image", "xcentroid", "x_pix", "xpos"),
    "y": ("y", "y_image", "ywin_image", "ycentroid", "y_pix", "ypos"),
    "field": ("field", "tile", "tilename", "tile_name", "field_name", "fieldname"),
}
USUAL_MAGNITUDES = (
    "MAG_AUTO_{band}", "{band}_auto", "mag_auto_{band}", "{band}_petro", "petroMag_{band}", "modelMag_{band}",
    "cModelMag_{band}", "mag_{band}", "{band}_mag", "{band}mag", "{band}",
)  # fmt: skip
USUAL_ERRORS = (
    "MAGERR_AUTO_{band}", "e_{band}_auto", "magerr_auto_{band}", "e_{band}_petro", "petroMagErr_{band}",
    "modelMagErr_{band}", "cModelMagErr_{band}", "magerr_{band}", "{band}_magerr", "{band}_mag_err", "e_{band}mag",
    "{band}_err",
)  # fmt: skip
OBJECT = "object"  # the carried column that numbers the objects
MISSING_MAGNITUDE = 90.0  # surveys write 99 or -99 (and 99.9, -999) where they have none


@dataclasses.dataclass(frozen=True)
class Catalog:
    """A catalogue of N objects in B bands.

    Attributes:
        ids: text, ``[N]``.
        x, y: 0-based pixel position, float64 ``[N]``; None where the catalogue has no pixel positions.
        ra, dec: ICRS degrees, float64 ``[N]``; None where the catalogue has none.
        fields: text, ``[N]``; None without a field column.
        magnitudes, magnitude_errors: float32 ``[N, B]``, NaN where missing.
        labels: int64 ``[N]``, index into `classes`, -1 where unlabelled.
        classes: names of the classes.
        columns: the extra columns to carry, float64 ``[N]`` each, NaN where missing, or int64 where float64 would not
            hold every digit; among them `OBJECT`, a number for each object, if `objects` are known.
        split_values: text, ``[N]``, the column named by ``--split-by`` or ``--split-column``; None otherwise.
        objects: text, ``[N]``, which object a row shows, "" where it is in no other; None without ``--object-column``.
        left_out: bool, ``[N]``, the rows that ``--where`` does not choose.
        used: which catalogue column serves for what.
        integer_ids: whether the ids are integers of 64 bits in the catalogue, and say so written as text.
        notes: lines about what was found that people should know.
    """

    ids: np.ndarray
    x: np.ndarray | None
    y: np.ndarray | None
    ra: np.ndarray | None
    dec: np.ndarray | None
    fields: np.ndarray | None
    magnitudes: np.ndarray
    magnitude_errors: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    columns: dict[str, np.ndarray]
    split_values: np.ndarray | None
    objects: np.ndarray | None
    left_out: np.ndarray
    used: dict[str, str]
    integer_ids: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


def read_catalog(config: ConvertConfig) -> Catalog:
    """Read the catalogue that `config` names.

    Raises:
        AstrokerasError: the file cannot be read.
        UsageError: a column named in `config` is not in the catalogue, or holds no numbers.
    """
    asked, photometry = config.catalogue, config.photometry
    check_flux_options(photometry.fluxes, photometry.flux_errors, photometry.flux_ivars, photometry.flux_zero_point)
    named = {role: getattr(asked, f"{role}_column") for role in USUAL_NAMES}
    ids, fields = (_lower_names(named[role]) if named[role] else USUAL_NAMES[role] for role in ("id", "field"))
    table = read_table(asked.catalog, text_columns=(*ids, *fields), limit=asked.max_catalog_bytes)
    columns = CatalogColumns(table)
    check_named_columns(columns, config)
    used = {role: column for role in USUAL_NAMES if (column := columns.find(role, named[role], USUAL_NAMES[role]))}
    for pair in (("x", "y"), ("ra", "dec")):
        for one, other in (pair, pair[::-1]):
            if one in used and other not in used:
                if named[one]:
                    raise UsageError(f"--{one}-column {named[one]}: no column for {other} is known (--{other}-column)")
                del used[one]  # half a position is something else: y is a filter, too
    origin = {name: _origin(used[name], asked.origin) for name in ("x", "y") if name in used}
    left_out = ~rows_where(asked.where, table) if asked.where else np.zeros(len(table), dtype=bool)
    labels, classes = np.full(len(table), -1), ()
    notes = [] if "id" in used else [_no_id(config)]
    if asked.label:
        column = columns.masked(asked.label, "--label")
        labels, classes, unlabelled = class_indices(column, ~left_out, parse_label_names(asked.label_names))
        notes += [unlabelled] if unlabelled else []
    elif asked.label_names:
        raise UsageError("--label-names: there is no --label that they name")
    magnitudes, errors, used_photometry = _photometry(columns, config.images.bands, photometry)
    used |= used_photometry
    split_by, split_option = config.splits.split_column, "--split-column"
    if split_by is None and config.splits.split_by not in (None, "id", "field", "sky"):
        split_by, split_option = config.splits.split_by, "--split-by"
    carried = {name: columns.carried(columns.existing(name, "--columns"), ~left_out) for name in asked.columns}
    objects = None
    if asked.object_column:
        objects = as_text(columns.masked(asked.object_column, "--object-column"))
        carried[OBJECT] = _numbers_of(objects)
    ids = _ids(columns, used["id"]) if "id" in used else _row_names(len(table))
    return Catalog(
        ids=ids,
        x=columns.numbers(used["x"]) - origin["x"] if "x" in used else None,
        y=columns.numbers(used["y"]) - origin["y"] if "y" in used else None,
        ra=columns.degrees(used["ra"], hours=True) if "ra" in used else None,
        dec=columns.degrees(used["dec"]) if "dec" in used else None,
        fields=as_text(columns.masked(used["field"])) if "field" in used else None,
        magnitudes=_without_marks(magnitudes),
        magnitude_errors=np.where(errors >= 0, _without_marks(errors), np.nan).astype(np.float32),
        labels=labels,
        classes=classes,
        columns=carried,
        split_values=as_text(columns.masked(split_by, split_option)) if split_by is not None else None,
        objects=objects,
        left_out=left_out,
        used=used,
        integer_ids="id" in used and "," not in used["id"] and _are_integers(ids, columns.masked(used["id"]), config),
        notes=tuple(notes),
    )


def _no_id(config: ConvertConfig) -> str:
    """Return what to say where rows have no ids."""
    why = (
        "--id-column is ''"
        if config.catalogue.id_column == ""
        else f"no column is called {', '.join(USUAL_NAMES['id'][:5])}, …"
    )
    return f"catalogue: no id column ({why}); rows are numbered row-00000000, … instead (--id-column names one)"


def bare_catalog(ids: list[str], n_bands: int) -> Catalog:
    """Return a catalogue that knows nothing but ids: stamps without a catalogue of their own."""
    missing = np.full((len(ids), n_bands), np.nan, dtype=np.float32)
    return Catalog(
        ids=np.array(ids), x=None, y=None, ra=None, dec=None, fields=None, magnitudes=missing,
        magnitude_errors=missing.copy(), labels=np.full(len(ids), -1), classes=(), columns={},
        split_values=None, objects=None, left_out=np.zeros(len(ids), dtype=bool), used={},
    )  # fmt: skip


def _origin(column: str, origin: int | None) -> int:
    """Return the number of the first pixel in a column of positions.

    It is 1 for SExtractor's ``*_IMAGE`` columns and 0 for all others, unless ``--origin`` says otherwise.
    """
    if origin is not None:
        return origin
    return 1 if column.lower().endswith("_image") else 0


def _lower_names(names: str) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in names.split(","))


def _ids(columns: CatalogColumns, names: str) -> np.ndarray:
    """Return the ids, of several columns with hyphens between; none where one of them is missing."""
    parts = [as_text(columns.masked(name)) for name in names.split(",")]
    missing = np.logical_or.reduce([part == "" for part in parts])
    joined = parts[0]
    for part in parts[1:]:
        joined = np.char.add(np.char.add(joined, "-"), part)
    return np.where(missing, "", joined)


def _are_integers(ids: np.ndarray, column: MaskedColumn, config: ConvertConfig) -> bool:
    """Return whether ids are integers: numbers in the catalogue, or in a file without types written as numbers are."""
    if column.dtype.kind not in "iuf" and not is_untyped(config.catalogue.catalog):
        return False
    given = ids[ids != ""]
    try:
        return bool(np.all(given.astype(np.int64).astype(given.dtype) == given))
    except (ValueError, OverflowError):
        return False


def _photometry(
    columns: CatalogColumns, bands: tuple[str, ...], asked: PhotometryOptions
) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Return magnitudes and errors ``[N, B]``, as they stand or from fluxes, and what they are from."""
    bands = names_in_tables(bands, asked.catalog_bands)
    if asked.fluxes and not asked.magnitudes:
        fluxes, used = columns.per_band(asked.fluxes, (), bands, "--fluxes")
        errors, used_errors = columns.per_band(asked.flux_errors, (), bands, "--flux-errors")
        if asked.flux_ivars:
            ivars, used_errors = columns.per_band(asked.flux_ivars, (), bands, "--flux-ivars")
            errors = errors_from_ivars(ivars)
        magnitudes, errors = magnitudes_from_fluxes(fluxes, errors, asked.flux_zero_point)
    else:
        usual, usual_errors = ((), ()) if asked.measure else (USUAL_MAGNITUDES, USUAL_ERRORS)
        magnitudes, used = columns.per_band(asked.magnitudes, usual, bands, "--magnitudes")
        errors, used_errors = columns.per_band(asked.magnitude_errors, usual_errors, bands, "--magnitude-errors")
    found = {"magnitudes": used, "magnitude_errors": used_errors}
    return magnitudes, errors, {role: template for role, template in found.items() if template}


def _numbers_of(names: np.ndarray) -> np.ndarray:
    """Return a number for each name, from 0 in alphabetical order, NaN for none."""
    found, number = np.unique(names, return_inverse=True)
    return np.where(names == "", np.nan, number - (found[0] == "")) if len(names) else np.empty(0)


def _row_names(n: int) -> np.ndarray:
    return np.char.add("row-", np.char.zfill(np.arange(n).astype(str), 8))


def _without_marks(values: np.ndarray) -> np.ndarray:
    """Return magnitudes with every mark of a missing one (±99, infinity, masked) turned into NaN."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(values) < MISSING_MAGNITUDE, values, np.nan).astype(np.float32)
