"""Augmentations that move pixels: quarter turns and flips, shifts, rotations, zooms.

Each maps the pixels of the result to places on the stamp, about the centre of the stamp at ((S - 1) / 2, (S - 1) / 2).
Neighbours in a chain are done at once where one interpolation can do them all (`plan`); `resampling` has the two kinds.
"""

import math
from collections.abc import Sequence

import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import UsageError
from astrokeras.pipeline.augmentations.base import AUGMENTATIONS, Augmentation, SurveyInfo, per_example, with_margin
from astrokeras.pipeline.augmentations.resampling import (
    axis_matrix,
    resample,
    resample_axes,
    shifted,
    window,
)
from astrokeras.spec import Call, Number, Word

Parts = tuple[KerasTensor, KerasTensor]

_INTERPOLATION = frozenset({"noise"})
# How far an interpolated pixel looks beyond its neighbours.
_BEYOND = 1


class Geometry(Augmentation):
    """An augmentation that moves pixels: (y, x) of the result shows ``matrix @ (y, x) / factor + offset`` of the stamp.

    Both are counted from the centre.

    Attributes:
        turns: whether `matrix` may be another than one.
        scales: whether `factor` may be another than one.
        whole: whether pixels stay whole: none is interpolated.
    """

    turns = False
    scales = False
    whole = False

    def matrix(self, draws: KerasTensor) -> KerasTensor:
        """Return the rotation or reflection, [N, 2, 2]."""
        return ops.zeros_like(draws[:, :1, None]) + np.eye(2, dtype=np.float32)

    def factor(self, draws: KerasTensor) -> KerasTensor:
        """Return the enlargement, [N]."""
        return ops.ones_like(draws[:, 0])

    def offset(self, draws: KerasTensor) -> KerasTensor:
        """Return the shift in pixels of the stamp, (y, x), [N, 2]."""
        return ops.zeros_like(draws[:, :1]) + np.zeros(2, np.float32)

    def gain(self, draws: KerasTensor) -> KerasTensor | None:
        """Return by what the flux above the sky is multiplied, [N]; None for nothing."""
        return None

    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """See `Augmentation.apply`."""
        return move(flux, draws, [self], flux.shape[1])


def plan(steps: Sequence[Augmentation]) -> list[tuple[int, int]]:
    """Return first and last (exclusive) of the steps that are done at once."""
    runs: list[tuple[int, int]] = []
    for i in range(len(steps)):
        if runs and _fit_together(steps[runs[-1][0] : i + 1]):
            runs[-1] = (runs[-1][0], i + 1)
        else:
            runs.append((i, i + 1))
    return runs


def _fit_together(steps: Sequence[Augmentation]) -> bool:
    """Return whether one interpolation does them all: they turn and shift, or scale and shift."""
    moves = [step for step in steps if isinstance(step, Geometry)]
    both = any(step.turns for step in moves) and any(step.scales for step in moves)
    return len(moves) == len(steps) and not both


def move(flux: KerasTensor, draws: KerasTensor, steps: Sequence[Geometry], side: int) -> KerasTensor:
    """Return the middle `side` pixels of what the steps of one run make of the stamps.

    Shapes:
        flux [N, S, S, B], draws [N, sum of n_draws] -> [N, side, side, B]
    """
    stops = np.cumsum([step.n_draws for step in steps]).tolist()
    own = [(step, draws[:, stop - step.n_draws : stop]) for step, stop in zip(steps, stops, strict=True)]
    if all(isinstance(step, Dihedral) for step in steps):
        for step, numbers in own:
            flux = step.exactly(flux, numbers)
        edge = (flux.shape[1] - side) // 2
        return flux[:, edge : edge + side, edge : edge + side, :]
    if any(step.turns and not isinstance(step, Dihedral) for step in steps):
        return resample(flux, *_rigid(own), side)
    if any(step.turns for step in steps):
        return _turn_and_shift(flux, own, side)
    return _stretch(flux, own, side)


def _rigid(own: list[tuple[Geometry, KerasTensor]]) -> Parts:
    """Return matrix and offset of steps that turn and shift, one after the other."""
    matrix, offset = own[0][0].matrix(own[0][1]), own[0][0].offset(own[0][1])
    for step, numbers in own[1:]:
        offset = ops.matmul(matrix, step.offset(numbers)[..., None])[..., 0] + offset
        matrix = ops.matmul(matrix, step.matrix(numbers))
    return matrix, offset


def _turn_and_shift(flux: KerasTensor, own: list[tuple[Geometry, KerasTensor]], side: int) -> KerasTensor:
    """Return what steps that turn by quarters, flip and shift make of the stamps.

    The turns first, which is exact and cheap.

    The stamp at ``matrix @ p + offset`` is the turned stamp at ``p + matrixᵀ @ offset``.
    """
    matrix, offset = _rigid(own)
    for step, numbers in own:
        if isinstance(step, Dihedral):
            flux = step.exactly(flux, numbers)
    offset = ops.matmul(ops.transpose(matrix, (0, 2, 1)), offset[..., None])[..., 0]
    return _shift(flux, offset, own, side)


def _shift(flux: KerasTensor, offset: KerasTensor, own: list[tuple[Geometry, KerasTensor]], side: int) -> KerasTensor:
    """Return what steps that shift make of the stamps: without any arithmetic if all take whole pixels."""
    if all(step.whole for step, _ in own):
        first = ops.cast(ops.round(offset), "int32") + (flux.shape[1] - side) // 2
        return ops.cast(window(flux, first, side), flux.dtype)
    return shifted(flux, offset, side)


def _stretch(flux: KerasTensor, own: list[tuple[Geometry, KerasTensor]], side: int) -> KerasTensor:
    """Return what steps that scale and shift make of the stamps."""
    factor, offset, gain = ops.ones_like(own[0][1][:, 0]), 0.0, None
    for step, numbers in own:
        offset = step.offset(numbers) / factor[:, None] + offset
        factor = factor * step.factor(numbers)
        more = step.gain(numbers)
        if more is not None:
            gain = more if gain is None else gain * more
    if not any(step.scales for step, _ in own):
        return _shift(flux, offset, own, side)
    rows, columns = (axis_matrix(factor, offset[:, axis], flux.shape[1], side) for axis in (0, 1))
    moved = resample_axes(flux, rows, columns)
    if gain is None:
        return moved
    sky = np.asarray(own[0][0].facts.sky, np.float32)
    return ops.cast(sky + (ops.cast(moved, "float32") - sky) * per_example(gain), flux.dtype)


_QUARTER = np.array([[0, 1], [-1, 0]])  # as np.rot90 turns: row i of the result is a column of the stamp
_FLIP = np.array([[-1, 0], [0, 1]])
_MATRICES = np.stack(
    [np.linalg.matrix_power(_QUARTER, k) @ flip for flip in (np.eye(2), _FLIP) for k in range(4)]
).astype(np.float32)


def _dihedral_table(size: int) -> np.ndarray:
    """Return where each pixel of a turned stamp comes from, [8, size * size], for the eight symmetries of a square."""
    places = np.arange(size * size, dtype=np.int32).reshape(size, size)
    turns = [np.rot90(places, quarter) for quarter in range(4)]
    return np.stack([turn.ravel() for turn in (*turns, *(np.flipud(turn) for turn in turns))])


@AUGMENTATIONS.register("dihedral")
class Dihedral(Geometry):
    """One of the eight flips and quarter turns of a square, each as likely.

    Pixels move but don't change: one gather over the batch.
    """

    n_draws = 1
    changes = frozenset({"orientation"})
    turns = True
    whole = True

    def _element(self, draws: KerasTensor) -> KerasTensor:
        return ops.cast(draws[:, 0] * 8.0, "int32")

    def matrix(self, draws: KerasTensor) -> KerasTensor:
        """See `Geometry.matrix`."""
        return ops.take(_MATRICES, self._element(draws), axis=0)

    def exactly(self, flux: KerasTensor, draws: KerasTensor) -> KerasTensor:
        """Return the stamps, turned without any arithmetic on their pixels."""
        side, n_bands = flux.shape[2:]
        sources = ops.take(_dihedral_table(side), self._element(draws), axis=0)
        first = ops.arange(ops.shape(flux)[0], dtype="int32") * (side * side)
        moved = ops.take(ops.reshape(flux, (-1, n_bands)), first[:, None] + sources, axis=0)
        return ops.reshape(moved, (-1, side, side, n_bands))


@AUGMENTATIONS.register("shift")
class Shift(Geometry):
    """A shift of up to `pixels` along each axis, uniform; ``whole=yes`` takes whole pixels and interpolates nothing."""

    parameters = (Number("pixels", 0, 1000), Word("whole", ("yes", "no"), "no"))
    n_draws = 2

    @property
    def whole(self) -> bool:
        """See `Geometry`."""
        return self.words["whole"] == "yes"

    @property
    def changes(self) -> frozenset[str]:
        """Which of `PROPERTIES` it changes."""
        return frozenset({"position"}) | (frozenset() if self.whole else _INTERPOLATION)

    def reach(self, side: int) -> int:
        """See `Augmentation.reach`."""
        return with_margin(side, self.numbers["pixels"] + _BEYOND)

    def offset(self, draws: KerasTensor) -> KerasTensor:
        """See `Geometry.offset`."""
        if self.whole:
            most = math.floor(self.numbers["pixels"])
            return ops.floor(draws * float(2 * most + 1)) - float(most)
        return (2.0 * draws - 1.0) * self.numbers["pixels"]


@AUGMENTATIONS.register("rotate")
class Rotate(Geometry):
    """A rotation by an angle that is uniform between plus and minus `degrees`."""

    parameters = (Number("degrees", 0, 180, 180.0),)
    n_draws = 1
    changes = frozenset({"orientation"}) | _INTERPOLATION
    turns = True

    def reach(self, side: int) -> int:
        """See `Augmentation.reach`."""
        angle = math.radians(min(self.numbers["degrees"], 45.0))
        return with_margin(side, (math.cos(angle) + math.sin(angle) - 1) * side / 2 + _BEYOND)

    def matrix(self, draws: KerasTensor) -> KerasTensor:
        """See `Geometry.matrix`."""
        angle = (2.0 * draws[:, 0] - 1.0) * math.radians(self.numbers["degrees"])
        cosine, sine = ops.cos(angle), ops.sin(angle)
        return ops.reshape(ops.stack([cosine, sine, -sine, cosine], axis=-1), (-1, 2, 2))


@AUGMENTATIONS.register("zoom")
class Zoom(Geometry):
    """An enlargement by a factor from `low` to `high`, uniform in its logarithm.

    ``keep=flux``: the same object on smaller or larger pixels: its total flux above the sky stays and is spread over
    factor² as many pixels. ``keep=surface``: the same object nearer or further away: its surface brightness stays, and
    the total flux grows by factor².

    Raises:
        UsageError: `low` is above `high`, or the flux of pictures is to be kept.
    """

    parameters = (Number("low", 0.5, 2), Number("high", 0.5, 2), Word("keep", ("flux", "surface"), "flux"))
    n_draws = 1
    scales = True

    def __init__(self, facts: SurveyInfo, call: Call, option: str) -> None:
        super().__init__(facts, call, option)
        if self.numbers["low"] > self.numbers["high"]:
            raise UsageError(f"{option} {call}: low is above high")
        if self.words["keep"] == "flux":
            facts.need_fluxes(f"{option} {call} (unless keep=surface is given)")

    @property
    def changes(self) -> frozenset[str]:
        """Which of `PROPERTIES` it changes."""
        surface = frozenset({"brightness"}) if self.words["keep"] == "surface" else frozenset()
        return frozenset({"size", "resolution"}) | surface | _INTERPOLATION

    def reach(self, side: int) -> int:
        """See `Augmentation.reach`."""
        return with_margin(side, max(1 / self.numbers["low"] - 1, 0) * side / 2 + _BEYOND)

    def factor(self, draws: KerasTensor) -> KerasTensor:
        """See `Geometry.factor`."""
        low, high = (math.log(self.numbers[end]) for end in ("low", "high"))
        return ops.exp(low + (high - low) * draws[:, 0])

    def gain(self, draws: KerasTensor) -> KerasTensor | None:
        """See `Geometry.gain`."""
        return 1.0 / self.factor(draws) ** 2 if self.words["keep"] == "flux" else None
