"""The unit of work that a plan is cut into."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Task:
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
