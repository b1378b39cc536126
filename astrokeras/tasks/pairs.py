"""What the tasks that compare two views of each stamp have in common: views, projection and scores."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.models.normalization import batch_normalization
from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.pipeline.augmentations.resampling import axis_matrix, resample_axes
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import Number, Parameter, Word
from astrokeras.tasks.replicas import Replicas
from astrokeras.tasks.turning import span

# A view shows this much of the stamp's side at most.
_MOST = 0.9
_WINDOW = 3
# How else the object could lie, and what the seeing and the depth of another exposure would change.
_EXPOSURE = "dihedral|blur(1)|noise(1)"
_ANY_ANGLE = "rotate(180)"

VIEW_PARAMETERS: tuple[Parameter, ...] = (
    Number("window", 0.1, _MOST, default=0.5),
    Number("brightness", 0.0, 2.0, default=0.5),
    Number("colour", 0.0, 2.0, default=0.2),
    Word("turn", ("quarters", "any"), default="quarters"),
)
"""What a user may say of the views, see `TwoViews`."""


class TwoViews:
    """Two views of each stamp, as different as the same object could look.

    Each is a random window within the stamp (`window` to 0.9 of its side, log-uniform) magnified to the stamp's size,
    brighter or fainter by up to `brightness`, and by up to `colour` more in each band; then flipped or turned by
    quarters, blurred by up to 1 pixel, and with more noise, by up to that of the sky (see `pipeline.augmentations`).
    The flux above the sky is what is scaled, so the sky stays where it is and its noise scales along. For stamps of
    display levels, which are no linear measure of flux, that is a change of contrast.

    Args:
        records: gives the level of the sky in each band.
        window: the least share of the stamp's side that a view shows.
        brightness: the largest change of all bands together, in magnitudes.
        colour: the largest further change of each band, in magnitudes.
        turn: ``any`` turns the stamp by any angle before the window is taken; what lies beyond its corners is missing.
    """

    def __init__(
        self,
        records: RecordsDirectory,
        window: float = 0.5,
        brightness: float = 0.5,
        colour: float = 0.2,
        turn: str = "quarters",
    ) -> None:
        self.sky = np.array(records.sky, np.float32)
        self.window, self.brightness, self.colour = window, brightness, colour
        facts = SurveyInfo.of(records)
        self.turned = augmentation(_ANY_ANGLE, facts) if turn == "any" else None
        self.exposure = augmentation(_EXPOSURE, facts)
        self._turns = self.turned.n_draws if self.turned else 0
        self.n_draws = 2 * (self._turns + _WINDOW + 1 + len(self.sky) + self.exposure.n_draws)

    def __call__(self, flux: KerasTensor, draws: KerasTensor) -> list[KerasTensor]:
        """Both views.

        Shapes:
            flux [N, S, S, B], draws [N, n_draws] -> two [N, S, S, B]
        """
        half = self.n_draws // 2
        return [self.view(flux, draws[:, :half]), self.view(flux, draws[:, half:])]

    def view(self, flux: KerasTensor, draws: KerasTensor) -> KerasTensor:
        """One view; flux [N, S, S, B], draws [N, n_draws / 2] -> [N, S, S, B]."""
        side = flux.shape[1]
        if self.turned is not None:
            flux, draws = self.turned(flux, draws[:, : self._turns]), draws[:, self._turns :]
        share = ops.exp(span(draws[:, 0], np.log(self.window), np.log(_MOST)))
        room = (1.0 - share) * side / 2
        shift = span(draws[:, 1:_WINDOW], -1.0, 1.0) * room[:, None]
        rows, columns = (axis_matrix(1.0 / share, shift[:, axis], side, side) for axis in (0, 1))
        window = resample_axes(flux, rows, columns)
        brightness, rest = draws[:, _WINDOW : _WINDOW + 1], draws[:, _WINDOW + 1 :]
        colours, exposure = rest[:, : len(self.sky)], rest[:, len(self.sky) :]
        magnitude = span(brightness, -self.brightness, self.brightness)
        magnitude = magnitude + span(colours, -self.colour, self.colour)
        brighter = self.sky + (window - self.sky) * (10 ** (-0.4 * magnitude))[:, None, None, :]
        return self.exposure(brighter, exposure)


def unit(vectors: KerasTensor) -> KerasTensor:
    """Return the vectors at length 1; [N, D] -> [N, D]."""
    return vectors / ops.sqrt(ops.sum(vectors**2, axis=-1, keepdims=True) + 1e-12)


def similarities(
    first: KerasTensor,
    second: KerasTensor,
    weight: KerasTensor,
    replicas: Replicas,
    group: KerasTensor | None = None,
) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """Cosines of this replica's first views with everybody's.

    Shapes:
        first, second [n, D], weight [n], group [n] integers -> cosines with all first and all second views, [n, N]
        each, -1e9 where the other is padding or another stamp of the same group; and a mask [n, N] of where the other
        is the same stamp
    """
    everyone_first, everyone_second = replicas.gather(unit(first)), replicas.gather(unit(second))
    there = replicas.gather(weight)[None, :] > 0
    size, total = ops.shape(first)[0], ops.shape(everyone_first)[0]
    own = ops.arange(size)[:, None] + replicas.index() * size == ops.arange(total)[None, :]
    if group is not None:
        there = there & (group[:, None] != replicas.gather(group)[None, :])
    there = there | own
    mine = unit(first)
    to_first = ops.where(there, ops.matmul(mine, ops.transpose(everyone_first)), -1e9)
    to_second = ops.where(there, ops.matmul(mine, ops.transpose(everyone_second)), -1e9)
    return to_first, to_second, own


def nt_xent(
    view: KerasTensor,
    other: KerasTensor,
    weight: KerasTensor,
    temperature: float,
    replicas: Replicas,
    group: KerasTensor | None = None,
) -> KerasTensor:
    """Return the normalised temperature-scaled cross-entropy.

    Each view has to find its other among all that are not its own.

    Source: Chen et al. 2020 (arXiv 2002.05709), equation 1. With `group`, stamps of the same one are no negatives.

    Shapes:
        view, other [n, D], weight [n], group [n] integers -> [n]
    """
    to_same, to_other, own = similarities(view, other, weight, replicas, group)
    # A view is not its own negative.
    logits = ops.concatenate([ops.where(own, -1e9, to_same), to_other], axis=-1) / temperature
    partner = ops.sum(ops.where(own, to_other, 0.0), axis=-1) / temperature
    return ops.logsumexp(logits, axis=-1) - partner


class Retrieval(keras.metrics.Metric):
    """Share of the stamps whose first view is most like its own second view among those of the batch.

    Depends on the size of the batch, of which 1 / N is the share by chance.
    """

    def __init__(self, replicas: Replicas) -> None:
        super().__init__(name="retrieval")
        self.replicas = replicas
        self.mean = keras.metrics.Mean(name="mean")

    def update_state(
        self,
        weight: KerasTensor,
        views: list[KerasTensor],
        sample_weight: Any = None,
        group: KerasTensor | None = None,
    ) -> None:
        """Add a batch; examples of weight 0 neither count nor distract, nor do others of the same `group` [N]."""
        _, cosines, own = similarities(views[0], views[1], weight, self.replicas, group)
        partner = ops.sum(ops.where(own, cosines, 0.0), axis=-1)
        # Equals do not count as found: a collapsed network finds nothing.
        rivals = ops.max(ops.where(own, -1e9, cosines), axis=-1)
        self.mean.update_state(ops.cast(partner > rivals, "float32"), sample_weight=sample_weight)

    def result(self) -> KerasTensor:
        """Return the share so far; NaN if nothing counted."""
        return ops.divide(self.mean.total, self.mean.count)


class Spread(keras.metrics.Metric):
    """How far the projections at length 1 spread over the sphere: 1 evenly, 0 where all are the same (a collapse).

    The root of the sum of their variances along the axes, over all examples so far.
    """

    def __init__(self, width: int) -> None:
        super().__init__(name="spread")
        self.sums = self.add_variable(shape=(width,), initializer="zeros", name="sums")
        self.count = self.add_variable(shape=(), initializer="zeros", name="count")

    def update_state(self, weight: KerasTensor, views: list[KerasTensor], sample_weight: Any = None) -> None:
        """Add the first views of a batch; examples of weight 0 don't count."""
        self.sums.assign_add(ops.sum(unit(views[0]) * weight[:, None], axis=0))
        self.count.assign_add(ops.sum(weight))

    def result(self) -> KerasTensor:
        """Return the spread.

        Of vectors of length 1 the mean square is 1, so the variances sum to 1 less the mean's square.
        """
        mean = self.sums / self.count
        return ops.sqrt(ops.maximum(1.0 - ops.sum(mean**2), 0.0))


def projector(widths: Mapping[str, int], normalised: bool) -> keras.Sequential:
    """Dense layers with ReLU between them; with `normalised` also BatchNormalization.

    Shapes:
        [N, D] -> [N, last width] float32
    """
    layers: list[keras.Layer] = []
    *hidden, last = widths.items()
    for name, width in hidden:
        layers.append(keras.layers.Dense(width, use_bias=not normalised, name=name))
        if normalised:
            layers.append(batch_normalization(f"{name}_normalised"))
        layers.append(keras.layers.Activation("relu", name=f"{name}_relu"))
    layers.append(keras.layers.Dense(last[1], use_bias=False, dtype="float32", name=last[0]))
    return keras.Sequential(layers, name="projector")
