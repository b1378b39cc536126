"""What an augmentation is: a pure function of raw flux and of uniform numbers drawn for each example.

Everything is written in `keras.ops`, so that the same code runs eagerly, inside `tf.data` and in a training step of
any backend. Nothing is drawn here: the caller gives ``draws``, uniform in [0, 1), a row an example. So what happens to
an example does not depend on the examples beside it or on how a batch is divided over devices.
"""

import abc
import dataclasses
from typing import ClassVar, Self

from keras import KerasTensor, ops

from astrokeras.errors import UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.registration import Registry
from astrokeras.spec import Call, Number, Parameter, bind

# What a target can depend on. An augmentation says which of them it changes, a task which of them it cannot bear.
PROPERTIES = {
    "orientation": "how an object lies on the stamp",
    "position": "where on the stamp an object is",
    "size": "how many pixels an object covers, and so what a fixed aperture holds",
    "brightness": "the flux of an object",
    "colours": "the ratios of an object's fluxes in the bands",
    "noise": "the noise of the pixels",
    "resolution": "the width of the point spread function",
    "completeness": "which bands and pixels of a stamp are there",
}


@dataclasses.dataclass(frozen=True)
class SurveyInfo:
    """What augmentations know of a survey.

    Attributes:
        bands: names of the B bands.
        sky: level of the sky in each band, in the unit of the records.
        noise: standard deviation of the sky in each band, the same unit; positive.
        unit: ``nJy``, ``image`` or ``display``.
    """

    bands: tuple[str, ...]
    sky: tuple[float, ...]
    noise: tuple[float, ...]
    unit: str = "image"

    @classmethod
    def of(cls, records: RecordsDirectory) -> Self:
        """Return the facts that stand in the records."""
        return cls(records.bands, records.sky, records.noise, records.unit)

    def need_fluxes(self, what: str) -> None:
        """Refuse what only makes sense for fluxes.

        Raises:
            UsageError: the pixels are levels of a display picture.
        """
        if self.unit == "display":
            raise UsageError(
                f"{what} scales fluxes, but these records hold the levels of JPEG or PNG pictures, which are no linear "
                "measure of flux; leave it out, or convert FITS images"
            )


class Augmentation(abc.ABC):
    """One augmentation with its arguments.

    Args:
        facts: of the survey.
        call: the name and arguments as they were typed.
        option: where, for messages.

    Raises:
        UsageError: an argument is wrong.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = ()
    others: ClassVar[Number | None] = None

    def __init__(self, facts: SurveyInfo, call: Call, option: str) -> None:
        self.facts, self.call, self.option = facts, call, option
        values, self.further = bind(call, self.parameters, option, self.others)
        self.numbers = {name: value for name, value in values.items() if not isinstance(value, str)}
        self.words = {name: value for name, value in values.items() if isinstance(value, str)}

    def __str__(self) -> str:
        return str(self.call)

    @property
    @abc.abstractmethod
    def changes(self) -> frozenset[str]:
        """Which of `PROPERTIES` it changes; the others it leaves as they are."""

    @property
    @abc.abstractmethod
    def n_draws(self) -> int:
        """How many uniform numbers it takes an example."""

    def reach(self, side: int) -> int:
        """Return side of the stamp that it would need to know all of `side` pixels, larger by an even number."""
        return side

    @abc.abstractmethod
    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """Return the augmented flux, NaN where it is not known.

        Args:
            flux: of N square stamps, NaN where missing.
            draws: uniform in [0, 1), float32.
            size: side of the stamps that the network will see; `flux` may be larger around them.

        Shapes:
            flux [N, S, S, B], draws [N, n_draws] -> [N, S, S, B] of the same dtype
        """


AUGMENTATIONS: Registry[type[Augmentation]] = Registry("augmentation", "astrokeras.pipeline.augmentations")


def per_example(draw: KerasTensor) -> KerasTensor:
    """Return [N] as [N, 1, 1, 1], to go with stamps.

    Example:
        >>> tuple(per_example(ops.zeros(8)).shape)
        (8, 1, 1, 1)
    """
    return ops.reshape(draw, (-1, 1, 1, 1))


def with_margin(side: int, pixels: float) -> int:
    """Return the side with at least this many pixels more at each edge.

    Example:
        >>> with_margin(64, 2.5)
        70
    """
    whole = int(pixels)
    return side + 2 * (whole + (whole < pixels))
