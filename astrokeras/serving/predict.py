"""Classify records, or the objects on images, into a table."""

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import keras
import numpy as np
from astropy.table import Table, vstack

from astrokeras.config import ConvertConfig, PredictConfig, from_dict
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.pipeline.dataset import read_columns
from astrokeras.records.convert import convert
from astrokeras.records.directory import Records
from astrokeras.records.metadata import REJECTS
from astrokeras.serving.export import load_classifier
from astrokeras.survey.tables import check_table_suffix, write_table
from astrokeras.training.classify import predict as run_model


def predict(
    config: PredictConfig, report: Callable[[str], None], progress: Callable[[Iterable, int], Iterable]
) -> dict:
    """Write the table of predictions: ``id``, ``class``, ``p_CLASS`` for each class and, for records, ``split``.

    With images, the stamps are cut as they were for the records that the run was trained on (same bands, zero points,
    size and edges), and what cannot be cut stands with its reason in a second table beside the first.

    Returns:
        ``out``, ``predicted``, ``rejected`` and the number of objects of each class.

    Raises:
        UsageError: the name of the table has no known format.
        AstrokerasError: the run is none, the data do not fit it, or the table exists.
    """
    out = Path(config.out)
    check_table_suffix(out)
    images = "{" in config.data
    for file in (out, _rejects_beside(out)) if images else (out,):
        if file.is_dir() or (file.exists() and not config.overwrite):
            raise AstrokerasError(f"{file} already exists; use --overwrite (for a file) or another --out")
    model, run = load_classifier(config.run)
    odd = [name for name in run["records"]["classes"] if not name.isascii() or not name.isprintable()]
    if odd and out.suffix.lower() == ".fits":
        raise UsageError(f"{out}: FITS cannot name a column after the class {odd[0]!r}; use .ecsv, .csv or .parquet")
    if images and config.split != "all":
        raise UsageError("--split goes with records; objects on images are in no split")
    if images:
        table, rejected = _from_images(model, run, config, report, progress)
    else:
        if config.catalog or config.workers:
            option = "--catalog" if config.catalog else "--workers"
            raise UsageError(f"{option} goes with an image template; records are cut already")
        table, rejected = _from_records(model, run, Records.load(config.data), config), 0
    write_table(table, out)
    names, counts = np.unique(table["class"], return_counts=True)
    classes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return {"out": str(out), "predicted": len(table), "rejected": rejected, "classes": classes}


def _rejects_beside(out: Path) -> Path:
    return out.with_name(f"{out.stem}.{REJECTS}")


def _from_records(model: keras.Model, run: dict, records: Records, config: PredictConfig) -> Table:
    trained = {"bands": ", ".join(run["records"]["bands"]), "unit": run["records"]["unit"]}
    for what, value in {"bands": ", ".join(records.bands), "unit": records.unit}.items():
        if trained[what] != value:
            raise AstrokerasError(f"{config.run} was trained on {what} {trained[what]}, {config.data} has {value}")
    if records.size < model.input_shape[1]:
        raise AstrokerasError(
            f"{config.data} has stamps of {records.size} pixels, {config.run} needs {model.input_shape[1]}; "
            "convert with a larger --size"
        )
    splits = records.splits if config.split == "all" else (config.split,)
    return vstack([_predict_split(model, run, records, split, config.batch_size) for split in splits])


def _predict_split(model: keras.Model, run: dict, records: Records, split: str, batch_size: int) -> Table:
    count, classes = records.count(split), run["records"]["classes"]
    probabilities = np.empty((0, len(classes)), np.float32)
    if count:
        probabilities = run_model(model, records, split, batch_size, np.ones(count, dtype=bool))
    table = Table({"id": read_columns(records, split, ("id",))["id"].astype(str)})
    table["class"] = np.array(classes)[probabilities.argmax(axis=1)]
    for index, name in enumerate(classes):
        table[f"p_{name}"] = probabilities[:, index]
    table["split"] = np.full(count, split)
    return table


def _from_images(
    model: keras.Model, run: dict, config: PredictConfig, report: Callable, progress: Callable
) -> tuple[Table, int]:
    same = run["records"]["conversion"]
    new = {
        "images": config.data, "catalog": config.catalog, "workers": config.workers, "label": None, "label_names": [],
        "columns": [],
        "object_column": None, "where": None, "measure": False, "magnitudes": None, "magnitude_errors": None,
        "splits": "train=1", "split_by": "id", "cell_size": None, "survey": None, "splits_from": None,
        "fluxes": None, "flux_errors": None,
        "flux_ivars": None, "flux_zero_point": None,
        "weight": None, "weight_ext": None, "mask": None, "mask_ext": None, "mask_bits": None, "valid": False,
    }  # fmt: skip
    if config.catalog:  # which says where the objects are, whatever the training did
        defaults = {field.name: field.default for field in dataclasses.fields(ConvertConfig)}
        new |= {name: defaults[name] for name in ("detect", "detect_threshold", "detect_min_area")}
    out = Path(config.out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AstrokerasError(f"cannot write {out}: {error.strerror}") from None
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as directory:
        options = from_dict(ConvertConfig, {**same, **new, "out": str(Path(directory) / "records")})
        content = convert(options, report, progress)
        records = Records.load(options.out)
        table = _from_records(model, run, records, config)
        rejected = sum(content["rejects"].values())
        rejects = _rejects_beside(out)
        if rejected:
            shutil.copyfile(records.path / REJECTS, rejects)
            report(f"{rejected} objects without a prediction, with the reasons, in {rejects}")
        else:
            rejects.unlink(missing_ok=True)
    table.remove_column("split")
    return table, rejected
