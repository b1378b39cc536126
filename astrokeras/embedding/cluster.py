"""Groups of objects that are alike: a table, a page of examples, agreement with labels."""

from collections.abc import Callable
from typing import Any

import numpy as np

from astrokeras.config import ClusterConfig
from astrokeras.embedding.agreement import agreement
from astrokeras.embedding.clustering import NONE, Clustering, divide
from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.known_labels import known_labels
from astrokeras.embedding.outliers import reduced
from astrokeras.embedding.pages.page import VIEWERS, check_page, sprite_of, write_page
from astrokeras.embedding.result_table import check_result, result_table, write_result
from astrokeras.embedding.stamp_pictures import StampPictures, pictures_of
from astrokeras.embedding.table import Objects
from astrokeras.errors import UsageError

_STAMP = 72  # pixels of a stamp on the page
_MOST_STAMPS = 10_000


def cluster(config: ClusterConfig, report: Callable[[str], None]) -> dict[str, Any]:
    """Write the table of groups (``id``, ``ra``, ``dec``, ``group``, ``distance``, ``label``, ``split``) and the page.

    Groups count from 1, the largest first, and 0 is none; the distance is that to the mean of the group, along the
    first 50 principal components.

    Returns:
        ``out``, ``page``, ``sizes`` of the groups, ``ungrouped``, ``silhouettes`` and ``agreement`` with labels.

    Raises:
        UsageError: options that do not go together, or too few objects.
        AstrokerasError: a file is none or exists.
    """
    out = check_result(config.out, overwrite=config.overwrite)
    page = check_page(config.page, out, overwrite=config.overwrite)
    if config.groups is not None and config.method == "hdbscan":
        raise UsageError("--groups goes with --method kmeans or gmm; hdbscan finds how many there are")
    file = EmbeddingsFile.open(config.embeddings)
    objects = Objects.load(file, ())
    labels = known_labels(objects, config.labels, config.max_catalog_bytes, report)
    groups = divide(reduced(file), config, report)
    agreed = agreement(groups.number, labels)
    pictures = pictures_of(file, config.records, report) if config.examples else None
    data = _page_data(config, objects, groups, agreed, pictures)
    write_page(page, "cluster", data["title"], data)
    columns = {"group": groups.number, "distance": groups.distance}
    for name, values in (("label", labels), ("split", objects.split)):
        if any(value is not None for value in values):
            columns[name] = values
    write_result(result_table(objects, np.arange(len(objects)), columns), out)
    sizes = np.bincount(groups.number, minlength=groups.count + 1).tolist()
    return {
        "out": str(out), "page": str(page), "sizes": sizes[NONE + 1 :], "ungrouped": sizes[NONE],
        "silhouettes": groups.silhouettes, "agreement": agreed,
    }  # fmt: skip


def _page_data(
    config: ClusterConfig,
    objects: Objects,
    groups: Clustering,
    agreed: dict[str, Any] | None,
    pictures: StampPictures | None,
) -> dict[str, Any]:
    rng = np.random.default_rng(config.seed)
    shown, chosen = [], []
    most = max(1, _MOST_STAMPS // (2 * (groups.count + 1)))
    for number in range(groups.count + 1):
        rows = np.flatnonzero(groups.number == number)
        if not len(rows):
            continue
        count = min(config.examples, most)
        typical = rows[np.argsort(groups.distance[rows], kind="stable")][:count] if number != NONE else rows[:0]
        others = np.setdiff1d(rows, typical)
        random = np.sort(rng.choice(others, min(count, len(others)), replace=False))
        lists = {"typical": typical.tolist(), "random": random.tolist()}
        shown.append({"number": number, "size": len(rows), **lists})
        chosen += [*lists["typical"], *lists["random"]]
    ids = objects.ids[chosen]
    there = pictures.known(ids.tolist()) if pictures is not None else np.zeros(len(ids), bool)
    cells = {row: cell for cell, row in enumerate(np.array(chosen, np.int64)[there].tolist())}
    stamps = sprite_of(pictures.pictures(ids[there].tolist(), _STAMP)) if cells else None
    examples = {
        str(row): {
            "id": objects.ids[row], "ra": _number(objects.ra[row]), "dec": _number(objects.dec[row]),
            "label": objects.label[row], "cell": cells.get(row, -1),
        }
        for row in chosen
    }  # fmt: skip
    how = {"kmeans": "k-means", "gmm": "a Gaussian mixture", "hdbscan": "HDBSCAN"}[config.method]
    return {
        "title": f"Groups in {objects.file.path.name}",
        "about": f"{len(objects):,} objects, {groups.count} groups by {how} on their first 50 principal components",
        "groups": shown, "examples": examples, "agreement": agreed, "viewer": VIEWERS[config.viewer], "stamps": stamps,
        "silhouettes": [[count, value] for count, value in groups.silhouettes.items()],
    }  # fmt: skip


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
