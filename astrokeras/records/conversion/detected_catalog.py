"""Find a survey's objects field by field, keep what is found for a rerun, and make one catalogue of it."""

import dataclasses
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord, search_around_sky
from astropy.table import MaskedColumn, Table

from astrokeras import __version__
from astrokeras.errors import AstrokerasError
from astrokeras.files import write_atomically
from astrokeras.progress import Progress, followed
from astrokeras.records.conversion.result import look_at
from astrokeras.records.fingerprint import fingerprint
from astrokeras.survey.columns import as_text
from astrokeras.survey.cutting import Cutting
from astrokeras.survey.detect import COLUMNS, Detection, detect_field
from astrokeras.survey.images import ImageError
from astrokeras.survey.tables import read_table, write_table

DETECTED = "detected.fits"
MATCH_RADIUS = 1.0  # arcsec within which two fields' objects are one
_UNITS = {"X": "pix", "Y": "pix", "RA": "deg", "DEC": "deg", "A": "pix", "B": "pix", "THETA": "deg", "DEPTH": "pix"}


@dataclasses.dataclass(frozen=True)
class Search:
    """One field to find objects on."""

    cutting: Cutting
    detection: Detection
    field: str
    directory: str
    version: str = __version__

    @property
    def fingerprint(self) -> str:
        """The same for the same search, wherever its result goes."""
        # What becomes of the stamps is no matter here.
        cutting = dataclasses.replace(self.cutting, size=0, pad=False, valid=False)
        return fingerprint(dataclasses.replace(self, directory="", cutting=cutting))

    @property
    def result(self) -> Path:
        """The file that keeps what is found."""
        return Path(self.directory) / f"{fingerprint(self.field)}.npz"


@dataclasses.dataclass(frozen=True)
class Found:
    """The objects of one field, or why there are none; `seen` as in `TaskResult`."""

    field: str
    objects: dict[str, np.ndarray]
    problem: str
    seen: dict[str, list[int] | None]


def detect(
    cutting: Cutting,
    detection: Detection,
    directory: Path,
    run: Callable[[list[Search]], Iterator[Found]],
    report: Callable[[str], None],
    progress: Progress,
) -> Path:
    """Find the objects of all fields and write `DETECTED` in `directory`.

    Args:
        cutting: how the images are read.
        detection: how objects are found on them.
        directory: for what is found; results of an earlier run there are taken if their images are still the same.
        run: does `search_and_keep` for each search.
        report: receives what cannot be used, and how many objects there are.
        progress: shows how many fields are done.

    Returns:
        The table: ``ID`` (FIELD-000001 …, in the order of y and x), ``FIELD``, the columns of `detect_field`, and
        ``DUPLICATE_OF``, the id of the same object in an overlapping field where it lies deeper.

    Raises:
        AstrokerasError: there are no objects.
    """
    directory.mkdir(exist_ok=True)
    searches = [Search(cutting, detection, name, str(directory.absolute())) for name in cutting.template.discover()]
    finished = {search.field: found for search in searches if (found := _load(search)) is not None}
    missing = [search for search in searches if search.field not in finished]

    def stream() -> Iterator[Found]:
        yield from finished.values()
        if missing:
            yield from run(missing)

    found = {one.field: one for one in followed(stream(), progress, "fields", len(searches))}
    in_order = [found[search.field] for search in searches]
    problems = [f"nothing can be detected on field {one.field!r}: {one.problem}" for one in in_order if one.problem]
    for problem in problems:
        report(problem)
    table = _table(in_order)
    table.meta["comments"] = [problem.encode("ascii", "replace").decode() for problem in problems]
    if not len(table):
        raise AstrokerasError(f"no object was detected on {len(searches)} fields; try a lower --detect-threshold")
    duplicates = int(np.count_nonzero(table["DUPLICATE_OF"] != b""))
    report(f"detected {len(table)} objects on {len(searches)} fields, {duplicates} of them in an overlap once more")
    write_table(table, directory / DETECTED)
    return directory / DETECTED


def search_and_keep(search: Search) -> Found:
    """Find the objects of one field and leave them for a rerun.

    Raises:
        CannotWrite: the result cannot be written.
        AstrokerasError: this process runs another version of astrokeras.
    """
    if search.version != __version__:
        raise AstrokerasError(f"a worker runs astrokeras {__version__}, expected {search.version} as here")
    seen = {str(path): look_at(path) for path in _paths(search)}
    objects: dict[str, np.ndarray] = {name: np.empty(0) for name in COLUMNS}
    problem = ""
    try:
        objects = detect_field(search.cutting, search.detection, search.field)
    except ImageError as error:
        problem = f"{error} ({error.reason})"
    found = Found(search.field, objects, problem, seen)
    _save(search, found)
    return found


def _paths(search: Search) -> list[Path]:
    """Return the field's images, weights and masks; none for a name that no file can have."""
    templates = [search.cutting.template, *(companion.template for companion in search.cutting.companions)]
    try:
        return list({template.path(search.field, band): None for template in templates for band in template.bands})
    except ValueError:
        return []


def _save(search: Search, found: Found) -> None:
    """Write what was found, whole or not at all."""
    rest = {"fingerprint": search.fingerprint, "problem": found.problem, "seen": found.seen}
    text = np.frombuffer(json.dumps(rest).encode(), np.uint8)
    write_atomically(search.result, lambda temporary: np.savez(temporary, json=text, **found.objects))


def _load(search: Search) -> Found | None:
    """Return what an earlier run found; None where it did not, or where the images have changed since."""
    try:
        with np.load(search.result, allow_pickle=False) as file:
            rest: dict[str, Any] = json.loads(file["json"].tobytes())
            objects = {name: file[name] for name in COLUMNS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if rest["fingerprint"] != search.fingerprint or any(look_at(path) != was for path, was in rest["seen"].items()):
        return None
    return Found(search.field, objects, rest["problem"], rest["seen"])


def _table(found: list[Found]) -> Table:
    """Return the objects of all fields in one table.

    Text is UTF-8, since FITS knows ASCII alone and fields have any name.
    """
    counts = [len(one.objects["X"]) for one in found]
    columns = {name: np.concatenate([one.objects[name] for one in found]) for name in COLUMNS}
    names = [one.field or "object" for one in found]
    ids = [f"{name}-{n:06d}".encode() for name, count in zip(names, counts, strict=True) for n in range(1, count + 1)]
    ids = np.array(ids, dtype=bytes)
    same = find_duplicates(np.repeat(np.arange(len(found)), counts), columns["RA"], columns["DEC"], columns["DEPTH"])
    fields = np.repeat(np.array([one.field.encode() for one in found], dtype=bytes), counts)
    other = np.where(same >= 0, ids[same], b"") if len(ids) else ids
    table = Table({"ID": ids, "FIELD": fields, **columns, "DUPLICATE_OF": other})
    for name, unit in _UNITS.items():
        table[name].unit = unit
    return table


def is_duplicate(path: str | Path) -> np.ndarray:
    """Return, of each row of the table that `detect` wrote, whether another is the same object, bool ``[N]``."""
    return as_text(MaskedColumn(read_table(path)["DUPLICATE_OF"])) != ""


def find_duplicates(field: np.ndarray, ra: np.ndarray, dec: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return for each object the one of another field that it is the same as, -1 where it stands for itself.

    Objects are taken by their depth, deepest first; each stands for those within `MATCH_RADIUS` in other fields that
    no other stands for yet.

    Args:
        field: number of each object's field, ``[N]``.
        ra: ICRS degrees; NaN: without a place on the sky.
        dec: ICRS degrees.
        depth: pixels to the nearest edge of the field.
    """
    same = np.full(len(field), -1)
    rows = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    if len(rows) < 2:
        return same
    places = SkyCoord(ra[rows], dec[rows], unit="deg")
    one, other, _, _ = search_around_sky(places, places, MATCH_RADIUS * units.arcsec)
    pairs = rows[np.stack([one, other], axis=1)[one < other]]  # each pair comes both ways, and each object with itself
    pairs = pairs[field[pairs[:, 0]] != field[pairs[:, 1]]]
    rank = np.empty(len(field), dtype=np.int64)
    rank[np.lexsort((np.arange(len(field)), -depth))] = np.arange(len(field))
    pairs = np.take_along_axis(pairs, np.argsort(rank[pairs], axis=1), axis=1)
    for deeper, other in pairs[np.lexsort((rank[pairs[:, 1]], rank[pairs[:, 0]]))]:
        if same[deeper] < 0 and same[other] < 0:
            same[other] = deeper
    return same
