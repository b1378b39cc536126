"""Where each object of a catalogue lies, on the sky and on its image."""

import dataclasses

import numpy as np

from astrokeras.records.conversion.positions import by_field
from astrokeras.survey.catalog import Catalog
from astrokeras.survey.placement import Field


@dataclasses.dataclass
class Places:
    """Positions of the N rows of a catalogue.

    Attributes:
        ra, dec: ICRS degrees, float64 ``[N]``, NaN where unknown.
        x, y: 0-based pixels of the image that the stamp is cut from, float64 ``[N]``; NaN for stamps with files of
            their own.
        fields: names of the fields, and
        field_of: the number of each row's among them, int64 ``[N]``; -1 where there is none.
        pixel_scale: arcseconds, the median of the fields that have a WCS; None where none has.
    """

    ra: np.ndarray
    dec: np.ndarray
    x: np.ndarray
    y: np.ndarray
    fields: list[str]
    field_of: np.ndarray
    pixel_scale: float | None = None


def places_of_files(catalog: Catalog) -> Places:
    """Return what the catalogue says, of stamps that have files of their own."""
    nowhere = np.full(len(catalog), np.nan)
    return Places(*_catalogued(catalog), nowhere, nowhere, [], np.full(len(catalog), -1))


def places_on_fields(
    catalog: Catalog, fields: list[Field], field_of: np.ndarray, x: np.ndarray, y: np.ndarray, rows: np.ndarray
) -> Places:
    """Return the places of stamps cut from fields; by the field's WCS where the catalogue has no ra and dec.

    Args:
        catalog: of N rows.
        fields: the survey's.
        field_of: index of each row's field, ``[N]``.
        x: 0-based pixel columns, ``[N]``.
        y: 0-based pixel rows, ``[N]``.
        rows: the rows that are wanted; the others' ra and dec are the catalogue's, if any.
    """
    ra, dec = _catalogued(catalog)
    unknown = rows[~(np.isfinite(ra[rows]) & np.isfinite(dec[rows]))]
    for index, here in by_field(field_of, unknown):
        if fields[index].wcs is not None:
            ra[here], dec[here] = fields[index].to_sky(x[here], y[here])
    scales = [field.pixel_scale for field in fields if field.wcs is not None]
    scale = float(np.median(scales)) if scales else None
    return Places(ra, dec, x, y, [field.name for field in fields], field_of, scale)


def _catalogued(catalog: Catalog) -> tuple[np.ndarray, np.ndarray]:
    if catalog.ra is None:
        return np.full(len(catalog), np.nan), np.full(len(catalog), np.nan)
    return catalog.ra.copy(), catalog.dec.copy()
