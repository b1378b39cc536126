"""Plan a conversion: read the catalogue, place every row, split the rows, and cut the work into tasks."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from astrokeras.config import ConvertConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.conversion.detected_catalog import is_duplicate
from astrokeras.records.conversion.places import Places, places_of_files, places_on_fields
from astrokeras.records.conversion.positions import by_field, find_fields, find_positions, read_fields
from astrokeras.records.conversion.rejects import FILTERED, Rejects
from astrokeras.records.conversion.sizing import describe_cut, with_size
from astrokeras.records.conversion.split_rows import (
    keep_objects_whole,
    overlap,
    split_by_field,
    split_by_sky,
    split_rows,
)
from astrokeras.records.conversion.task import ConversionTask
from astrokeras.records.splitting.assignment import GIVEN, Splitting, choose_splitting
from astrokeras.records.splitting.overlap import overlap_lines
from astrokeras.records.splitting.shares import MARGIN, describe_scaling, hashes, parse_splits
from astrokeras.survey.catalog import OBJECT, Catalog, bare_catalog, read_catalog
from astrokeras.survey.cutting import Cutting, parse_cutting
from astrokeras.survey.measure import SHAPES
from astrokeras.survey.presets import describe_survey, with_survey
from astrokeras.survey.stamps import fits_inside, inside
from astrokeras.text import is_plain

STAMP_BYTES_PER_TASK = 256 << 20
_DUPLICATE = "the same object lies deeper in another field (DUPLICATE_OF in detected.fits)"
SKY_STAMPS = 1000  # training stamps, at least, on which the sky is measured where there are so many; evenly drawn


@dataclasses.dataclass
class Plan:
    """Everything that a conversion does, decided before the first pixel is read."""

    config: ConvertConfig
    cutting: Cutting
    splitting: Splitting
    catalog: Catalog
    split: np.ndarray
    tasks: list[ConversionTask]
    rejects: Rejects
    split_description: str
    sky_stride: int = 1
    places: Places | None = None  # known once there are tasks
    overlaps: dict[str, float] = dataclasses.field(default_factory=dict)  # see `records.splitting.overlap`

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numbers that every record carries beside the usual."""
        objects = (OBJECT,) if self.config.object_column else ()
        return (*self.config.columns, *objects, *(SHAPES if self.config.measure else ()))

    @property
    def integer_columns(self) -> tuple[str, ...]:
        """Those of them that are carried as integers."""
        return tuple(name for name in self.catalog.columns if self.catalog.columns[name].dtype.kind == "i")

    @property
    def shares(self) -> dict[str, float]:
        """Share of each split that is trained or tested on, in the order of their indices."""
        return self.splitting.shares

    @property
    def split_names(self) -> tuple[str, ...]:
        """Name of each split, in the order of their indices; the last one is that of the margin, if there is one."""
        return (*self.shares, MARGIN) if np.any(self.split == len(self.shares)) else tuple(self.shares)

    def reject(self, rows: Sequence[int] | np.ndarray, reason: str, detail: str) -> None:
        """Note why rows are left out; the first reason of a row stays."""
        self.rejects.add(rows, reason, detail)

    def open_rows(self) -> np.ndarray:
        """Return rows not rejected so far."""
        return np.flatnonzero(~self.rejects.mask)


def make_plan(config: ConvertConfig, report: Callable[[str], None]) -> Plan:
    """Decide what becomes of every catalogue row.

    Raises:
        UsageError: options that contradict each other or the data.
        AstrokerasError: no image or no catalogue row can be used.
    """
    config = with_survey(config)
    for line in describe_survey(config):
        report(line)
    splitting, config = _choose_splitting(config, report)
    check_conversion(config)
    config = with_size(config, report)
    describe_cut(config, report)
    cutting = parse_cutting(config)
    template = cutting.template
    units = template.discover()
    if config.catalog:
        catalog = read_catalog(config)
    elif template.per_object:
        catalog = bare_catalog(units, len(config.bands))
    else:
        raise UsageError("--catalog is needed to know where the objects are on the tiles, or --detect to find them")
    if template.per_object and config.catalog and "id" not in catalog.used:
        raise UsageError("no id column was found to find the images by; name it (--id-column)")
    for line in (*(f"catalogue: {role} from {column}" for role, column in catalog.used.items()), *catalog.notes):
        report(line)
    plan = Plan(
        config=config,
        cutting=cutting,
        splitting=splitting,
        catalog=catalog,
        split=np.full(len(catalog), -1),
        tasks=[],
        rejects=Rejects(len(catalog)),
        split_description=config.split_by or f"column {config.split_column}",
    )
    plan.reject(np.flatnonzero(catalog.left_out), FILTERED, f"left out by --where {config.where}")
    if config.detect:
        plan.reject(np.flatnonzero(is_duplicate(config.catalog)), "duplicate_detection", _DUPLICATE)
    _reject_bad_ids(plan)
    if template.per_object:
        _plan_objects(plan, report)
    else:
        _plan_fields(plan, units, report)
    if not plan.tasks:
        raise AstrokerasError(f"no catalogue row can be converted: {plan.rejects.summary()}")
    _find_overlaps(plan, report)
    plan.sky_stride = max(1, int(np.count_nonzero(plan.split[plan.open_rows()] == 0)) // SKY_STAMPS)
    return plan


def _find_overlaps(plan: Plan, report: Callable[[str], None]) -> None:
    plan.overlaps = overlap(plan)
    for line in overlap_lines(plan.overlaps, plan.split_description):
        report(line)


def _choose_splitting(config: ConvertConfig, report: Callable[[str], None]) -> tuple[Splitting, ConvertConfig]:
    """See `choose_splitting`."""
    splitting, config = choose_splitting(config, report)
    if said := _describe_splits(splitting, config.splits):
        report(said)
    return splitting, config


def _describe_splits(splitting: Splitting, splits: str) -> str | None:
    """Return one line if the splits are other than what is asked for says by itself."""
    if splitting.by == GIVEN:
        return None
    if splitting.source:
        return f"splits go on from {splitting.source}: by {splitting.by}, seed {splitting.seed}, {splits}"
    return describe_scaling(splits)


def check_conversion(config: ConvertConfig) -> None:
    """Check what can be checked without looking at a file.

    Raises:
        UsageError: options that contradict each other or make no sense.
    """
    if not config.bands or len(set(config.bands)) < len(config.bands):
        raise UsageError(f"--bands {','.join(config.bands)}: expected different names, as in u,g,r,i,z")
    if config.size is not None and config.size < 4:
        raise UsageError(f"--size {config.size}: expected at least 4 pixels")
    if not 0 <= config.max_bad_fraction <= 1:
        raise UsageError(f"--max-bad-fraction {config.max_bad_fraction}: expected a number from 0 to 1")
    if config.cell_size is not None and config.split_by != "sky":
        raise UsageError("--cell-size: only --split-by sky has cells")
    if config.splits is not None:
        parse_splits(config.splits)
    _check_columns(config)


def _check_columns(config: ConvertConfig) -> None:
    """Check the options that name columns of the catalogue, or of the records."""
    if not (config.catalog or config.detect):
        by_column = config.split_by not in (None, "id", "field", "sky")
        for option in (
            "label",
            "label_names",
            "object_column",
            "magnitudes",
            "magnitude_errors",
            "fluxes",
            "columns",
            "where",
            "split_column",
        ):
            if getattr(config, option):
                raise UsageError(f"--{option.replace('_', '-')} names catalogue columns, but there is no --catalog")
        if by_column:
            raise UsageError(f"--split-by {config.split_by} names a catalogue column, but there is no --catalog")
    if config.measure and (config.magnitudes or config.magnitude_errors or config.fluxes):
        raise UsageError(
            "--measure: the catalogue's magnitudes (--magnitudes, --magnitude-errors, --fluxes) are not used then"
        )
    reserved = {"id", "image", "label", "magnitudes", "magnitude_errors", "valid", *(SHAPES if config.measure else ())}
    reserved |= {OBJECT} if config.object_column else set()
    reserved &= set(config.columns)
    if odd := [name for name in config.columns if not is_plain(name)]:
        raise UsageError(f"--columns {odd[0]!r}: the name has characters in it that no table keeps")
    if reserved:
        raise UsageError(f"--columns {', '.join(sorted(reserved))}: every record has these already")


def _reject_bad_ids(plan: Plan) -> None:
    ids, rows = plan.catalog.ids, plan.open_rows()
    plan.reject(rows[ids[rows] == ""], "no_id", "the catalogue has no id here")
    odd = [row for row in rows.tolist() if not is_plain(str(ids[row]))]
    plan.reject(odd, "bad_id", "the id has control characters, line ends or marks of direction in it")
    rows = plan.open_rows()
    first = np.zeros(len(ids), dtype=bool)
    first[rows[np.unique(ids[rows], return_index=True)[1]]] = True
    repeated = rows[~first[rows]]
    plan.reject(
        repeated,
        "duplicate_id",
        "the id stands in an earlier row too; only that one counts "
        "(visits of one object need ids of their own, and --object-column)",
    )


def _plan_objects(plan: Plan, report: Callable[[str], None]) -> None:
    if plan.config.split_by in ("field", "sky"):
        raise UsageError(
            f"--split-by {plan.config.split_by}: a survey of one file per object is split by id or a column"
        )
    rows = plan.open_rows()
    if len(rows):
        split_rows(plan, rows, report)
        keep_objects_whole(plan, rows)
    plan.places = places_of_files(plan.catalog)
    # Files may be read in any order, and a catalogue's is often that of its classes.
    rows = rows[np.argsort(hashes(plan.catalog.ids[rows], f"order {plan.config.seed}"), kind="stable")]
    nowhere = np.zeros(len(plan.catalog))
    _add_tasks(plan, "", rows, nowhere, nowhere)


def _plan_fields(plan: Plan, names: list[str], report: Callable[[str], None]) -> None:
    config = plan.config
    fields, broken = read_fields(plan, names, report)
    field_of = find_fields(plan, fields, broken, report)
    x, y = find_positions(plan, fields, field_of, report)
    for index, here in by_field(field_of, plan.open_rows()):
        field = fields[index]
        off = ~inside(x[here], y[here], field.shape)
        plan.reject(here[off], "off_image", f"the position is not on {field.title}")
        on = here[~off]
        if config.edge == "reject":
            cut_off = on[~fits_inside(x[on], y[on], config.size, field.shape)]
            plan.reject(cut_off, "edge", f"the stamp reaches over the edge of {field.title}")
    rows = plan.open_rows()
    if not len(rows):
        return
    if config.split_by == "sky":
        split_by_sky(plan, rows, fields, field_of, x, y, report)
    elif config.split_by == "field":
        split_by_field(plan, rows, fields, field_of)
    else:
        split_rows(plan, rows, report)
    keep_objects_whole(plan, rows)
    plan.places = places_on_fields(plan.catalog, fields, field_of, x, y, rows)
    for index, here in by_field(field_of, rows):
        _add_tasks(plan, fields[index].name, here, x, y)


def _add_tasks(plan: Plan, field: str, rows: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Cut a field's rows, sorted by y so that pixels are read in order, into tasks of bounded memory."""
    rows = rows[np.lexsort((x[rows], y[rows]))]
    stamp_bytes = plan.config.size**2 * len(plan.config.bands) * 4
    step = max(1, STAMP_BYTES_PER_TASK // stamp_bytes)
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        plan.tasks.append(ConversionTask(len(plan.tasks), field, part, x[part], y[part], hash_inputs=start == 0))
