"""Plan a conversion: read the catalogue, place every row, split the rows, and cut the work into tasks."""

import copy
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from astrokeras.config import ConvertConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.conversion.detected_catalog import is_duplicate
from astrokeras.records.conversion.places import Places, places_of_files, places_on_fields
from astrokeras.records.conversion.positions import by_field, find_fields, find_positions, read_fields
from astrokeras.records.conversion.rejects import FILTERED, Rejects
from astrokeras.records.conversion.resolve import Conversion
from astrokeras.records.conversion.sizing import describe_cut
from astrokeras.records.conversion.split_rows import (
    keep_objects_whole,
    overlap,
    split_by_field,
    split_by_sky,
    split_rows,
)
from astrokeras.records.conversion.task import ConversionTask
from astrokeras.records.splitting.assignment import Splitting
from astrokeras.records.splitting.overlap import overlap_lines
from astrokeras.records.splitting.shares import MARGIN, hashes
from astrokeras.survey.catalog import OBJECT, Catalog, bare_catalog, read_catalog
from astrokeras.survey.cutting import Cutting
from astrokeras.survey.measure import SHAPES
from astrokeras.survey.stamps import fits_inside, inside
from astrokeras.text import is_plain

STAMP_BYTES_PER_TASK = 256 << 20
_DUPLICATE = "the same object lies deeper in another field (DUPLICATE_OF in detected.fits)"
SKY_STAMPS = 1000  # training stamps, at least, on which the sky is measured where there are so many; evenly drawn


@dataclasses.dataclass
class Plan:
    """Everything that a conversion does, decided before the first pixel is read."""

    conversion: Conversion
    splitting: Splitting  # which grows as objects are split
    catalog: Catalog
    split: np.ndarray
    tasks: list[ConversionTask]
    rejects: Rejects
    split_description: str
    sky_stride: int = 1
    places: Places | None = None  # known once there are tasks
    overlaps: dict[str, float] = dataclasses.field(default_factory=dict)  # see `records.splitting.overlap`

    @property
    def config(self) -> ConvertConfig:
        """The options, worked out."""
        return self.conversion.config

    @property
    def cutting(self) -> Cutting:
        """How stamps are cut."""
        return self.conversion.cutting

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numbers that every record carries beside the usual."""
        objects = (OBJECT,) if self.config.catalogue.object_column else ()
        return (*self.config.catalogue.columns, *objects, *(SHAPES if self.config.photometry.measure else ()))

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


def make_plan(conversion: Conversion, report: Callable[[str], None]) -> Plan:
    """Decide what becomes of every catalogue row.

    Raises:
        UsageError: options that contradict the data.
        AstrokerasError: no image or no catalogue row can be used.
    """
    config, template = conversion.config, conversion.cutting.template
    if conversion.size_was_given:
        describe_cut(conversion.cutting, report)
    units = template.discover()
    if config.catalogue.catalog:
        catalog = read_catalog(config)
    elif template.per_object:
        catalog = bare_catalog(units, len(config.images.bands))
    else:
        raise UsageError("--catalog is needed to know where the objects are on the tiles, or --detect to find them")
    if template.per_object and config.catalogue.catalog and "id" not in catalog.used:
        raise UsageError("no id column was found to find the images by; name it (--id-column)")
    for line in (*(f"catalogue: {role} from {column}" for role, column in catalog.used.items()), *catalog.notes):
        report(line)
    plan = Plan(
        conversion=conversion,
        splitting=copy.deepcopy(conversion.splitting),
        catalog=catalog,
        split=np.full(len(catalog), -1),
        tasks=[],
        rejects=Rejects(len(catalog)),
        split_description=config.splits.split_by or f"column {config.splits.split_column}",
    )
    plan.reject(np.flatnonzero(catalog.left_out), FILTERED, f"left out by --where {config.catalogue.where}")
    if config.catalogue.detect:
        plan.reject(np.flatnonzero(is_duplicate(config.catalogue.catalog)), "duplicate_detection", _DUPLICATE)
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
    if plan.config.splits.split_by in ("field", "sky"):
        raise UsageError(
            f"--split-by {plan.config.splits.split_by}: a survey of one file per object is split by id or a column"
        )
    rows = plan.open_rows()
    if len(rows):
        split_rows(plan, rows, report)
        keep_objects_whole(plan, rows)
    plan.places = places_of_files(plan.catalog)
    # Files may be read in any order, and a catalogue's is often that of its classes.
    rows = rows[np.argsort(hashes(plan.catalog.ids[rows], f"order {plan.config.running.seed}"), kind="stable")]
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
        if config.stamps.edge == "reject":
            cut_off = on[~fits_inside(x[on], y[on], config.stamps.size, field.shape)]
            plan.reject(cut_off, "edge", f"the stamp reaches over the edge of {field.title}")
    rows = plan.open_rows()
    if not len(rows):
        return
    if config.splits.split_by == "sky":
        split_by_sky(plan, rows, fields, field_of, x, y, report)
    elif config.splits.split_by == "field":
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
    stamp_bytes = plan.config.stamps.size**2 * len(plan.config.images.bands) * 4
    step = max(1, STAMP_BYTES_PER_TASK // stamp_bytes)
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        plan.tasks.append(ConversionTask(len(plan.tasks), field, part, x[part], y[part], hash_inputs=start == 0))
