"""Find the objects that are unlike the others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from astrokeras.config import AnomaliesConfig
from astrokeras.embedding.feedback import rank_anew
from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.known_labels import read_labels
from astrokeras.embedding.outliers import oddness, reduced
from astrokeras.embedding.result_table import check_result, result_table, write_result
from astrokeras.embedding.sheet import check_sheet, write_ranked
from astrokeras.embedding.stamp_pictures import pictures_of
from astrokeras.embedding.table import Objects
from astrokeras.errors import AstrokerasError, UsageError

_ON_SHEET = 96


def anomalies(config: AnomaliesConfig, report: Callable[[str], None]) -> dict[str, Any]:
    """Write the table of all objects, the most anomalous first.

    Its columns are ``id``, ``ra``, ``dec``, ``rank`` (from 1), ``score`` (the larger, the odder) and ``anomalous``; of
    the Gaussian ``chance``, the share of normal objects that would lie further out; with feedback ``reranked``, by
    which the rows are then sorted; and ``label`` and ``split`` where known.

    Returns:
        ``out``, ``method``, ``objects``, ``normal``, ``threshold``, ``anomalous`` (how many) and
        ``anomalous_of_normal`` (their share among the normal ones).

    Raises:
        UsageError: options that do not go together.
        AstrokerasError: a file is none or exists, or there are too few normal objects.
    """
    out = check_result(config.out, overwrite=config.overwrite)
    sheet = check_sheet(config.sheet, config.records, overwrite=config.overwrite)
    if config.low_variance is not None and config.method != "gaussian":
        raise UsageError("--low-variance goes with --method gaussian")
    file = EmbeddingsFile.open(config.embeddings)
    objects = Objects.load(file, ())
    normal = _normal(objects, config)
    interest = None if config.feedback is None else _interest(objects, config, report)
    found = oddness(file, config, normal, report)
    columns = {"score": found.scores, "anomalous": found.scores > found.threshold}
    order = found.scores
    if found.chances is not None:
        columns["chance"] = found.chances
    if interest is not None:
        columns["reranked"] = order = rank_anew(reduced(file), found.scores, interest, config.seed)
    for name in ("label", "split"):
        if any(value is not None for value in objects.named(name)):
            columns[name] = objects.named(name)
    rows = np.argsort(-order, kind="stable")
    ranked = {"rank": np.arange(1, len(rows) + 1), **{name: values[rows] for name, values in columns.items()}}
    if sheet is not None and (pictures := pictures_of(file, config.records, report)):
        captions = [f"{score:.3g} {label or ''}" for score, label in zip(order[rows], objects.label[rows], strict=True)]
        write_ranked(sheet, pictures, objects.ids[rows[:_ON_SHEET]].tolist(), captions)
        report(f"contact sheet in {sheet}")
    write_result(result_table(objects, rows, ranked), out)
    usual = columns["anomalous"] if normal is None else columns["anomalous"][normal]
    return {
        "out": str(out), "method": config.method, "objects": len(rows), "normal": len(usual),
        "threshold": found.threshold, "anomalous": int(columns["anomalous"].sum()),
        "anomalous_of_normal": float(usual.mean()),
    }  # fmt: skip


def _normal(objects: Objects, config: AnomaliesConfig) -> np.ndarray | None:
    """Return which objects count as normal; None for all."""
    if not config.normal and config.normal_split is None:
        return None
    chosen = np.ones(len(objects), dtype=bool)
    for what, names, values in (
        ("--normal", config.normal, objects.label),
        ("--normal-split", (config.normal_split,) if config.normal_split else (), objects.split),
    ):
        there = {value for value in values if value is not None}
        if missing := [name for name in names if name not in there]:
            listed = ", ".join(sorted(there)[:12]) or "none"
            raise AstrokerasError(f"{what}: no object of {objects.file.path} has {missing[0]!r}; there are: {listed}")
        if names:
            chosen &= np.array([value in names for value in values], dtype=bool)
    return chosen


def _interest(objects: Objects, config: AnomaliesConfig, report: Callable[[str], None]) -> np.ndarray:
    """Return 1 for interesting objects, 0 for others that were looked at, NaN for all that were not."""
    given = read_labels(Path(config.feedback), config.max_catalog_bytes)
    words = [given.get(name) for name in objects.ids.tolist()]
    known = [word for word in words if word is not None]
    if not known:
        raise AstrokerasError(f"{config.feedback}: none of its {len(given)} ids is in {objects.file.path}")
    liked = sum(word in config.interesting for word in known)
    report(f"{config.feedback}: {liked} interesting and {len(known) - liked} other objects")
    if not liked:
        report(f"no label is {' or '.join(config.interesting)}; --interesting names the labels that mean it")
    return np.array([np.nan if word is None else float(word in config.interesting) for word in words])
