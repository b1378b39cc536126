"""Classify records, or the objects on images, into a table."""

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from astrokeras.config import PredictConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.predictions import predict as run_model
from astrokeras.pipeline.damage import named_if_damaged
from astrokeras.pipeline.shards import INPUT_ERRORS
from astrokeras.pipeline.stream import Stream
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import Records
from astrokeras.records.metadata import REJECTS
from astrokeras.serving.described import describe_objects
from astrokeras.serving.new_images import conversion_for
from astrokeras.serving.trained import Trained, load_trained
from astrokeras.survey.catalog import read_catalog
from astrokeras.survey.cutting import parse_cutting
from astrokeras.survey.round_trip import check_round_trip
from astrokeras.survey.tables import check_table_suffix, write_table

_OF_IMAGES = (
    "catalog", "workers", "zero_point", "weight", "weight_ext", "mask", "mask_ext", "mask_bits", "hcompress", "edge",
    "max_image_bytes",
)  # fmt: skip


def predict(
    config: PredictConfig, report: Callable[[str], None], progress: Callable[[Iterable, int], Iterable]
) -> dict:
    """Write the table of predictions.

    Its columns are ``id``, the position, ``class`` and ``p_CLASS`` for each class, what is known of the object besides
    (``label``, the carried columns) and, for records, ``split``. With images, the stamps are cut as they were for the
    records that the run was trained on (see `new_images`), and what cannot be cut stands with its reason in a second
    table beside the first.

    Returns:
        ``out``, ``predicted``, ``rejected`` and the number of objects of each class.

    Raises:
        UsageError: the table has no known format, or could not be read back from it; options that do not go together.
        AstrokerasError: the run is none, the data do not fit it, or the table exists.
    """
    out = Path(config.out)
    check_table_suffix(out)
    images = "{" in config.data
    for file in (out, _rejects_beside(out)) if images else (out,):
        if file.is_dir() or (file.exists() and not config.overwrite):
            raise AstrokerasError(f"{file} already exists; use --overwrite (for a file) or another --out")
    if images and config.split != "all":
        raise UsageError("--split goes with records; objects on images are in no split")
    if not images and (option := next((name for name in _OF_IMAGES if getattr(config, name)), None)):
        raise UsageError(f"--{option.replace('_', '-')} goes with an image template; records are cut already")
    trained = load_trained(config.run, config.max_model_bytes)
    check_round_trip(out, list(trained.columns), trained.classes)
    if images:
        table, rejected = _from_images(trained, config, report, progress)
    else:
        table, rejected = _from_records(trained, Records.load(config.data), config, report), 0
    write_table(table, out)
    classes = {}
    if "class" in table.colnames:
        names, counts = np.unique(np.asarray(table["class"]), return_counts=True)
        classes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return {"out": str(out), "predicted": len(table), "rejected": rejected, "classes": classes}


def _rejects_beside(out: Path) -> Path:
    return out.with_name(f"{out.stem}.{REJECTS}")


def _from_records(trained: Trained, records: Records, config: PredictConfig, report: Callable[[str], None]) -> Table:
    known = {"bands": ", ".join(trained.bands), "unit": trained.unit}
    for what, value in {"bands": ", ".join(records.bands), "unit": records.unit}.items():
        if known[what] != value:
            raise AstrokerasError(f"{config.run} was trained on {what} {known[what]}, {config.data} has {value}")
    if records.size < trained.side:
        raise AstrokerasError(
            f"{config.data} has stamps of {records.size} pixels, {config.run} needs {trained.side}; "
            "convert with a larger --size"
        )
    if records.size > trained.side:
        report(
            f"stamps of {records.size} pixels: only the middle {trained.side} of them are looked at, "
            f"as many as {config.run} takes"
        )
    splits = records.splits if config.split == "all" else (config.split,)
    described = [describe_objects(records, split) for split in splits]
    texts = [column for table in described for column in table.itercols() if column.dtype.kind in "UO"]
    check_round_trip(
        config.out, described[0].colnames, [text for column in texts for text in np.asarray(column).tolist()]
    )
    return vstack(
        [
            _predict_split(trained, records, split, table, config.batch_size)
            for split, table in zip(splits, described, strict=True)
        ],
        metadata_conflicts="silent",
    )


def _predict_split(trained: Trained, records: Records, split: str, known: Table, batch_size: int) -> Table:
    source = Stream(records, trained.side)
    with named_if_damaged(records, INPUT_ERRORS):
        predicted = trained.described(run_model(trained.model, source, split, batch_size))
    first = [name for name in ("id", "ra", "dec", "x", "y", "field") if name in known.colnames]
    table = known[first]
    for name, values in predicted.items():
        table[name] = values
    taken = {name.lower() for name in (*table.colnames, "split")}
    for name in known.colnames:
        if name not in first:
            table[f"catalog_{name}" if name.lower() in taken else name] = known[name]
    table["split"] = np.full(records.count(split), split)
    return table


def _from_images(trained: Trained, config: PredictConfig, report: Callable, progress: Callable) -> tuple[Table, int]:
    options = conversion_for(trained, config, report)
    if options.catalog:
        catalog = read_catalog(options)
        check_round_trip(config.out, options.columns, [*catalog.ids.tolist(), *catalog.classes])
    else:
        check_round_trip(config.out, (), parse_cutting(options).template.discover())
    out = Path(config.out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AstrokerasError(f"cannot write {out}: {error.strerror}") from None
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as directory:
        options = dataclasses.replace(options, out=str(Path(directory) / "records"))
        content = convert(options, report, progress)
        records = Records.load(options.out)
        table = _from_records(trained, records, dataclasses.replace(config, data=options.images), report)
        rejected = sum(content["rejects"].values())
        rejects = _rejects_beside(out)
        if rejected:
            shutil.copyfile(records.path / REJECTS, rejects)
            report(f"{rejected} objects without a prediction, with the reasons, in {rejects}")
        else:
            rejects.unlink(missing_ok=True)
    table.remove_column("split")
    return table, rejected
