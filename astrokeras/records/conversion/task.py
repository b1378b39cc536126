"""The unit of work that a plan is cut into."""

import dataclasses

import numpy as np

from astrokeras import __version__
from astrokeras.records.fingerprint import fingerprint
from astrokeras.records.splitting.shares import hashes
from astrokeras.survey.cutting import Cutting

MIXED_BYTES = 32 << 20  # of stamps that are held to be mixed


@dataclasses.dataclass(frozen=True)
class ConversionTask:
    """Rows of the catalogue that one worker turns into one shard a split.

    `rows` are row numbers of the catalogue; with `per_object` every row has files of its own, otherwise all lie on
    `field` at `x`, `y` (0-based pixels).
    """

    index: int
    field: str
    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray
    hash_inputs: bool

    @property
    def title(self) -> str:
        """How messages call the task."""
        return f"task {self.index}" + (f" (field {self.field})" if self.field else "")


@dataclasses.dataclass(frozen=True)
class TaskInput:
    """One task with the part of the catalogue that it needs (arrays of N rows, in the task's order).

    The sky is measured on every `sky_stride`-th training stamp; `seed` decides the order of the records.
    """

    task: ConversionTask
    cutting: Cutting
    max_bad_fraction: float
    split_names: tuple[str, ...]
    ids: np.ndarray
    split: np.ndarray
    labels: np.ndarray
    magnitudes: np.ndarray
    magnitude_errors: np.ndarray
    columns: dict[str, np.ndarray]
    n_classes: int
    directory: str
    measure: bool = False
    sky_stride: int = 1
    seed: int = 0
    version: str = __version__

    @property
    def fingerprint(self) -> str:
        """The same for the same work, wherever its results go."""
        return fingerprint(dataclasses.replace(self, directory=""))

    @property
    def windows(self) -> list[np.ndarray]:
        """The order in which the rows are written, in runs that follow one another: mixed within each run.

        Rows are cut as they lie on the image, and a run is as much as a worker holds of them. Within a run a row's
        place depends on nothing but the ids and the seed.
        """
        length = max(1, MIXED_BYTES // (4 * self.cutting.size**2 * len(self.cutting.template.bands)))
        numbers = hashes(self.ids, f"order {self.seed}")
        starts = range(0, len(numbers), length)
        return [start + np.argsort(numbers[start : start + length], kind="stable") for start in starts]

    @property
    def order(self) -> np.ndarray:
        """`windows` in one, int64 ``[N]``."""
        return np.concatenate([np.empty(0, np.int64), *self.windows])

    def piece(self, rows: slice) -> "TaskInput":
        """Return the work for some of the rows."""
        task = dataclasses.replace(self.task, rows=self.task.rows[rows], x=self.task.x[rows], y=self.task.y[rows])
        arrays = {
            name: getattr(self, name)[rows] for name in ("ids", "split", "labels", "magnitudes", "magnitude_errors")
        }
        columns = {name: values[rows] for name, values in self.columns.items()}
        return dataclasses.replace(self, task=task, columns=columns, **arrays)
