"""Values between commas or tabs, read by pandas."""

import csv
import io
import warnings

import numpy as np
import pandas as pd
from astropy.table import Column, MaskedColumn, Table

# From version 3.1 on pandas reads every digit of a number by itself, and warns of being told to.
_EXACT = {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}


def read_csv(text: str, separator: str, text_columns: tuple[str, ...]) -> Table:
    """Read values between commas or tabs; whole numbers keep every digit, also in a column with gaps.

    Args:
        text: one line of names, then one line for each row; lines without any value are passed over.
        separator: what stands between values.
        text_columns: columns to be read as text (lower case), where an empty cell is an empty text.

    Returns:
        The table; in its other columns an empty cell is masked, and no other word means a missing value.

    Raises:
        ValueError: a line has more cells than the first has names, or a quoted cell has no end.
    """
    names = _unique_names(text, separator)
    as_text = {name for name in names if name.lower() in text_columns}
    frame = _parse(text, separator, names, as_text)
    # pandas makes True of TRUE and true; they are words here, as in any other column of text.
    booleans = {name for name in names if isinstance(frame[name].dtype, pd.BooleanDtype)}
    if booleans:
        frame = _parse(text, separator, names, as_text | booleans)
    return Table({name: _column(frame[name], name in as_text) for name in names})


def _unique_names(text: str, separator: str) -> list[str]:
    """Return the names in the first line that is not blank, made different where two are the same or one is missing."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    cells = next((row for row in lines if len(row) > 1 or "".join(row).strip()), [])
    names: list[str] = []
    for number, cell in enumerate(cells, start=1):
        name = first = cell.strip() or f"col{number}"
        copies = 0
        while name in names:
            copies += 1
            name = f"{first}_{copies}"
        names.append(name)
    return names


def _parse(text: str, separator: str, names: list[str], as_text: set[str]) -> pd.DataFrame:
    """Read with pandas; only an empty cell is missing here, since other words may be somebody's value.

    Raises:
        ValueError: a line has more cells than there are names, or a quoted cell has no end.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.StringIO(text),
                sep=separator, names=names, header=0, index_col=False, dtype=dict.fromkeys(as_text, "string"),
                dtype_backend="numpy_nullable", keep_default_na=False, na_values=[""], skipinitialspace=True,
                low_memory=False, **_EXACT,
            )  # fmt: skip
    except pd.errors.ParserWarning:
        raise ValueError(f"its lines have more cells than its first line has names ({len(names)})") from None
    except pd.errors.ParserError as error:
        said = str(error).rpartition("C error: ")[2].strip()
        hint = "; does a quoted cell hold a line break?" if "EOF" in said else ""
        raise ValueError(said + hint) from None


def _column(series: pd.Series, is_text: bool) -> Column:
    """Return a column of numbers or text, masked where a cell is empty; in a column of text that is an empty text."""
    missing = series.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(series.dtype):
        values = series.to_numpy(series.dtype.numpy_dtype, na_value=0)
    else:
        values = np.char.strip(series.fillna("").to_numpy(object).astype(str))
    return Column(values) if is_text or not missing.any() else MaskedColumn(values, mask=missing)
