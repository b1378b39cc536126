"""The network of a run with what is known of the records that it was trained on."""

import dataclasses
from pathlib import Path
from typing import Any

import keras


@dataclasses.dataclass(frozen=True)
class RunModel:
    """A network that was read back.

    Attributes:
        path: the run directory.
        model: flux ``[N, side, side, B]`` to what it predicts: one array, or a dictionary of several.
        bands: names of the B bands.
        unit: of the flux.
        run: all of ``run.json``.
    """

    path: Path
    model: keras.Model
    bands: tuple[str, ...]
    unit: str
    run: dict[str, Any]

    @property
    def side(self) -> int:
        """Side of the stamps that the network takes, in pixels."""
        return self.model.input_shape[1]
