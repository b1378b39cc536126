"""Zero points that differ from field to field, as a table with a row a field and a column a band."""

import numpy as np

from astrokeras.errors import UsageError
from astrokeras.survey.bands import names_in_tables
from astrokeras.survey.tables import read_table

FIELD_NAMES = ("field", "tile", "tilename", "tile_name", "field_name", "fieldname")

NO_ZERO_POINT = 60.0  # a zero point so large or small is a mark


def read_zero_point_table(
    path: str, bands: tuple[str, ...], other_names: tuple[str, ...] = ()
) -> dict[str, tuple[float, ...]]:
    """Return the zero point of each band of each field; NaN where the table has none, or a mark such as 99.

    Args:
        path: a table with a column of field names, and for each band one that is called like it or ends in ``_BAND``
            (``ZP_r``, ``SPLUS_R``).
        bands: names.
        other_names: what the bands are called elsewhere (``--catalog-bands``), in the same order.

    Raises:
        UsageError: a column is missing or stands for two bands, or a field has two rows.
    """
    table = read_table(path, text_columns=FIELD_NAMES)
    by_lower = {name.lower(): name for name in table.colnames}
    field = next((by_lower[name] for name in FIELD_NAMES if name in by_lower), None)
    if field is None:
        raise UsageError(f"--zero-point {path}: no column with the fields; expected one called {FIELD_NAMES[0]}")
    others = names_in_tables(bands, other_names)
    columns = [_column(table.colnames, path, (band, other)) for band, other in zip(bands, others, strict=True)]
    if len(set(columns)) < len(columns):
        raise UsageError(f"--zero-point {path}: one column would serve two bands ({', '.join(columns)})")
    try:
        values = np.stack([np.ma.asarray(table[name]).astype(float).filled(np.nan) for name in columns], axis=1)
    except (TypeError, ValueError):
        raise UsageError(f"--zero-point {path}: {', '.join(columns)} hold text, expected magnitudes") from None
    values[np.abs(values) >= NO_ZERO_POINT] = np.nan
    names = [str(name).strip() for name in table[field]]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise UsageError(f"--zero-point {path}: field {twice!r} has two rows")
    return dict(zip(names, map(tuple, values.tolist()), strict=True))


def _column(colnames: list[str], path: str, names: tuple[str, str]) -> str:
    """Return the column of a band: its name, else one that ends in it, the same case before any case."""
    for tests in (
        lambda column, name: column == name,
        lambda column, name: column.endswith(f"_{name}"),
        lambda column, name: column.lower() == name.lower(),
        lambda column, name: column.lower().endswith(f"_{name.lower()}"),
    ):
        found = sorted({column for column in colnames for name in names if tests(column, name)})
        if len(found) > 1:
            raise UsageError(f"--zero-point {path}: band {names[0]} could be any of {', '.join(found)}")
        if found:
            return found[0]
    raise UsageError(f"--zero-point {path}: no column for band {names[0]} (as in {names[0]} or ZP_{names[0]})")
