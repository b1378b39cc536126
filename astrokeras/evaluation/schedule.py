"""How long and how fast an arm is trained."""

import dataclasses
import math
from typing import Self

from astrokeras.config import FinetuneConfig

# Of the features, in a step of a training in which the head does not begin as it was fitted.
DROPOUT = 0.2


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How an arm is trained.

    In ``two-phase`` the rate is a tenth of `learning_rate`, as Martinazzo et al. 2020 (arXiv 2004.11336) did it, and
    what the head is given stays what it was fitted to: BatchNormalization goes on with the statistics that it has, and
    there is no dropout. Weights that have learned nothing yet have nothing to keep: an arm that starts from random ones
    is trained as in ``full`` where the others go in two phases, since a tenth of the rate, and normalization by the
    statistics of no data, would hold it back.
    """

    mode: str
    epochs: int
    min_steps: int
    batch_size: int
    learning_rate: float

    @classmethod
    def of(cls, config: FinetuneConfig, random: bool) -> Self:
        """Return that of an arm, which starts from random weights or not."""
        mode = "full" if random and config.mode == "two-phase" else config.mode
        return cls(mode, config.epochs, config.min_steps, config.batch_size, config.learning_rate)

    @property
    def peak_rate(self) -> float:
        """The highest learning rate of the phase in which everything is trained."""
        return self.learning_rate / 10 if self.mode == "two-phase" else self.learning_rate

    @property
    def dropout(self) -> float:
        """Share of the features that the head is not given in a step."""
        return DROPOUT if self.mode == "full" else 0.0

    @property
    def least_steps(self) -> int:
        """The steps that an epoch has at least: few examples come several times."""
        return math.ceil(self.min_steps / self.epochs)

    def steps_for(self, count: int) -> int:
        """Return the steps for `count` examples; none in ``frozen`` mode."""
        return 0 if self.mode == "frozen" else self.epochs * max(count // self.batch_size, self.least_steps)
