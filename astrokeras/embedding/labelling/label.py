"""``astrokeras label``: which stamps are shown, in which order, and the page that shows them."""

import io
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from PIL import Image

from astrokeras.config import LabelConfig
from astrokeras.embedding.known_labels import text_values
from astrokeras.embedding.labelling.label_file import LabelFile
from astrokeras.embedding.labelling.server import LabellingServer
from astrokeras.embedding.labelling.session import LabelQuestion, Session
from astrokeras.embedding.pages.page import VIEWERS
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.picture import rgb, upright, white_balance
from astrokeras.records.stamp_reader import StampReader
from astrokeras.survey.tables import read_table
from astrokeras.text import is_plain

MAX_CLASSES = 9
_SAMPLE = 32  # stamps from which the balance of the colours is taken


def label(config: LabelConfig, report: Callable[[str], None]) -> dict[str, Any]:
    """Serve the page until somebody presses finish there.

    Args:
        config: the options.
        report: says where the page is.

    Returns:
        ``out``, and the numbers ``labelled`` and ``skipped`` in this sitting, and ``total`` in the table.

    Raises:
        UsageError: the classes or the port cannot be used.
        AstrokerasError: records or tables are missing or damaged, or nothing is left to label.
    """
    records = RecordsDirectory.load(config.records)
    classes = choose_classes(config.classes, records.classes)
    objects = records.objects(None if config.split == "all" else config.split)
    wanted = read_ids(config.suggestions, config.max_catalog_bytes) if config.suggestions else None
    with LabelFile(Path(config.out)) as table:
        if table.mended:
            report(f"{table.path} ended within a row, which was taken off; that object is asked for again")
        rows = choose_rows(objects, table.labels, wanted, config.seed, report)
        session = Session([_question(objects, row, VIEWERS[config.viewer]) for row in rows], classes, table)
        with LabellingServer(session, Pictures(records, objects, rows).png, config.port) as server:
            report(f"{len(rows)} stamps to label, answers go to {table.path}; open")
            report(server.address)
            server.serve()
        return {
            "out": str(table.path),
            "labelled": session.labelled,
            "skipped": session.skipped,
            "total": len(table.labels),
        }


def choose_classes(given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that the keys stand for.

    Raises:
        UsageError: there are none, more than nine, or some that no table keeps.
    """
    classes = tuple(name.strip() for name in given) or tuple(known)
    if not classes:
        raise UsageError("the records have no classes; name the labels with --classes, as in --classes spiral,smooth")
    if len(classes) > MAX_CLASSES:
        raise UsageError(
            f"{len(classes)} classes, expected at most {MAX_CLASSES}, one for each key; choose with --classes"
        )
    if odd := [name for name in classes if not name or not is_plain(name)]:
        raise UsageError(f"--classes: {odd[0]!r} can be no label: it is empty or has control characters")
    if len(set(classes)) < len(classes):
        raise UsageError(f"--classes {','.join(classes)}: one is there twice")
    return classes


def read_ids(path: str, limit: int) -> list[str]:
    """Return the ids of a table, in its order, each once.

    Raises:
        AstrokerasError: it cannot be read, or has no column ``id``.
    """
    table = read_table(path, text_columns=("id",), limit=limit)
    return list(dict.fromkeys(text_values(table, "id", path)))


def choose_rows(
    objects: Table, labelled: Container[str], wanted: Sequence[str] | None, seed: int, report: Callable[[str], None]
) -> list[int]:
    """Return the rows of `objects` that are shown, in order.

    Args:
        objects: as `RecordsDirectory.objects` gives them.
        labelled: ids that have a label in the table, and are left out.
        wanted: ids of a table of suggestions; None for all objects that have no label in the records.
        seed: of the random order, where no order is given.
        report: is told what is left out.

    Raises:
        AstrokerasError: nothing is left.
    """
    ids = np.asarray(objects["id"]).astype(str).tolist()
    if wanted is None:
        unlabelled = np.ma.filled(np.ma.asarray(objects["label"]), "") == ""
        rows = np.random.default_rng(seed).permutation(np.flatnonzero(unlabelled)).tolist()
    else:
        place = {identifier: row for row, identifier in enumerate(ids)}
        missing = [identifier for identifier in wanted if identifier not in place]
        if missing:
            report(f"{len(missing)} of {len(wanted)} suggested ids are not among these records: {missing[0]}, …")
        rows = [place[identifier] for identifier in wanted if identifier in place]
    left = [row for row in rows if ids[row] not in labelled and is_plain(ids[row])]
    if not left:
        raise AstrokerasError(f"nothing is left to label: of {len(rows)} such objects all are in the table of labels")
    if len(left) < len(rows):
        report(f"{len(rows) - len(left)} of {len(rows)} objects have a label in the table already")
    return left


def _question(objects: Table, row: int, viewer: str) -> LabelQuestion:
    identifier = str(objects["id"][row])
    if "ra" not in objects.colnames or not np.isfinite([objects["ra"][row], objects["dec"][row]]).all():
        return LabelQuestion(identifier)
    ra, dec = f"{objects['ra'][row]:.6f}", f"{objects['dec'][row]:.6f}"
    return LabelQuestion(identifier, f"ra {ra}°, dec {dec}°", viewer.format(ra=ra, dec=dec))


class Pictures:
    """Stamps as PNG; all of a sitting in colours of one balance."""

    def __init__(self, records: RecordsDirectory, objects: Table, rows: Sequence[int]) -> None:
        self._records, self._stamps = records, StampReader(records)
        self._places = [(str(objects["shard"][row]), int(objects["row"][row])) for row in rows]
        sample = self._stamps.flux(self._places[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE])
        self._balance = white_balance(sample, records)

    def png(self, number: int) -> bytes:
        """Return the stamp of one question."""
        shown = rgb(self._stamps.flux([self._places[number]]), self._records, self._balance)
        (picture,) = upright(shown, self._records)
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(stream, "PNG")
        return stream.getvalue()
