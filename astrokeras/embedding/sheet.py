"""Contact sheets of objects, in an order that is not the records' own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from astrokeras.embedding.result_table import check_free
from astrokeras.embedding.stamp_pictures import StampPictures
from astrokeras.errors import UsageError
from astrokeras.records.picture import COLUMNS, Cell, save_sheet


def check_sheet(sheet: str | None, records: str | None, *, overwrite: bool) -> Path | None:
    """Return where a sheet goes; refuse one that could not be written, before any work is done.

    Raises:
        UsageError: its name does not end in .png, or there are records and no sheet.
        AstrokerasError: it exists.
    """
    if sheet is None:
        if records is not None:
            raise UsageError("--records goes with --sheet FILE.png")
        return None
    if Path(sheet).suffix.lower() != ".png":
        raise UsageError(f"--sheet {sheet}: expected a name that ends in .png")
    return check_free(sheet, overwrite=overwrite)


def write_rows(
    path: Path,
    pictures: StampPictures,
    rows: Sequence[Sequence[tuple[str, str]]],
    further: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a sheet of rows of objects, each with a caption before its id; an object without a stamp is grey.

    Args:
        path: of the sheet.
        pictures: the stamps.
        rows: captions and ids.
        further: stamps ``[S, S, B]`` that are not in the records, by what stands for their ids.

    Raises:
        AstrokerasError: it cannot be written, or a shard is damaged.
    """
    wanted = list(dict.fromkeys(identifier for row in rows for _, identifier in row))
    there = [identifier for identifier, known in zip(wanted, pictures.known(wanted), strict=True) if known]
    shown = dict(zip(there, pictures.pictures(there), strict=True))
    for name, flux in (further or {}).items():
        shown[name] = pictures.others(flux[None], there)[0]
    blank = np.full((1, 1, 3), 128, np.uint8)
    cells = [[Cell(shown.get(name, blank), text, name, faint=name not in shown) for text, name in row] for row in rows]
    save_sheet(pictures.records, path, cells)


def write_ranked(path: Path, pictures: StampPictures, ids: Sequence[str], captions: Sequence[str]) -> None:
    """Write a sheet of one list of objects, row by row.

    Raises:
        AstrokerasError: it cannot be written, or a shard is damaged.
    """
    cells = list(zip(captions, ids, strict=False))
    write_rows(path, pictures, [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)])
