"""A table of labels, joined by id with the records."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from astropy.table import MaskedColumn, Table

from astrokeras.config import FinetuneConfig
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.metadata import REJECTS
from astrokeras.records.objects import OWN, read_objects
from astrokeras.records.splitting.shares import read_splits
from astrokeras.survey.catalog import USUAL_NAMES
from astrokeras.survey.columns import CatalogColumns, as_text
from astrokeras.survey.tables import read_table
from astrokeras.text import printable

UNMATCHED = "unmatched_labels.csv"
_SHOWN, _LONGEST = 5, 40
_UNKNOWN = "no such id in the catalogue"


@dataclasses.dataclass(frozen=True)
class LabelTable:
    """CatalogColumns that are joined with records.

    Attributes:
        name: of the file, or in words where the columns are the records' own.
        columns: by their names.
        ids: of its rows, text.
        first: the first row of each id.
        rows: by split, for each record the row of the table, ``[N]``, -1 for none.
        unmatched: the ids that no record has, each with the reason.
        repeated: rows of the table that follow another one of the same id, and which id's row they are added to.
    """

    name: str
    columns: CatalogColumns
    ids: np.ndarray
    first: Mapping[str, int]
    rows: Mapping[str, np.ndarray]
    unmatched: Mapping[str, str] = dataclasses.field(default_factory=dict)
    repeated: Mapping[int, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, config: FinetuneConfig, records: RecordsDirectory, splits: Sequence[str]) -> Self:
        """Read the table that ``--labels`` names.

        Ids compare as text. With ``--split-column`` every split has all records, in their order, and the rows of those
        alone that the table puts there, see `evaluation.regrouping`.

        Raises:
            AstrokerasError: it cannot be read, or has no id of these records.
            UsageError: it has no column of ids.
        """
        name, asked = config.labels, config.id_column
        table = read_table(name, text_columns=(asked.lower(),) if asked else USUAL_NAMES["id"])
        columns = CatalogColumns(table)
        found = columns.find("id", asked, USUAL_NAMES["id"])
        if found is None:
            raise UsageError(
                f"--labels {name}: no column of ids is known; name it with --id-column, it has {_some(table.colnames)}"
            )
        ids = as_text(columns.masked(found, "--id-column"))
        first: dict[str, int] = {}
        repeated = {}
        for row, one in enumerate(ids.tolist()):
            if one and first.setdefault(one, row) != row:
                repeated[row] = first[one]
        everything = {split: _ids(records, split) for split in records.splits}
        if config.split_column:
            whole = [one for mine in everything.values() for one in mine]
            known = dict.fromkeys(splits, whole)
        else:
            known = {split: everything.get(split, []) for split in splits}
        rows = {split: np.array([first.get(one, -1) for one in mine], np.int64) for split, mine in known.items()}
        if config.split_column:
            rows = _put(rows, columns, config)
        everyone = {one for mine in everything.values() for one in mine}
        missing = [one for one in first if one not in everyone]
        if len(missing) == len(first):
            raise AstrokerasError(
                f"--labels {name}: none of its ids ({found}: {_some(list(first))}) is one of {records.path} "
                f"({_some(sorted(everyone))}); name another column with --id-column, or another table"
            )
        return cls(name, columns, ids, first, rows, _reasons(records, missing), repeated)

    @classmethod
    def own(cls, records: RecordsDirectory, splits: Sequence[str]) -> Self:
        """Return what the records themselves have: magnitudes, positions, the columns that were carried."""
        table = read_objects(records)
        table.remove_columns([name for name in OWN if name in table.colnames and name not in ("id", "split", "label")])
        split_of, ids = np.asarray(table["split"]), as_text(MaskedColumn(table["id"]))
        rows = {split: np.flatnonzero(split_of == split) for split in splits}
        return cls(str(records.path), CatalogColumns(table), ids, {}, rows)

    def column(self, name: str, add_up: bool) -> MaskedColumn:
        """Return a column; where several rows have one id, and they `add_up`, their sum stands in the first.

        Raises:
            UsageError: there is no such column.
        """
        if self.columns.known(name) is None:
            raise UsageError(
                f"--target: {self.name} has no column {name!r}; there are {', '.join(self.columns.names)[:300]}: name "
                "another one, as in 'class(TYPE)', carry it by convert --columns, or give another table (--labels)"
            )
        values = self.columns.masked(name, "--target")
        if not (add_up and self.repeated) or values.dtype.kind not in "iufb":
            return values
        known = ~np.ma.getmaskarray(values) & ~np.isnan(np.asarray(values, float))
        total = np.where(known, np.asarray(values, float), 0.0)
        later, before = (np.array(list(part)) for part in (self.repeated, self.repeated.values()))
        np.add.at(total, before, total[later])
        np.logical_or.at(known, before, known[later])
        return MaskedColumn(total, name=values.name, mask=~known)

    def check_single_rows(self) -> None:
        """Refuse several rows of one id.

        Raises:
            AstrokerasError: there are some.
        """
        if self.repeated:
            counts = collections.Counter(self.repeated.values())
            some = _some([f"{self.ids[row]} ({count + 1} rows)" for row, count in counts.most_common()])
            raise AstrokerasError(
                f"--labels {self.name}: {len(counts)} ids have several rows: {some}; leave one row of each, or use a "
                "target that adds them up (votes)"
            )

    def told(self) -> str:
        """Return how many ids found their records, in which split, and why the others did not."""
        counts = {split: int((rows >= 0).sum()) for split, rows in self.rows.items()}
        left = collections.Counter(self.unmatched.values())
        why = ", ".join(f"{count} {reason}" for reason, count in left.most_common())
        elsewhere = len(self.first) - len(self.unmatched) - sum(counts.values())
        return (
            f"--labels {self.name}: of {len(self.first)} ids "
            + ", ".join(f"{count} are in {split}" for split, count in counts.items())
            + (f", {elsewhere} in none of these splits" if elsewhere else "")
            + (f", {len(self.unmatched)} in no record ({why})" if why else "")
        )


def write_unmatched(path: Path, unmatched: Mapping[str, str]) -> None:
    """Write the ids that no record has, each with the reason."""
    ids, reasons = list(unmatched), list(unmatched.values())
    table = Table({"id": np.array(ids, dtype=str), "reason": np.array(reasons, dtype=str)})
    table.write(path, format="ascii.csv", overwrite=True)


def _put(rows: Mapping[str, np.ndarray], columns: CatalogColumns, config: FinetuneConfig) -> dict[str, np.ndarray]:
    """Return the rows of the objects that ``--split-column`` puts into each split, -1 for all others.

    Raises:
        UsageError: it names other splits, or there is no such column.
    """
    option = f"--split-column {config.split_column}"
    shares, number = read_splits(as_text(columns.masked(config.split_column, "--split-column")), option)
    place = {split: list(shares).index(split) if split in shares else len(shares) for split in rows}
    return {split: np.where((mine >= 0) & (number[mine] == place[split]), mine, -1) for split, mine in rows.items()}


def _ids(records: RecordsDirectory, split: str) -> list[str]:
    if not records.counts.get(split, 0):
        return []
    return as_text(MaskedColumn(read_objects(records, split, ("id",))["id"])).tolist()


def _reasons(records: RecordsDirectory, ids: Sequence[str]) -> dict[str, str]:
    """Return why there is no record of each id."""
    rejects = Table.read(records.path / REJECTS, format="ascii.ecsv") if (records.path / REJECTS).is_file() else None
    why = {}
    if rejects is not None and len(rejects):
        why = dict(zip(as_text(MaskedColumn(rejects["id"])).tolist(), map(str, rejects["reason"]), strict=True))
    return {one: f"rejected at conversion ({why[one]})" if one in why else _UNKNOWN for one in ids}


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(str(name), keep="")[:_LONGEST] for name in names[:_SHOWN])
    return shown + (", …" if len(names) > _SHOWN else "")
