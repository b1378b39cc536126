"""What shows how a training goes; this one shows nothing, see `tensorboard.py`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from astrokeras.records.directory import RecordsDirectory


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart of some curves, which are those of one tag or several in every run that is shown.

    Attributes:
        title: above it.
        tags: of the curves.
        limits: the tags of the lower and the upper limit of the only curve, if it has such.
    """

    title: str
    tags: tuple[str, ...]
    limits: tuple[str, str] | None = None


@dataclasses.dataclass(frozen=True)
class Embedded:
    """Embeddings of objects with what is known of them.

    Attributes:
        vectors: [N, D].
        columns: by name the texts of every object, [N] each.
        pictures: [N, S, S, 3] of bytes.
    """

    vectors: np.ndarray
    columns: Mapping[str, Sequence[str]]
    pictures: np.ndarray


class Board:
    """Takes what `TensorBoard` takes, where there is none."""

    def scalars(self, run: str, values: Mapping[str, float], step: int) -> None:
        """Add one point of each named curve."""

    def options(self, run: str, config: Any) -> None:
        """Show the options as text."""

    def stamps(self, run: str, flux: np.ndarray, records: RecordsDirectory, tag: str = "stamps") -> None:
        """Show some stamps in colour; flux [N, H, W, B]."""

    def graph(self, run: str, model: keras.Model) -> None:
        """Show the operations of a model."""

    def trial(self, run: str, values: Mapping[str, Any]) -> None:
        """Say of which trial the scalars of a run are, by the values of its options."""

    def charts(self, run: str, categories: Mapping[str, Sequence[Chart]]) -> None:
        """Say which charts people shall see first, by the heading under which they stand."""

    def picture(self, run: str, tag: str, picture: np.ndarray, step: int) -> None:
        """Show a picture, [H, W, 3] of bytes."""

    def precision_recall(self, run: str, tag: str, hits: np.ndarray, scores: np.ndarray, step: int) -> None:
        """Show how precision goes with recall: [N] bool, and [N] from 0 to 1."""

    def embeddings(self, run: str, shown: Embedded) -> None:
        """Show embeddings in the projector."""

    def flush(self) -> None:
        """Write what is pending."""

    def close(self) -> None:
        """Close the files."""
