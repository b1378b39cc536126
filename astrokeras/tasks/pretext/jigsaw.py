"""Tell by which permutation the tiles of a stamp were exchanged.

Source: Noroozi & Favaro 2016, "Unsupervised learning of visual representations by solving jigsaw puzzles", ECCV
(arXiv 1603.09246): three by three tiles, cross-entropy over a fixed set of permutations that differ much, and tiles cut
at a random place within cells of 75/64 of their side, so that nothing goes on from one edge to the next. They encode
each tile alone and join the embeddings; here the exchanged tiles make one stamp again that is encoded as a whole, as
in the puzzle of Alliegro, Boscaini & Tommasi 2020 (ICPR, arXiv 2004.07392): one pass instead of nine. They also bring
every tile to the same mean and deviation, which is not done here: the noise of empty tiles would become as strong as a
galaxy.

Tiles of empty sky can't be told apart: the accuracy has a bound that depends on how much of the stamp the objects fill.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import Parameter, Whole
from astrokeras.tasks.base import TASKS, Fields, Task
from astrokeras.tasks.permutations import distant_permutations

_GRID = 3
_TILES = _GRID * _GRID
# Side of a tile in that of its cell.
_SHARE = 64 / 75
_SMALLEST = 4 * _GRID


class JigsawScores(keras.metrics.Metric):
    """``accuracy``: share of the stamps whose permutation is the most probable one; ``tiles``: of tiles put right.

    Args:
        permutations: [P, 9].
    """

    def __init__(self, permutations: np.ndarray) -> None:
        super().__init__(name="jigsaw")
        # By the true and the predicted permutation: the share of places for which both name the same tile.
        self.agreement = (permutations[:, None] == permutations).mean(axis=-1).astype(np.float32)
        self.means = {name: keras.metrics.Mean(name=name) for name in ("accuracy", "tiles")}

    def update_state(self, target: KerasTensor, prediction: KerasTensor, sample_weight: Any = None) -> None:
        """Add a batch; examples of weight 0 don't count."""
        answer = ops.cast(ops.argmax(prediction, axis=-1), "int32")
        shares = ops.take(ops.reshape(self.agreement, (-1,)), target * len(self.agreement) + answer)
        self.means["accuracy"].update_state(ops.cast(ops.equal(answer, target), "float32"), sample_weight=sample_weight)
        self.means["tiles"].update_state(shares, sample_weight=sample_weight)

    def result(self) -> dict[str, KerasTensor]:
        """Return the shares by name."""
        return {name: mean.result() for name, mean in self.means.items()}


@TASKS.register("jigsaw")
class Jigsaw(Task):
    """Classification of the permutation of 3×3 tiles.

    Args:
        size: side of the stamps in pixels.
        permutations: how many there are to tell apart.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (Whole("permutations", 2, 1000, default=64),)
    n_draws = 1 + 2 * _TILES

    def __init__(self, size: int, permutations: int) -> None:
        self.permutations = distant_permutations(_TILES, permutations)
        cell = size // _GRID
        # At least a pixel between tiles.
        self.tile = min(round(_SHARE * cell), cell - 1)
        self.slack = cell - self.tile
        edge = (size - _GRID * cell) // 2
        # Where the three cells of a row or column begin.
        self.cells = edge + cell * np.arange(_GRID)
        self.size = size
        self.legend = (
            f"accuracy: share of the permutations that are told, {1 / permutations:.3f} by chance; "
            "tiles: share of the tiles put right, about 0.11 by chance"
        )

    @classmethod
    def fit(
        cls, records: RecordsDirectory, columns: Mapping[str, np.ndarray], size: int, permutations: int = 64
    ) -> Self:
        """Nothing is to be learned beforehand.

        Raises:
            UsageError: the stamps are smaller than 12 pixels.
        """
        if size < _SMALLEST:
            raise UsageError(
                f"task 'jigsaw' cuts stamps into {_GRID}×{_GRID} tiles: at least {_SMALLEST} pixels, not {size}"
            )
        return cls(size, permutations)

    def views(self, flux: KerasTensor, fields: Fields, draws: KerasTensor) -> tuple[list[KerasTensor], KerasTensor]:
        """Return the stamp with its tiles exchanged, NaN between them, and the number of the permutation [N] int32."""
        number = ops.cast(draws[:, 0] * len(self.permutations), "int32")
        shift = ops.cast(draws[:, 1:] * (self.slack + 1), "int32")
        sources = self._sources(number, ops.reshape(shift, (-1, _TILES, 2)))
        n_bands = flux.shape[-1]
        first = ops.arange(ops.shape(flux)[0], dtype="int32") * (self.size * self.size)
        moved = ops.take(ops.reshape(flux, (-1, n_bands)), first[:, None] + sources, axis=0)
        moved = ops.reshape(moved, (-1, self.size, self.size, n_bands))
        tile, _, _ = self._places()
        return [ops.where((tile < 0)[None, :, :, None], float("nan"), moved)], number

    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each pixel the place whose tile it shows (row by row, -1 between tiles), its row and column there.

        Shapes:
            [S, S] each
        """
        axis = np.arange(self.size)
        # The tiles lie in the middle of their cells.
        within = axis[:, None] - (self.cells + self.slack // 2)
        here = (within >= 0) & (within < self.tile)
        inside = here.any(axis=1)
        cell, offset = here.argmax(axis=1), np.where(here, within, 0).sum(axis=1)
        tile = np.where(inside[:, None] & inside, cell[:, None] * _GRID + cell, -1)
        return tile, *np.broadcast_arrays(offset[:, None], offset)

    def _sources(self, number: KerasTensor, shift: KerasTensor) -> KerasTensor:
        """Which pixel of the stamp each pixel shows: row × S + column; any where it shows none.

        Shapes:
            number [N], shift of the tile shown at each place [N, 9, 2] -> [N, S × S] int32
        """
        shown = ops.take(self.permutations.astype(np.int32), number, axis=0)  # [N, 9]
        rows, columns = np.repeat(self.cells, _GRID), np.tile(self.cells, _GRID)
        corner = ops.take(np.stack([rows, columns], axis=-1).astype(np.int32), shown, axis=0) + shift  # [N, 9, 2]
        first = corner[..., 0] * self.size + corner[..., 1]
        tile, row, column = self._places()
        offset = (row * self.size + column).ravel().astype(np.int32)
        return ops.take(first, np.maximum(tile, 0).ravel(), axis=1) + offset

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """Return the logits [N, P] by one linear layer."""
        return keras.layers.Dense(len(self.permutations), dtype="float32", name="logits")(embeddings[0])

    def loss(self, target: KerasTensor, prediction: KerasTensor) -> KerasTensor:
        """Return the cross-entropy."""
        return keras.losses.sparse_categorical_crossentropy(target, prediction, from_logits=True)

    @property
    def score_names(self) -> tuple[str, ...]:
        """``accuracy`` and ``tiles``."""
        return ("accuracy", "tiles")

    def metrics(self) -> list[keras.metrics.Metric]:
        """See `JigsawScores`."""
        return [JigsawScores(self.permutations)]
