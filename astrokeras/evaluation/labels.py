"""The labels of a comparison: those that stood in the catalogue at conversion, or those of a table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from astropy.table import MaskedColumn

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.evaluation.label_table import LabelTable
from astrokeras.pipeline.source import Source
from astrokeras.records.directory import RecordsDirectory
from astrokeras.survey.classes import class_indices, parse_label_names
from astrokeras.survey.columns import as_text
from astrokeras.tasks.label_columns import LABEL, LabelColumns, Labels, labels_of
from astrokeras.tasks.target import Target

Asked = Mapping[str, tuple[type[Target], Mapping[str, Any]]]


def gather_labels(
    config: FinetuneConfig, records: RecordsDirectory, source: Source, asked: Asked, splits: Sequence[str],
    report: Callable[[str], None],
) -> tuple[Labels, LabelTable | None]:  # fmt: skip
    """Return the columns that targets read, for every split, and the table that they are from, if they are.

    Args:
        config: the options.
        records: the survey.
        source: of its records.
        asked: the targets.
        splits: whose labels are wanted.
        report: is told how many labels were found.

    Raises:
        UsageError: a column that is not there, or holds what its target can't use.
        AstrokerasError: a table that can't be read, has no id of the records, or several rows of one.
    """
    names = parse_label_names(config.label_names)
    wanted = [(column, kind, len(columns) == 1) for kind, columns in _columns_of(asked) for column in columns]
    table = None
    if config.labels:
        table = LabelTable.read(config, records, splits)
        if not all(kind.repeated_rows for kind, _ in asked.values()):
            table.check_single_rows()
        report(table.told())
    elif any(column != LABEL for column, _, _ in wanted):
        table = LabelTable.own(records, splits)
    found: dict[str, dict[str, np.ma.MaskedArray]] = {split: {} for split in splits}
    classes: dict[str, tuple[str, ...]] = {}
    as_classes: dict[str, bool] = {}
    for column, kind, alone in wanted:
        if as_classes.setdefault(column, kind.of_classes and alone) != (kind.of_classes and alone):
            raise UsageError(f"--target: the column {column} is read as classes and as numbers; give each a column")
        if not config.labels and column == LABEL:
            values = _of_records(records, source, splits)
            classes.setdefault(column, tuple(records.classes))
        else:
            whole = table.column(column, kind.repeated_rows)
            values = {split: _at(whole, table.rows[split]) for split in splits}
        if kind.of_classes and alone and (config.labels or names or column != LABEL):
            values, classes[column] = _as_classes(column, values, names, report)
        for split in splits:
            found[split][column] = values[split]
    return Labels(found, classes), table if config.labels else None


def _columns_of(asked: Asked) -> list[tuple[type[Target], tuple[str, ...]]]:
    return [(kind, kind.columns(**options)) for kind, options in asked.values()]


def _of_records(records: RecordsDirectory, source: Source, splits: Sequence[str]) -> LabelColumns:
    """Return by split the classes that stood in the catalogue at conversion.

    Raises:
        AstrokerasError: one is the number of no class.
    """
    found = {}
    for split in splits:
        there = bool(records.counts.get(split, 0))
        codes = found[split] = source.columns(split, (LABEL,))[LABEL] if there else np.empty(0, np.int64)
        if (odd := codes[(codes < -1) | (codes >= len(records.classes))]).size:
            raise AstrokerasError(
                f"the {split} split of {records.path} has the label {odd[0]}, but {len(records.classes)} classes; "
                "convert the survey again"
            )
    return {split: columns[LABEL] for split, columns in labels_of(records, found).splits.items()}


def _at(column: MaskedColumn, rows: np.ndarray) -> np.ma.MaskedArray:
    """Return the values of some rows; masked where a row is -1, or its value missing."""
    if column.dtype.kind in "iuf":
        values, missing = np.asarray(column), np.ma.getmaskarray(column)
        missing = missing | (np.isnan(values) if values.dtype.kind == "f" else False)
    elif column.dtype.kind == "b":
        values, missing = np.asarray(column).astype(np.int64), np.ma.getmaskarray(column)
    else:
        values = as_text(column)
        missing = values == ""
    return np.ma.masked_array(values[rows], mask=(rows < 0) | missing[rows])


def _as_classes(
    column: str, values: LabelColumns, names: Mapping[str, str], report: Callable[[str], None]
) -> tuple[LabelColumns, tuple[str, ...]]:
    """Return the names of classes, masked where there is none, and which there are, in their order.

    Negative numbers and empty text are no class, as at conversion.
    """
    splits = list(values)
    whole = MaskedColumn(np.ma.concatenate([values[split] for split in splits]), name=column)
    codes, classes, said = class_indices(whole, ~np.ma.getmaskarray(whole), names)
    if said:
        report(said)
    bounds = np.cumsum([len(values[split]) for split in splits])[:-1]
    every = np.array([*classes, ""])
    parts = np.split(codes, bounds)
    return {s: np.ma.masked_array(every[p], mask=p < 0) for s, p in zip(splits, parts, strict=True)}, classes
