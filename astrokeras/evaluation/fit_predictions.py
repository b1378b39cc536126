"""What every fit answered for the test objects: kept beside each fit, and as one table of all of them."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.compare import Comparison, EvaluationSet
from astrokeras.evaluation.fits import DONE
from astrokeras.evaluation.out_of_fold import HeldOut
from astrokeras.evaluation.temperature import OUT_OF_FOLD
from astrokeras.files import write_atomically
from astrokeras.records.objects import read_objects
from astrokeras.tasks.target import Target

PREDICTIONS = "predictions.parquet"
_FILE, _HELD = "answers.npz", "held_out"

ByTarget = Mapping[str, np.ndarray]


def save_predictions(directory: Path, predictions: Mapping[str, ByTarget], held: HeldOut | None = None) -> None:
    """Write what a fit predicts for its exams, by split and target, and what was held out, into its directory."""
    flat = {f"{split}/{name}": values for split, of in predictions.items() for name, values in of.items()}
    if held is not None:
        flat |= {f"{OUT_OF_FOLD}/{name}": values for name, values in held.predictions.items()}
        flat[_HELD] = np.flatnonzero(held.select)
    write_atomically(directory / _FILE, lambda path: np.savez(path, **flat))


def load_predictions(directory: Path, exam: EvaluationSet, names: list[str]) -> dict[str, np.ndarray]:
    """Return what a fit predicts for the objects of an exam, by target, [N, ...].

    Raises:
        AstrokerasError: the file is missing or damaged, or of other objects.
    """
    path = directory / _FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[f"{exam.split}/{name}"] for name in names}
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise AstrokerasError(f"{path} is missing or damaged ({error}); repeat the comparison") from None
    if any(len(values) != exam.count for values in found.values()):
        raise AstrokerasError(f"{path} is of other test objects; repeat the comparison")
    return found


def load_held_out(directory: Path, count: int, names: list[str]) -> HeldOut | None:
    """Return what was held out of a fit among the `count` objects of the train split; None if nothing was.

    Raises:
        AstrokerasError: the file is damaged.
    """
    path = directory / _FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            if _HELD not in file:
                return None
            rows, found = file[_HELD], {name: file[f"{OUT_OF_FOLD}/{name}"] for name in names}
            select = np.zeros(count, bool)
            select[rows] = True
    except (OSError, KeyError, ValueError, IndexError, EOFError) as error:
        raise AstrokerasError(f"{path} is missing or damaged ({error}); repeat the comparison") from None
    if any(len(values) != len(rows) for values in found.values()):
        raise AstrokerasError(f"{path} is damaged; repeat the comparison")
    return HeldOut(select, found)


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The answers of all fits for one exam.

    Attributes:
        exam: the objects.
        lines: of the fits that are done, as `keep.keep` returns them.
        values: of each of these fits, by target, [N, ...].
    """

    exam: EvaluationSet
    lines: list[dict[str, Any]]
    values: list[ByTarget]

    @classmethod
    def read(
        cls, out: Path, results: list[dict[str, Any]], comparison: Comparison, exam: EvaluationSet
    ) -> "Predictions":
        """Return what stands in the directories of the fits of a run."""
        lines = [line for line in results if line["status"] == DONE]
        names = list(comparison.targets)
        return cls(exam, lines, [load_predictions(out / line["directory"], exam, names) for line in lines])

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in their order."""
        return list(dict.fromkeys(line["arm"] for line in self.lines))

    @property
    def budgets(self) -> dict[int, str]:
        """Budgets by their number of labels, ascending; of several with one number (100 and 25/class) the first."""
        found: dict[int, str] = {}
        for line in self.lines:
            found.setdefault(line["labels"], line["budget"])
        return dict(sorted(found.items()))

    def noted(self, key: str, count: int) -> dict[str, list[float]]:
        """Return the numbers that stand in the lines with so many labels under a name, by arm; NaN where none does."""
        found: dict[str, list[float]] = {}
        for line in self.lines:
            if line["budget"] == self.budgets[count]:
                found.setdefault(line["arm"], []).append(line.get(key, math.nan))
        return found

    def of(self, target: str, count: int) -> dict[str, np.ndarray]:
        """Return the answers with so many labels by arm, [R, N, ...], of the arms for which all repeats are there.

        A frozen arm that no seed changes has a single repeat of all labels, which stands for the others.
        """
        budget, found = self.budgets[count], {}
        for line, values in zip(self.lines, self.values, strict=True):
            if line["budget"] == budget:
                found.setdefault(line["arm"], []).append(values[target])
        repeats = max(map(len, found.values()), default=0)
        return {
            arm: np.stack(values * repeats if len(values) == 1 else values)
            for arm, values in found.items()
            if len(values) == repeats or (len(values) == 1 and budget == "all")
        }

    def labelled(self, name: str, target: Target) -> "Predictions":
        """Return the answers for the objects that have a label of this target; some may have labels of others only."""
        known = target.known(self.exam.fields[name])
        if known.all():
            return self
        select = self.exam.select.copy()
        select[select] = known
        fields = {
            other: {field: values[known] for field, values in columns.items()}
            for other, columns in self.exam.fields.items()
        }
        values = [{other: value[known] for other, value in one.items()} for one in self.values]
        return Predictions(EvaluationSet(self.exam.split, select, fields), self.lines, values)


def write_predictions(path: Path, predictions: Predictions, comparison: Comparison) -> None:
    """Write a table with a row for each test object of each fit.

    Columns: ``id``, ``ra``, ``dec`` (degrees, null where unknown), ``label`` and for each target what its
    ``Target.outputs`` name; then ``arm``, ``budget``, ``labels`` and ``repeat``. With several targets the names of
    their columns begin with the target's.
    """
    objects = read_objects(comparison.records, predictions.exam.split)[np.flatnonzero(predictions.exam.select)]
    about: dict[str, pa.Array] = {"id": pa.array([str(name) for name in objects["id"]])}
    for axis in ("ra", "dec"):
        values = np.asarray(objects[axis], float) if axis in objects.colnames else np.full(len(objects), np.nan)
        about[axis] = pa.array(values, mask=~np.isfinite(values))
    truth = _truth(predictions.exam, comparison)

    def tables() -> Iterator[pa.Table]:
        for line, values in zip(predictions.lines, predictions.values, strict=True):
            columns = {**about, **truth}
            for name, target in comparison.targets.items():
                prefix = f"{name}_" if len(comparison.targets) > 1 else ""
                described = target.describe(values[name])
                columns |= {prefix + key: pa.array(np.asarray(column)) for key, column in described.items()}
            fit = {key: [line[key]] * len(objects) for key in ("arm", "budget", "labels", "repeat")}
            yield pa.table({**columns, **fit})

    def write(temporary: Path) -> None:
        parts = tables()
        first = next(parts)
        with parquet.ParquetWriter(temporary, first.schema, compression="zstd") as writer:
            writer.write_table(first)
            for part in parts:
                writer.write_table(part.cast(first.schema))

    write_atomically(path, write)


def _truth(exam: EvaluationSet, comparison: Comparison) -> dict[str, pa.Array]:
    """Return the labels: names of classes as ``label``, other fields by their names."""
    found: dict[str, pa.Array] = {}
    for name, target in comparison.targets.items():
        prefix = f"{name}_" if len(comparison.targets) > 1 else ""
        for field, values in exam.fields[name].items():
            if field in target.training_fields:
                continue
            own = prefix + ("label" if field == f"{name}:label" else field.replace(":", "_"))
            if target.names and values.ndim == 1 and values.dtype.kind == "i":
                found[own] = pa.array([target.names[code] if code >= 0 else None for code in values])
            else:
                found[own] = pa.array(values.tolist())
    return found
