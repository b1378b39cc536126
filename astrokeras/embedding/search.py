"""Find the objects that are most like some."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from astrokeras.config import SearchConfig
from astrokeras.embedding.faiss_neighbours import nearest_by_faiss
from astrokeras.embedding.file import EmbeddingsFile, check_same_space
from astrokeras.embedding.neighbours import nearest
from astrokeras.embedding.result_table import check_result, result_table, write_result
from astrokeras.embedding.sheet import check_sheet, write_rows
from astrokeras.embedding.stamp_pictures import StampPictures, pictures_of, records_like
from astrokeras.embedding.table import Objects
from astrokeras.errors import AstrokerasError, UsageError, unknown_name
from astrokeras.records.picture import COLUMNS

if TYPE_CHECKING:
    from astrokeras.embedding.image_query import ImageQuery

_BLOCK_BYTES = 64 << 20  # of float64, in memory at once
_ON_SHEET = 40  # rows of a sheet
_MOST_QUERIES, _MOST_IMAGES = 10_000, 100
_FEW = 20_000
_SAID = 10  # neighbours that are printed


def search(config: SearchConfig, report: Callable[[str], None]) -> dict[str, Any]:
    """Write the table of the nearest neighbours of some objects or images, and a contact sheet of them if asked for.

    A row is a neighbour: ``id``, ``ra``, ``dec``, ``query`` (whose neighbour; of an image the name of its file),
    ``rank`` (1 is the nearest), ``distance`` and, where known, ``label`` and ``split``. Objects that are asked for are
    left out.

    Returns:
        ``out``, ``queries``, ``rows`` (objects searched) and ``neighbours``, a list of the nearest few.

    Raises:
        UsageError: there is no query, or a position cannot be read.
        AstrokerasError: a file is none or exists, or there is no such object.

    Source: Allegretti et al. 2020, arXiv 2008.12959, who search by the cosine of embeddings.
    """
    out = check_result(config.out, overwrite=config.overwrite)
    sheet = check_sheet(config.sheet, None if config.image else config.records, overwrite=config.overwrite)
    file = EmbeddingsFile.open(config.embeddings)
    objects = Objects.load(file, ())
    source, asked = (file, objects) if config.queries is None else _others(file, config.queries)
    find = nearest_by_faiss if config.engine == "faiss" else nearest
    rows = _queries(asked, config)
    names, vectors = [str(name) for name in asked.ids[rows]], _vectors(source, rows)
    left_out = [{name} for name in names]
    images = _images(file, config, report)
    if images:
        vectors = np.concatenate([vectors, np.stack([image.vector for image in images])])
        names, left_out = [*names, *(image.name for image in images)], [*left_out, *(set() for _ in images)]
    shown = list(names)
    if config.together:
        names, vectors, left_out = [" ".join(names)], _mean(vectors, config.metric), [set().union(*left_out)]
    block = max(64, _BLOCK_BYTES // (8 * file.width))
    # The queries are found as well, and are left out afterwards.
    found, far = find(vectors, file.blocks(block), config.count + max(map(len, left_out)), config.metric)
    lists = []
    for near, distances, queries in zip(found, far, left_out, strict=True):
        others = ~np.isin(objects.ids[near], list(queries))
        lists.append((near[others][: config.count], distances[others][: config.count]))
    table = _table(objects, names, lists)
    if sheet is not None and (stamps := pictures_of(file, config.records, report)):
        _write_sheet(sheet, stamps, shown, names, lists, objects, {image.name: image.flux for image in images})
        report(f"contact sheet in {sheet}")
    write_result(table, out)
    first = [{"query": str(r["query"]), "id": str(r["id"]), "distance": float(r["distance"])} for r in table[:_SAID]]
    return {"out": str(out), "queries": len(shown), "rows": file.rows, "neighbours": first}


def _images(file: EmbeddingsFile, config: SearchConfig, report: Callable[[str], None]) -> "list[ImageQuery]":
    """Return what the encoder of the embeddings says of the images that are asked for, each once.

    Raises:
        UsageError: there are too many, or options that go with images alone.
        AstrokerasError: as `image_query.encoder_for` and `embed_image`.
    """
    if not config.image:
        if config.encoder:
            raise UsageError("--encoder goes with --image, which it embeds")
        return []
    from astrokeras.embedding.image_query import embed_image, encoder_for  # noqa: PLC0415 - Keras is slow to import

    if len(config.image) > _MOST_IMAGES:
        raise UsageError(
            f"--image: {len(config.image)} images, at most {_MOST_IMAGES} can be looked for one by one; make a file of "
            "them by astrokeras embed, and name it by --queries"
        )
    encoder = encoder_for(file, config.encoder, config.max_model_bytes)
    like = config.records or records_like(file)
    said: set[str] = set()

    def once(line: str) -> None:  # what holds for all of them
        if line not in said:
            said.add(line)
            report(line)

    return [embed_image(encoder, image, like, once, config.max_model_bytes) for image in dict.fromkeys(config.image)]


def _others(file: EmbeddingsFile, path: str) -> tuple[EmbeddingsFile, Objects]:
    other = EmbeddingsFile.open(path)
    check_same_space(file, other)
    return other, Objects.load(other, ())


def _queries(objects: Objects, config: SearchConfig) -> np.ndarray:
    """Return the rows of the objects that are asked for, each once, in the order in which they are named."""
    if not (config.id or config.position):
        if config.queries is None and config.image:
            return np.empty(0, np.int64)
        if config.queries is None:
            raise UsageError("what is to be found? Name an object by --id or --position RA,DEC, or an --image")
        if len(objects) > _MOST_QUERIES:
            raise UsageError(
                f"{config.queries} has {len(objects):,} objects, at most {_MOST_QUERIES:,} can be looked for at once; "
                "name some by --id or --position"
            )
        return np.arange(len(objects))
    place = {name: row for row, name in enumerate(objects.ids.tolist())}
    rows = []
    for name in config.id:
        if name not in place:
            # To look for similar names takes long among very many.
            said = unknown_name("object", name, place) if len(place) < _FEW else f"object {name!r} is unknown"
            raise AstrokerasError(f"--id: {said} ({objects.file.path})")
        rows.append(place[name])
    rows += [_at(objects, text, config.radius) for text in config.position]
    return np.array(list(dict.fromkeys(rows)), dtype=np.int64)


def _at(objects: Objects, text: str, radius: float) -> int:
    """Return the row of the object that is nearest to a position on the sky."""
    try:
        ra, dec = (float(part) for part in text.split(","))
    except ValueError:
        ra = dec = np.nan
    if not (np.isfinite(ra) and abs(dec) <= 90):
        raise UsageError(f"--position {text}: expected RA,DEC in degrees, as in 150.116,2.205")
    apart = separation(ra, dec, objects.ra, objects.dec)
    if np.isnan(apart).all():
        raise AstrokerasError(f"--position {text}: {objects.file.path} has no positions; name the object by --id")
    row = int(np.nanargmin(apart))
    if apart[row] > radius:
        raise AstrokerasError(
            f'--position {text}: no object within {radius:g}"; the nearest, {objects.ids[row]}, is {apart[row]:.1f}" '
            "away (--radius)"
        )
    return row


def separation(ra: float, dec: float, other_ra: np.ndarray, other_dec: np.ndarray) -> np.ndarray:
    """Return the angles between a position and others, by the haversine formula, exact for small ones too.

    Units: degrees in, arcseconds out.
    """
    one, other = np.deg2rad(dec), np.deg2rad(other_dec)
    across = np.sin(np.deg2rad(other_ra - ra) / 2) ** 2
    half = np.sin((other - one) / 2) ** 2 + np.cos(one) * np.cos(other) * across
    return np.rad2deg(2 * np.arcsin(np.sqrt(np.minimum(half, 1.0)))) * 3600


def _vectors(file: EmbeddingsFile, rows: np.ndarray) -> np.ndarray:
    """Return the embeddings of some rows, in their order."""
    found = np.empty((len(rows), file.width), np.float32)
    for start, block in file.blocks():
        here = np.flatnonzero((rows >= start) & (rows < start + len(block)))
        found[here] = block[rows[here] - start]
    return found


def _mean(vectors: np.ndarray, metric: str) -> np.ndarray:
    """Return the mean of the queries, in which each counts the same whatever its length if angles are compared."""
    if metric == "cosine":
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.where(lengths > 0, lengths, 1.0)
    return vectors.mean(axis=0, keepdims=True)


def _table(objects: Objects, names: Sequence[str], lists: Sequence[tuple[np.ndarray, np.ndarray]]) -> Table:
    rows = np.concatenate([near for near, _ in lists])
    lengths = [len(near) for near, _ in lists]
    columns = {
        "query": np.repeat(np.array(names, dtype=object), lengths),
        "rank": np.concatenate([np.arange(1, length + 1) for length in lengths]),
        "distance": np.concatenate([far for _, far in lists]),
    }
    for name in ("label", "split"):
        values = objects.named(name)
        if any(value is not None for value in values):
            columns[name] = values[rows]
    return result_table(objects, rows, columns)


def _write_sheet(
    path: Path,
    stamps: StampPictures,
    queries: Sequence[str],
    names: Sequence[str],
    lists: Sequence[tuple[np.ndarray, np.ndarray]],
    objects: Objects,
    images: Mapping[str, np.ndarray],
) -> None:
    """Draw a row for each query, with it before its neighbours; of one list the rest in further rows."""
    rows: list[list[tuple[str, str]]] = []
    for name, (near, far) in list(zip(names, lists, strict=True))[:_ON_SHEET]:
        asked = list(queries) if len(names) == 1 else [name]
        cells = [("query", one) for one in asked]
        cells += [(_caption(objects.label[row], apart), objects.ids[row]) for row, apart in zip(near, far, strict=True)]
        most = COLUMNS * (_ON_SHEET if len(lists) == 1 else 1)
        rows += [cells[start : start + COLUMNS] for start in range(0, min(len(cells), most), COLUMNS)]
    write_rows(path, stamps, rows, images)


def _caption(label: str | None, distance: float) -> str:
    return f"{distance:.3g} {label or ''}".rstrip()
