"""Columns of labels, as a table or the records have them."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from astrokeras.records.directory import RecordsDirectory

LabelColumns = Mapping[str, np.ma.MaskedArray]
"""By column name: [N] each, text or numbers, masked where missing."""

LABEL = "label"
"""The column of the labels that stood in the catalogue at conversion."""


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of every split.

    Attributes:
        splits: by the name of the split, the columns, in the order of the records.
        names: of columns whose values are known beforehand, these, in their order.
    """

    splits: Mapping[str, LabelColumns]
    names: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def split(self, name: str) -> LabelColumns:
        """Return the columns of a split.

        Example:
            >>> labels = Labels({"train": {"kind": np.ma.masked_array(["spiral", "disk"])}})
            >>> labels.split("train")["kind"].tolist()
            ['spiral', 'disk']
        """
        return self.splits[name]

    def distinct(self, column: str) -> tuple[str, ...]:
        """Return the values of a column in all splits, as text: in the order known beforehand, or sorted.

        Example:
            >>> labels = Labels({"train": {"kind": np.ma.masked_array(["spiral", "disk"])}})
            >>> labels.distinct("kind")
            ('disk', 'spiral')
        """
        if column in self.names:
            return self.names[column]
        known = [np.ma.compressed(columns[column]) for columns in self.splits.values()]
        return tuple(in_text(np.unique(np.concatenate(known))).tolist()) if known else ()


def in_text(values: np.ndarray) -> np.ndarray:
    """Return values as text; whole numbers without a point.

    Example:
        >>> in_text(np.array([3.0, 0.5])).tolist()
        ['3', '0.5']
    """
    if values.dtype.kind == "f":
        return np.array([f"{value:.15g}" for value in values], dtype=str)
    return values.astype(str)


def labels_of(records: RecordsDirectory, codes: Mapping[str, np.ndarray]) -> Labels:
    """Return the labels that stand in records, as the column `LABEL`.

    Args:
        records: with the names of the classes.
        codes: by split the numbers of the classes, [N], -1 for none.

    Example:
        >>> labels_of(records, {"train": codes}).distinct("label")  # doctest: +SKIP
        ('star', 'galaxy')
    """
    names = np.array([*records.classes, ""])
    splits = {split: {LABEL: np.ma.masked_array(names[code], mask=code < 0)} for split, code in codes.items()}
    return Labels(splits, {LABEL: tuple(records.classes)})
