"""How long and how fast an arm is trained."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Self

import keras
import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.models.joined import encoders_of

SEARCH = "search"
"""The mode in which each fit chooses one of the others."""

FEWSHOT = "fewshot"
"""The mode in which nothing but the objects of the records is classified, see `fewshot_trainer`."""
UNTRAINED = ("frozen", FEWSHOT)
"""The modes in which nothing is trained in steps, and the encoder is left as it is."""

# Of the features, in a step of a training in which the head does not begin as it was fitted.
DROPOUT = 0.2
# In two phases, the rate of the first layer in parts of that of the head.
LOWEST = 0.1


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How an arm is trained.

    Attributes:
        mode: ``frozen``: the heads alone are fitted; ``full``: everything is trained, the heads from random weights;
            ``two-phase``: everything is trained after the heads were fitted, lower layers at lower rates; ``side``: the
            encoder is left as it is, and a side network beside it is trained after the heads were fitted;
            ``fewshot``: nothing is trained, and there is no head.
        epochs: passes over the examples.
        min_steps: steps that all epochs take at least.
        batch_size: examples a step.
        learning_rate: the peak of the heads' rate.
        weight_decay: decoupled, times the rate a step.
        fixed_statistics: whether BatchNormalization goes on as it is.
        lowest: the rate of the encoder's first layer in parts of that of the head; between the two it falls
            geometrically from layer to layer.
        depth: share of the encoder's layers that are trained, from the head down.
        augmented: share of the stamps that the augmentation changes.

    Source: two phases after Mvoulana, Kachouri & Akil 2020 (ICPR, "Fine-tuning Convolutional Neural Networks: a
    comprehensive guide and benchmark analysis for Glaucoma Screening") and Martinazzo et al. 2020 (arXiv 2004.11336);
    rates that fall from the head to the first layer after Howard & Ruder 2018 (arXiv 1801.06146, section 3.2).
    """

    mode: str
    epochs: int
    min_steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    fixed_statistics: bool = False
    lowest: float = 1.0
    depth: float = 1.0
    augmented: float = 1.0

    @classmethod
    def of(cls, config: FinetuneConfig, random: bool) -> Self:
        """Return the schedule of an arm, which starts from random weights or not, in the mode that is asked for.

        Weights that have learned nothing yet have nothing to keep: an arm that starts from random ones is trained as
        in ``full`` where the others go in two phases, since low rates, and normalization by the statistics of no data,
        would hold it back.
        """
        plain = cls(
            config.mode, config.epochs, config.min_steps, config.batch_size, config.learning_rate, config.weight_decay
        )
        return plain.in_mode(config.mode, random)

    def in_mode(self, mode: str, random: bool) -> Self:
        """Return the same in another mode."""
        if mode != "two-phase" or random:
            return dataclasses.replace(self, mode="full" if mode == "two-phase" else mode)
        return dataclasses.replace(self, mode=mode, fixed_statistics=True, lowest=LOWEST)

    @property
    def begins_fitted(self) -> bool:
        """Whether the heads are fitted before anything is trained."""
        return self.mode != "full"

    @property
    def trains(self) -> bool:
        """Whether anything is trained in steps."""
        return self.mode not in UNTRAINED

    @property
    def statistics(self) -> str:
        """What BatchNormalization goes by, in a word."""
        return "kept" if self.fixed_statistics or self.side or not self.trains else "adapted"

    @property
    def dropout(self) -> float:
        """Share of the features that the head is not given in a step: none where it was fitted to them."""
        return DROPOUT if self.mode == "full" else 0.0

    @property
    def structure(self) -> tuple[bool, float, bool]:
        """What differs in what is compiled; a compiled network serves for all schedules of one structure."""
        return self.fixed_statistics, self.dropout, self.side

    @property
    def side(self) -> bool:
        """Whether a side network is trained, see `models.side`."""
        return self.mode == "side"

    @property
    def least_steps(self) -> int:
        """The steps that an epoch has at least: few examples come several times."""
        return math.ceil(self.min_steps / self.epochs)

    def steps_for(self, count: int) -> int:
        """Return the steps for `count` examples; none where nothing is trained."""
        return self.epochs * max(count // self.batch_size, self.least_steps) if self.trains else 0

    def rates(self, model: keras.Model, base: float) -> np.ndarray:
        """Return the peak rates of the trainable variables of a model in parts of `base`, [V] in their order.

        Args:
            model: has an ``encoder``; what else it has counts as head.
            base: what they are multiplied by.
        """
        places = {}
        for part in encoders_of(model.encoder):
            own = [layer for layer in _leaves(part) if layer.trainable_variables]
            places |= {id(v): n / len(own) for n, layer in enumerate(own) for v in layer.trainable_variables}
        factors = [self._part(places[id(v)]) if id(v) in places else 1.0 for v in model.trainable_variables]
        return np.float32(factors) * np.float32(self.learning_rate / base if base else 1.0)

    def _part(self, place: float) -> float:
        """Return the rate of a layer in parts of that of the head, from its place: 0 for the first layer, below 1."""
        return self.lowest ** (1 - place) if place >= 1 - self.depth else 0.0


def _leaves(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Yield the layers of a model, those of the models in it in their place."""
    if not isinstance(layer, keras.Model):
        yield layer
        return
    for inner in layer.layers:
        yield from _leaves(inner)
