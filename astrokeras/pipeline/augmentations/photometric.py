"""Augmentations that change how much light arrives: brightness and interstellar reddening.

They act on the flux above the sky: sky + factor × (flux - sky), since it is the objects that change.
"""

import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import UsageError
from astrokeras.pipeline.augmentations.base import AUGMENTATIONS, Augmentation, SurveyInfo
from astrokeras.spec import Call, Number

# A_b / E(B-V), for E(B-V) as Schlegel, Finkbeiner & Davis 1998 give it and R_V = 3.1.
# Source: Schlafly & Finkbeiner 2011, ApJ 737, 103, table 6: Landolt UBVRI, SDSS ugriz, LSST y, UKIRT JHK.
_COEFFICIENTS = {
    "U": 4.334, "B": 3.626, "V": 2.742, "R": 2.169, "I": 1.505,
    "u": 4.239, "g": 3.303, "r": 2.285, "i": 1.698, "z": 1.263, "y": 1.088,
    "J": 0.709, "H": 0.449, "K": 0.302,
}  # fmt: skip
# The same filters under the names of other surveys (VISTA writes Z, Y and Ks).
_SAME = {"Z": "z", "Y": "y", "Ks": "K", "j": "J", "h": "H", "k": "K", "ks": "K"}


def extinction_coefficients(bands: tuple[str, ...], given: dict[str, float], written: str) -> np.ndarray:
    """Return A_b / E(B-V) of each band: as given, or from the table by name.

    Raises:
        UsageError: a band is in neither, or one that is given does not exist.
    """
    table = {**_COEFFICIENTS, **{name: _COEFFICIENTS[other] for name, other in _SAME.items()}, **given}
    strangers = [name for name in given if name not in bands]
    if strangers:
        raise UsageError(f"{written}: the records have no band {', '.join(strangers)}; they have {', '.join(bands)}")
    unknown = [band for band in bands if band not in table]
    if unknown:
        example = ",".join([written.removesuffix(")"), *(f"{band}=…" for band in unknown)]) + ")"
        raise UsageError(
            f"{written}: no extinction coefficient is known for band {', '.join(unknown)}; "
            f"give A_band / E(B-V) of each, as in {example}"
        )
    return np.array([table[band] for band in bands], np.float32)


def _scaled(flux: KerasTensor, magnitudes: KerasTensor, facts: SurveyInfo) -> KerasTensor:
    """Return the flux with objects fainter by so many magnitudes, [N, B] or [N, 1]."""
    sky = np.asarray(facts.sky, np.float32)
    factor = ops.power(10.0, -0.4 * magnitudes)[:, None, None, :]
    return ops.cast(sky + (ops.cast(flux, "float32") - sky) * factor, flux.dtype)


@AUGMENTATIONS.register("brightness")
class Brightness(Augmentation):
    """Objects are brighter or fainter by up to so many magnitudes, uniform, the same in all bands."""

    parameters = (Number("magnitudes", 0, 10),)
    n_draws = 1
    changes = frozenset({"brightness"})

    def __init__(self, facts: SurveyInfo, call: Call, option: str) -> None:
        super().__init__(facts, call, option)
        facts.need_fluxes(f"{option} {call}")

    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """See `Augmentation.apply`."""
        return _scaled(flux, (2.0 * draws - 1.0) * self.numbers["magnitudes"], self.facts)


@AUGMENTATIONS.register("redden")
class Redden(Augmentation):
    """Dust in front of the objects: E(B-V) uniform from 0 to `ebv`.

    Further arguments are coefficients of bands, A_b / E(B-V): ``redden(0.3,F378=4.1)``.
    """

    parameters = (Number("ebv", 0, 5),)
    others = Number("band", 0, 20)
    n_draws = 1
    changes = frozenset({"brightness", "colours"})

    def __init__(self, facts: SurveyInfo, call: Call, option: str) -> None:
        super().__init__(facts, call, option)
        facts.need_fluxes(f"{option} {call}")
        self.coefficients = extinction_coefficients(facts.bands, self.further, f"{option} {call}")

    def apply(self, flux: KerasTensor, draws: KerasTensor, size: int) -> KerasTensor:
        """See `Augmentation.apply`."""
        return _scaled(flux, draws * self.numbers["ebv"] * self.coefficients, self.facts)
