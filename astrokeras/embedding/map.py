"""Embeddings as a map: a table of places, a page to look at, figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from astrokeras.config import MapConfig
from astrokeras.embedding.colours import colour_of
from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.layout import lay_out
from astrokeras.embedding.map_figure import check_figure, write_figure
from astrokeras.embedding.map_page import page_data
from astrokeras.embedding.pages.page import check_page, write_page
from astrokeras.embedding.result_table import check_result, result_table, write_result
from astrokeras.embedding.stamp_pictures import pictures_of
from astrokeras.embedding.table import Objects
from astrokeras.errors import UsageError

_OWN = ("ra", "dec", "split", "label")


def map_embeddings(config: MapConfig, report: Callable[[str], None]) -> dict[str, Any]:
    """Write the table of places (``id``, ``ra``, ``dec``, ``map_x``, ``map_y``, the colours), the page and the figures.

    Returns:
        ``out``, ``page``, ``objects``, ``points`` of the page and its ``stamps``.

    Raises:
        UsageError: options that do not go together, or too few objects for the method.
        AstrokerasError: the file is none, something exists, there is no such column.
    """
    out = check_result(config.out, overwrite=config.overwrite)
    page = check_page(config.page, out, overwrite=config.overwrite)
    for figure in config.figure:
        check_figure(figure, overwrite=config.overwrite)
    file = EmbeddingsFile.open(config.embeddings)
    if file.rows < 3:
        raise UsageError(f"{file.path} has {file.rows} objects, a map needs 3 or more")
    objects = Objects.load(file, [name for name in config.colour if name not in _OWN])
    labelled = any(value is not None for value in objects.label)
    names = config.colour or (("label",) if labelled else ())
    layout = lay_out(
        file, config.method, sample=config.sample, perplexity=config.perplexity, neighbours=config.neighbours,
        seed=config.seed, report=report,
    )  # fmt: skip
    colours = [colour_of(name, objects.named(name)[layout.rows]) for name in names]
    pictures = pictures_of(file, config.records, report) if config.stamps else None
    data = page_data(config, objects, layout, colours, pictures, report)
    write_page(page, "map", data["title"], data)
    for path in config.figure:
        write_figure(Path(path), layout, colours[0] if colours else None)
    columns = {"map_x": layout.places[:, 0], "map_y": layout.places[:, 1]}
    for name in names:
        if name not in ("ra", "dec"):
            columns[f"catalog_{name}" if name in ("map_x", "map_y") else name] = objects.named(name)[layout.rows]
    write_result(result_table(objects, layout.rows, columns), out)
    stamps = data["stamps"]["count"] if data["stamps"] else 0
    counts = {"objects": len(layout.rows), "points": len(data["ids"]), "stamps": stamps}
    return {"out": str(out), "page": str(page), "figures": list(config.figure), **counts}
