"""VOTables, looked at before they are read: nothing elsewhere, nothing larger than is allowed."""

import io
import math
import re
from pathlib import Path

from astropy.io import votable
from astropy.table import Table
from astropy.utils.xml.iterparser import get_xml_iterator

from astrokeras.survey.unpack import ROOM, too_large, unpacked

_CELL_BYTES = 8  # what a value takes, at most; longer text is in the file itself


def read_votable(path: Path, limit: int) -> Table:
    """Return the first table of the file; its columns have the names that people see, not their IDs.

    Raises:
        ValueError: its data are elsewhere, or it takes more than `limit` bytes.
    """
    content = unpacked(path, limit)
    _check(content, limit)
    tables = votable.parse(io.BytesIO(content), verify="ignore").iter_tables()
    table = next(iter(tables), None)
    if table is None:
        raise ValueError("it holds no table")
    return table.to_table(use_names_over_ids=True)


def _check(content: bytes, limit: int) -> None:
    rows = claimed = width = 0
    with get_xml_iterator(io.BytesIO(content)) as elements:
        for starts, tag, attributes, _ in elements:
            if not starts:
                continue
            if tag == "STREAM" and "href" in attributes:  # astropy would read any other file or address
                raise ValueError(f"its data are elsewhere ({attributes['href']}); save the table in one file")
            if tag == "STREAM" and "gzip" in attributes.get("encoding", ""):
                raise ValueError("its data are packed within the file; save the table without, and pack the whole file")
            if tag == "TABLE":
                rows = width = 0
                claimed = _whole(attributes.get("nrows"))
            elif tag == "FIELD":
                sizes = re.findall(r"\d+", attributes.get("arraysize", "1")) or ["1"]
                width += math.prod(map(int, (size[:20] for size in sizes))) * _CELL_BYTES
            elif tag == "TR":
                rows += 1
            if max(rows, claimed) * width > limit + ROOM * len(content):
                raise too_large("it", max(rows, claimed) * width, limit)


def _whole(text: str | None) -> int:
    return int(text[:20]) if text and text.strip().isdigit() else 0
