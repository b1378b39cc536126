"""Augmentations that move pixels: quarter turns and flips, shifts, rotations, zooms.

Each is an affine map from the pixels of the result to those of the stamp, about the centre of the stamp at
((S - 1) / 2, (S - 1) / 2). Maps that follow each other are multiplied, so that pixels are interpolated once.

The interpolation is bilinear over the pixels that are there: a constant stays that constant up to the edge of a hole;
a pixel of the result is NaN where missing pixels, or what lies off the stamp, carry more than half of its weight.
Sampling conserves the flux of what is well sampled: for a Gaussian of FWHM 2.5 pixels or more to 1e-3. It smooths: the
variance of white noise falls to 4/9 on average, and the point spread function widens by 1/6 square pixel a coordinate,
also on average.
"""

import math

import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import UsageError
from astrokeras.pipeline.augmentations.base import AUGMENTATIONS, Augmentation, Facts, per_example, with_margin
from astrokeras.spec import Call, Number, Word

Map = tuple[KerasTensor, KerasTensor]

_INTERPOLATION = frozenset({"noise", "resolution"})


class Geometry(Augmentation):
    """An augmentation that is an affine map."""

    def gain(self, draws: KerasTensor) -> KerasTensor | None:
        """By what the flux above the sky is multiplied, [N]; None for nothing."""
        return None

    def affine(self, draws: KerasTensor) -> Map:
        """Where the pixels of the result come from, as (y, x) from the centre: ``matrix @ (y, x) + offset``.

        Shapes:
            draws [N, n_draws] -> matrix [N, 2, 2], offset [N, 2], float32
        """
        raise NotImplementedError

    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """See `Augmentation.apply`."""
        return move(flux, draws, [self], flux.shape[1])


def move(flux: KerasTensor, draws: KerasTensor, steps: list[Geometry], side: int) -> KerasTensor:
    """The middle `side` pixels of what the steps make of the stamps, interpolated once.

    Shapes:
        flux [N, S, S, B], draws [N, sum of n_draws] -> [N, side, side, B]
    """
    if all(isinstance(step, Dihedral) for step in steps) and side == flux.shape[1]:
        for step, own in _each_with_its_draws(steps, draws):
            flux = step.apply(flux, own, side)
        return flux
    matrix = offset = gain = None
    for step, own in _each_with_its_draws(steps, draws):
        new, shift = step.affine(own)
        offset = shift if matrix is None else ops.matmul(matrix, shift[..., None])[..., 0] + offset
        matrix = new if matrix is None else ops.matmul(matrix, new)
        factor = step.gain(own)
        if factor is not None:
            gain = factor if gain is None else gain * factor
    moved = resample(flux, matrix, offset, side)
    if gain is None:
        return moved
    sky = np.asarray(steps[0].facts.sky, np.float32)
    return ops.cast(sky + (ops.cast(moved, "float32") - sky) * per_example(gain), flux.dtype)


def _each_with_its_draws(steps: list[Geometry], draws: KerasTensor) -> list[tuple[Geometry, KerasTensor]]:
    stops = np.cumsum([step.n_draws for step in steps])
    return [(step, draws[:, stop - step.n_draws : stop]) for step, stop in zip(steps, stops.tolist(), strict=True)]


def resample(flux: KerasTensor, matrix: KerasTensor, offset: KerasTensor, side: int) -> KerasTensor:
    """The stamps at ``matrix @ (y, x) + offset`` from their centre, for the `side` × `side` pixels of the result.

    Bilinear over the pixels that are there. See the module for what becomes of missing ones.

    Shapes:
        flux [N, S, S, B], matrix [N, 2, 2], offset [N, 2] -> [N, side, side, B] of the same dtype
    """
    source, n_bands = flux.shape[1], flux.shape[3]
    count = ops.shape(flux)[0]
    axis = np.arange(side, dtype=np.float32) - (side - 1) / 2
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij")).reshape(2, -1)
    middle = (source - side) // 2 + (side - 1) / 2
    places = ops.matmul(matrix, grid) + offset[..., None] + middle  # [N, 2, side²]
    places = ops.clip(places, -1.0, float(source))
    corner = ops.floor(places)
    fraction = places - corner
    corner = ops.cast(corner, "int32")
    values = ops.cast(flux, "float32")
    good = ops.isfinite(values)
    rows = ops.reshape(
        ops.concatenate([ops.where(good, values, 0.0), ops.cast(good, "float32")], axis=-1), (-1, 2 * n_bands)
    )
    first = (ops.arange(count, dtype="int32") * (source * source))[:, None]
    total = 0.0
    for down in (0, 1):
        y, weight_y = _neighbour(corner[:, 0], fraction[:, 0], down, source)
        for right in (0, 1):
            x, weight_x = _neighbour(corner[:, 1], fraction[:, 1], right, source)
            total += (weight_y * weight_x)[..., None] * ops.take(rows, first + y * source + x, axis=0)
    weight = total[..., n_bands:]
    known = weight >= 0.5
    result = ops.where(known, total[..., :n_bands] / ops.where(known, weight, 1.0), float("nan"))
    return ops.cast(ops.reshape(result, (-1, side, side, n_bands)), flux.dtype)


def _neighbour(corner: KerasTensor, fraction: KerasTensor, step: int, side: int) -> Map:
    """A pixel beside each place along one axis, and its weight: 0 off the stamp."""
    index = corner + step
    inside = ops.logical_and(index >= 0, index < side)
    weight = fraction if step else 1.0 - fraction
    return ops.clip(index, 0, side - 1), ops.where(inside, weight, 0.0)


_QUARTER = np.array([[0, 1], [-1, 0]])  # as np.rot90 turns: row i of the result is a column of the stamp
_FLIP = np.array([[-1, 0], [0, 1]])
_MATRICES = np.stack(
    [np.linalg.matrix_power(_QUARTER, k) @ flip for flip in (np.eye(2), _FLIP) for k in range(4)]
).astype(np.float32)


def _dihedral_table(size: int) -> np.ndarray:
    """Where each pixel of a turned stamp comes from, [8, size * size], for the eight symmetries of a square."""
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

    def _element(self, draws: KerasTensor) -> KerasTensor:
        return ops.cast(draws[:, 0] * 8.0, "int32")

    def affine(self, draws: KerasTensor) -> Map:
        """See `Geometry.affine`."""
        matrix = ops.take(_MATRICES, self._element(draws), axis=0)
        return matrix, ops.zeros_like(matrix[:, 0])

    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """See `Augmentation.apply`."""
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
    def changes(self) -> frozenset[str]:
        """Which of `PROPERTIES` it changes."""
        return frozenset({"position"}) | (frozenset() if self.words["whole"] == "yes" else _INTERPOLATION)

    def reach(self, side: int) -> int:
        """See `Augmentation.reach`."""
        return with_margin(side, self.numbers["pixels"])

    def affine(self, draws: KerasTensor) -> Map:
        """See `Geometry.affine`."""
        if self.words["whole"] == "yes":
            most = math.floor(self.numbers["pixels"])
            offset = ops.floor(draws * float(2 * most + 1)) - float(most)
        else:
            offset = (2.0 * draws - 1.0) * self.numbers["pixels"]
        return ops.zeros_like(offset)[..., None] + np.eye(2, dtype=np.float32), offset


@AUGMENTATIONS.register("rotate")
class Rotate(Geometry):
    """A rotation by an angle that is uniform between plus and minus `degrees`."""

    parameters = (Number("degrees", 0, 180, 180.0),)
    n_draws = 1
    changes = frozenset({"orientation"}) | _INTERPOLATION

    def reach(self, side: int) -> int:
        """See `Augmentation.reach`."""
        angle = math.radians(min(self.numbers["degrees"], 45.0))
        return with_margin(side, (math.cos(angle) + math.sin(angle) - 1) * side / 2)

    def affine(self, draws: KerasTensor) -> Map:
        """See `Geometry.affine`."""
        angle = (2.0 * draws[:, 0] - 1.0) * math.radians(self.numbers["degrees"])
        cosine, sine = ops.cos(angle), ops.sin(angle)
        matrix = ops.reshape(ops.stack([cosine, sine, -sine, cosine], axis=-1), (-1, 2, 2))
        return matrix, ops.zeros_like(matrix[:, 0])


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

    def __init__(self, facts: Facts, call: Call, option: str) -> None:
        super().__init__(facts, call, option)
        if self.numbers["low"] > self.numbers["high"]:
            raise UsageError(f"{option} {call}: low is above high")
        if self.words["keep"] == "flux":
            facts.need_fluxes(f"{option} {call} (unless keep=surface is given)")

    @property
    def changes(self) -> frozenset[str]:
        """Which of `PROPERTIES` it changes."""
        return frozenset({"size"} | ({"brightness"} if self.words["keep"] == "surface" else set())) | _INTERPOLATION

    def reach(self, side: int) -> int:
        """See `Augmentation.reach`."""
        return with_margin(side, max(1 / self.numbers["low"] - 1, 0) * side / 2)

    def _factor(self, draws: KerasTensor) -> KerasTensor:
        low, high = (math.log(self.numbers[end]) for end in ("low", "high"))
        return ops.exp(low + (high - low) * draws[:, 0])

    def gain(self, draws: KerasTensor) -> KerasTensor | None:
        """See `Geometry.gain`."""
        return 1.0 / self._factor(draws) ** 2 if self.words["keep"] == "flux" else None

    def affine(self, draws: KerasTensor) -> Map:
        """See `Geometry.affine`."""
        matrix = ops.reshape(1.0 / self._factor(draws), (-1, 1, 1)) * np.eye(2, dtype=np.float32)
        return matrix, ops.zeros_like(matrix[:, 0])
