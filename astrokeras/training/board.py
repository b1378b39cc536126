"""What shows how a training goes; this one shows nothing, see `tensorboard.py`."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from astrokeras.records.directory import Records


class Board:
    """Takes what `TensorBoard` takes, where there is none."""

    def scalars(self, run: str, values: Mapping[str, float], step: int) -> None:
        """Add one point of each named curve."""

    def options(self, run: str, config: Any) -> None:
        """Show the options as text."""

    def stamps(self, run: str, flux: np.ndarray, records: Records, tag: str = "stamps") -> None:
        """Show some stamps in colour; flux [N, H, W, B]."""

    def graph(self, run: str, model: keras.Model) -> None:
        """Show the operations of a model."""

    def trial(self, run: str, values: Mapping[str, Any]) -> None:
        """Say of which trial the scalars of a run are, by the values of its options."""

    def flush(self) -> None:
        """Write what is pending."""

    def close(self) -> None:
        """Close the files."""
