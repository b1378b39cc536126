"""Say in which field, and on which of its pixels, each catalogue row lies; rows that lie nowhere become rejects.

A field without a usable WCS concerns its own rows alone.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.survey.cutting import read_field
from astrokeras.survey.images import ImageError
from astrokeras.survey.placement import Field, assign_fields
from astrokeras.survey.presets import check_pixel_scale

if TYPE_CHECKING:
    from astrokeras.records.conversion.plan import Plan

Report = Callable[[str], None]
_NAMED = 3  # fields that a line names, of those with the same to be said of them


def by_field(field_of: np.ndarray, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the fields that have any of `rows`, each with its own, in one pass however many fields there are."""
    if not len(rows):
        return
    rows = rows[np.argsort(field_of[rows], kind="stable")]
    indices, starts = np.unique(field_of[rows], return_index=True)
    yield from zip(indices.tolist(), np.split(rows, starts[1:]), strict=True)


def read_fields(plan: "Plan", names: list[str], report: Report) -> tuple[list[Field], dict[str, ImageError]]:
    """Return the fields that can be used, and what is wrong with the others.

    Raises:
        AstrokerasError: none can be used.
    """
    fields, broken = [], {}
    for name in names:
        try:
            fields.append(read_field(plan.cutting, name))
        except ImageError as error:
            broken[name] = error
            report(f"field {name!r} cannot be used ({error.reason}): {error}")
    if not fields:
        error = next(iter(broken.values()))
        raise AstrokerasError(f"no image can be used; the first: {error}")
    for note in dict.fromkeys(note for field in fields for note in field.notes):
        report(f"{_titles([field for field in fields if note in field.notes])}: {note}")
    if plan.config.images.pixel_scale:
        scales = {field.name: field.pixel_scale for field in fields if field.wcs is not None}
        if warning := check_pixel_scale(plan.config.images.pixel_scale, scales):
            report(warning)
    return fields, broken


def find_fields(plan: "Plan", fields: list[Field], broken: dict[str, ImageError], report: Report) -> np.ndarray:
    """Return index of each row's field; rows without one are rejected.

    Raises:
        UsageError: nothing says which field a row is in.
    """
    catalog = plan.catalog
    index = {field.name: i for i, field in enumerate(fields)}
    if "field" not in plan.cutting.template:
        return np.zeros(len(catalog), dtype=np.int64)
    if catalog.fields is not None:
        named, which = np.unique(catalog.fields, return_inverse=True)
        found = np.array([index.get(name, -1) for name in named.tolist()])[which]
        lost = np.flatnonzero(found < 0)
        for number, rows in by_field(which, lost):
            name = str(named[number])
            error = broken.get(name, ImageError("missing_image", f"field {name!r} has no image"))
            plan.reject(rows, error.reason, str(error))
        return found
    if catalog.ra is None:
        raise UsageError(
            "the catalogue has neither a field column (--field-column) nor ra and dec to find the field by"
        )
    placed = np.flatnonzero([field.wcs is not None for field in fields])
    unplaced = [field for field in fields if field.wcs is None]
    if not len(placed):
        raise UsageError(
            "no image has a WCS to find the fields by, so the catalogue must say which field each object is in "
            f"(--field-column); the first: {unplaced[0].why}"
        )
    if unplaced:
        report(f"no row is looked for on {_titles(unplaced)}, as no --field-column says so: {_whys(unplaced)}")
    found = assign_fields([fields[i] for i in placed], catalog.ra, catalog.dec)
    found = np.where(found >= 0, placed[found], -1)
    lost = " (or its field cannot be read)" if broken else " (or in one without a WCS)" if unplaced else ""
    plan.reject(np.flatnonzero(found < 0), "no_field", f"the position lies in no field{lost}")
    return found


def find_positions(
    plan: "Plan", fields: list[Field], field_of: np.ndarray, report: Report
) -> tuple[np.ndarray, np.ndarray]:
    """Return 0-based pixel positions, ``[N]`` each, from ra and dec on fields with a WCS, otherwise from x and y.

    Where there is a WCS, x and y count instead of ra and dec only if they are named by options and those are not.

    Raises:
        UsageError: there are no positions that any field could use.
    """
    catalog, config = plan.catalog, plan.config
    x, y = np.full((2, len(catalog)), np.nan)
    if catalog.ra is None and catalog.x is None:
        raise UsageError(
            "no position column was found; name them (--ra-column and --dec-column, or --x-column and --y-column)"
        )
    by_pixels = catalog.ra is None or (
        catalog.x is not None and bool(config.catalogue.x_column) and not config.catalogue.ra_column
    )
    unplaced = []
    for index, here in by_field(field_of, np.flatnonzero(~plan.rejects.mask & (field_of >= 0))):
        field = fields[index]
        if not by_pixels and field.wcs is not None:
            known = here[np.isfinite(catalog.ra[here]) & (np.abs(catalog.dec[here]) <= 90)]
            column, row = field.to_pixels(catalog.ra[known], catalog.dec[known])
            off = ~(np.isfinite(column) & np.isfinite(row))  # the projection does not reach there
            x[known], y[known] = np.where(off, -np.inf, column), np.where(off, -np.inf, row)
            continue
        if not by_pixels:
            unplaced.append(field)
        if catalog.x is None:
            plan.reject(here, "no_wcs", f"{field.why}, so that ra and dec say nothing there")
            continue
        known = here[np.isfinite(catalog.x[here]) & np.isfinite(catalog.y[here])]
        x[known], y[known] = catalog.x[known], catalog.y[known]
    _say_unplaced(plan, fields, unplaced, report)
    plan.reject(np.flatnonzero(np.isnan(x)), "no_position", "the catalogue has no usable position here")
    return x, y


def _say_unplaced(plan: "Plan", fields: list[Field], unplaced: list[Field], report: Report) -> None:
    """Say of which fields the rows cannot be placed by ra and dec, and what happens to them."""
    if not unplaced:
        return
    if plan.catalog.x is None:
        if all(field.wcs is None for field in fields):
            raise UsageError(
                "no image has a WCS, so the catalogue must give pixel positions (--x-column, --y-column); "
                f"the first: {unplaced[0].why}"
            )
        report(f"the rows of {_titles(unplaced)} are left out, having no x and y: {_whys(unplaced)}")
        return
    report(f"the rows of {_titles(unplaced)} are placed by x and y instead of ra and dec: {_whys(unplaced)}")


def _titles(fields: list[Field]) -> str:
    """Return the names of a few fields, and how many there are."""
    if len(fields) == 1:
        return fields[0].title
    names = ", ".join(field.name for field in fields[:_NAMED])
    return f"{len(fields)} fields ({names}{', …' if len(fields) > _NAMED else ''})"


def _whys(fields: list[Field]) -> str:
    return f"{'e.g. ' if len(fields) > 1 else ''}{fields[0].why}"
