"""Which split each row of a catalogue goes to."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from astrokeras.errors import UsageError
from astrokeras.records.splitting.assignment import GIVEN
from astrokeras.records.splitting.cells import SkyCells, split_cells
from astrokeras.records.splitting.overlap import overlap_shares
from astrokeras.records.splitting.shares import read_splits
from astrokeras.survey.placement import Field

if TYPE_CHECKING:
    from astrokeras.records.conversion.plan import Plan


def split_rows(plan: "Plan", rows: np.ndarray, report: Callable[[str], None]) -> None:
    """Split rows by id, by a column's values, or as a column says.

    Raises:
        UsageError: a split gets no object, or the column says what is no split.
    """
    catalog = plan.catalog
    if plan.splitting.by == GIVEN:
        _split_as_given(plan, rows, report)
    elif catalog.split_values is None:
        ids = catalog.ids[rows]
        # What shows one object has one place in the draw, whatever the ids.
        plan.split[rows] = plan.splitting.split_objects(
            ids if catalog.objects is None else np.where(catalog.objects[rows] == "", ids, catalog.objects[rows])
        )
    else:
        _split_groups(plan, rows, *np.unique(catalog.split_values[rows], return_inverse=True))


def _split_as_given(plan: "Plan", rows: np.ndarray, report: Callable[[str], None]) -> None:
    option = f"--split-column {plan.config.splits.split_column}"
    plan.splitting.shares, split = read_splits(plan.catalog.split_values[rows], option)
    nowhere = int(np.count_nonzero(split < 0))
    if nowhere:
        report(f"{option}: {nowhere} objects without a value are neither trained nor tested on (split margin)")
    plan.split[rows] = np.where(split < 0, len(plan.shares), split)


def split_by_field(plan: "Plan", rows: np.ndarray, fields: list[Field], field_of: np.ndarray) -> None:
    """Split rows so that no two splits share a field."""
    present, member_of = np.unique(field_of[rows], return_inverse=True)
    _split_groups(plan, rows, np.array([fields[i].name for i in present]), member_of)


def _split_groups(plan: "Plan", rows: np.ndarray, names: np.ndarray, member_of: np.ndarray) -> None:
    labels, classes = plan.catalog.labels[rows], plan.catalog.classes
    plan.split[rows] = plan.splitting.split_groups(names, member_of, labels, classes)[member_of]


def split_by_sky(
    plan: "Plan", rows: np.ndarray, fields: list[Field], field_of: np.ndarray, x: np.ndarray, y: np.ndarray,
    report: Callable[[str], None],
) -> None:  # fmt: skip
    """Split rows by areas of sky; a stamp that reaches into an area of another split goes to the margin.

    Raises:
        UsageError: the areas cannot fill the splits.
    """
    with_rows = set(np.unique(field_of[rows]).tolist())
    kept = [i for i, field in enumerate(fields) if field.wcs is not None or i in with_rows]
    number = np.full(len(fields), -1)
    number[kept] = np.arange(len(kept))
    here = [fields[i] for i in kept]
    blind = [field for field in here if field.wcs is None]
    if blind and len(blind) < len(here):
        report(
            f"WARNING: {len(blind)} of {len(here)} fields have no WCS ({blind[0].why}): each is split in blocks of its "
            "own pixels, and whether it shows the same sky as another is not known"
        )
    cells = SkyCells(here, plan.config.stamps.size, plan.config.splits.cell_size, plan.splitting.cells)
    plan.splitting.cells, plan.split_description = cells.grid, cells.description
    split = split_cells(
        cells, number[field_of[rows]], x[rows], y[rows], labels=plan.catalog.labels[rows],
        classes=plan.catalog.classes, splitting=plan.splitting, stamp_size=plan.config.stamps.size,
    )  # fmt: skip
    if len(plan.shares) == 1:  # there is no other split to reach into
        split = np.zeros_like(split)
    plan.split[rows] = np.where(split < 0, len(plan.shares), split)
    counts = np.bincount(plan.split[rows], minlength=len(plan.shares) + 1)
    for name, count in zip(plan.shares, counts, strict=False):
        if not count and not plan.splitting.source:
            raise UsageError(
                f"--split-by sky: every stamp of {name} reaches into an area of another split; the survey is too small "
                f"for areas of sky ({cells.description}): leave {name} out (--splits), take smaller stamps (--size), "
                "or split by id (--split-by id), by which test stamps share pixels with training stamps"
            )


def keep_objects_whole(plan: "Plan", rows: np.ndarray) -> None:
    """Move to the margin what would bring an object into another split than that of most of its rows.

    Of equals the first counts. Objects that are split by id never need it.
    """
    if plan.catalog.objects is None:
        return
    margin = len(plan.shares)
    rows = rows[(plan.catalog.objects[rows] != "") & (plan.split[rows] != margin)]
    objects, member_of = np.unique(plan.catalog.objects[rows], return_inverse=True)
    counts = np.zeros((len(objects), margin), np.int64)
    np.add.at(counts, (member_of, plan.split[rows]), 1)
    plan.split[rows[plan.split[rows] != counts.argmax(axis=1)[member_of]]] = margin


def overlap(plan: "Plan") -> dict[str, float]:
    """Return which share of the stamps of each split overlaps with training stamps, see `overlap_shares`."""
    rows, places = plan.open_rows(), plan.places
    return overlap_shares(
        places.field_of[rows], places.x[rows], places.y[rows], places.ra[rows], places.dec[rows], plan.split[rows],
        names=tuple(plan.shares), size=plan.cutting.size, scale=places.pixel_scale or plan.config.images.pixel_scale,
    )  # fmt: skip
