"""The stretch: from flux to numbers of order one, the same for every stamp of the survey.

One pair of constants a band, from the sky and its noise in the training split. A stretch of each stamp by its
own range would erase the brightness, which is what magnitudes are about.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.records.directory import RecordsDirectory
from astrokeras.registration import Registry

Curve = Callable[[KerasTensor, KerasTensor, KerasTensor], KerasTensor]

CURVES: Registry[Curve] = Registry("stretch")

# A pixel this many times the sky noise above the sky becomes 1.
_BRIGHT = 1000.0
# Beyond any real pixel, and its square still fits a float32.
_CLIP = 1e15


@CURVES.register("asinh")
def _asinh(flux: KerasTensor, sky: KerasTensor, noise: KerasTensor) -> KerasTensor:
    """Return asinh(s) / asinh(1000) of the significance s: the sky noise becomes 0.12, a pixel of 1000 sigma 1.

    Written as a logarithm, which is twice as fast on CPUs; of |s|, since s + sqrt(s² + 1) cancels below 0.

    Source: Lupton, Gunn & Szalay 1999, AJ 118, 1406 (the curve).
    """
    significance = ops.clip((flux - sky) / noise, -_CLIP, _CLIP)
    size = ops.abs(significance)
    return ops.sign(significance) * ops.log(size + ops.sqrt(size * size + 1.0)) / math.asinh(_BRIGHT)


@CURVES.register("linear")
def _linear(flux: KerasTensor, sky: KerasTensor, noise: KerasTensor) -> KerasTensor:
    """Return (flux - sky) / (1000 noise), which has the same ends as `asinh` and a straight line between."""
    return (flux - sky) / (_BRIGHT * noise)


@CURVES.register("display")
def _display(flux: KerasTensor, _sky: KerasTensor, _noise: KerasTensor) -> KerasTensor:
    """Return a 255th of the value, for JPEG and PNG stamps, which somebody has stretched before."""
    return flux / 255.0


@keras.saving.register_keras_serializable(package="astrokeras")
class Stretch(keras.layers.Layer):
    """Stretches each band by its own constants; NaN and infinite pixels become sky first.

    Args:
        kind: name of a curve: ``asinh``, ``linear`` or ``display``.
        sky: level of the sky in each band.
        noise: standard deviation of the sky in each band, above 0.

    Units:
        in: the unit of the records (nJy, image unit, or 0..255); `sky` and `noise` the same; out: none

    Shapes:
        [N, H, W, B] -> [N, H, W, B] float32
    """

    def __init__(self, kind: str, sky: Sequence[float], noise: Sequence[float], **kwargs: Any) -> None:
        # Fluxes in nJy span more than half precision holds, whatever the policy of the network.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.curve = CURVES.get(kind)
        self.kind = kind
        self.sky = [float(value) for value in sky]
        self.noise = [float(value) for value in noise]
        if len(self.sky) != len(self.noise) or not all(value > 0 for value in self.noise):
            raise ValueError(f"noise must be positive, one a band like sky; got sky {sky}, noise {noise}")

    def call(self, flux: KerasTensor) -> KerasTensor:
        """Return the stretched flux."""
        sky, noise = np.array(self.sky, np.float32), np.array(self.noise, np.float32)
        good = ops.where(ops.isfinite(flux), flux, sky)
        return self.curve(good, sky, noise)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "kind": self.kind, "sky": self.sky, "noise": self.noise}


def stretch_kind(unit: str, kind: str) -> str:
    """Return the curve that is meant: ``auto`` is asinh for fluxes and a plain scaling for display images.

    A linear stretch of display images is that scaling too.
    """
    if unit == "display" and kind in ("auto", "linear"):
        return "display"
    return "asinh" if kind == "auto" else kind


def stretch_for(records: RecordsDirectory, kind: str) -> Stretch:
    """Return the stretch of these records, see `stretch_kind`.

    Raises:
        UsageError: there is no stretch of this name.
    """
    return Stretch(stretch_kind(records.unit, kind), records.sky, records.noise, name="stretch")
