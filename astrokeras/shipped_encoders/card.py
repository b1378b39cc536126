"""Cards: what is said of each encoder that comes with the package."""

import dataclasses
import functools
import importlib.resources
import tomllib
from importlib.resources.abc import Traversable
from typing import Any

from astrokeras.errors import UsageError, unknown_name

_FILES = importlib.resources.files("astrokeras.shipped_encoders")


@dataclasses.dataclass(frozen=True)
class Card:
    """What an encoder was made of and for.

    Attributes:
        name: by which it is asked for.
        summary: one line.
        backbone: of the network, see `models.backbone`.
        bands: in the order of the image's last axis.
        unit: of the flux that it takes: ``display`` are levels 0 to 255.
        size: side of the stamps that it was trained on, in pixels.
        resize: side to which it resamples them.
        pixel_scale: of those stamps, in arcseconds a pixel; None where it varies.
        sky: level of the sky in each band, in `unit`.
        noise: standard deviation of the sky in each band, in `unit`.
        sha256: of the file of weights.
        notes: further sections for people: ``trained``, ``results``, ``limits``, ``licence``, ``made_by``.
    """

    name: str
    summary: str
    backbone: str
    bands: tuple[str, ...]
    unit: str
    size: int
    resize: int
    pixel_scale: float | None
    sky: tuple[float, ...]
    noise: tuple[float, ...]
    sha256: str
    notes: dict[str, str]

    @property
    def weights(self) -> Traversable:
        """The file of weights."""
        return _FILES / f"{self.name}.npz"

    def text(self) -> str:
        """Return the card for people."""
        head = (
            f"{self.name}: {self.summary}\n\n"
            f"  network   {self.backbone}, stamps resampled to {self.resize} px\n"
            f"  input     {self.size}×{self.size} pixels, bands {', '.join(self.bands)} in this order, unit {self.unit}"
        )
        return "\n".join([head, *(f"  {title:<9} {value}" for title, value in self.notes.items())])


@functools.cache
def encoder_names() -> tuple[str, ...]:
    """Names of the encoders that come with the package, sorted."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _FILES.iterdir() if file.name.endswith(".toml")))


def is_shipped(name: str) -> bool:
    """Whether an encoder of this name comes with the package."""
    return name in encoder_names()


def read_card(name: str) -> Card:
    """Return the card of an encoder.

    Raises:
        UsageError: there is none of this name; the message lists the close ones.

    Example:
        >>> read_card("sdss-gri-compact").bands
        ('i', 'r', 'g')
    """
    if not is_shipped(name):
        raise UsageError(unknown_name("encoder", name, encoder_names()))
    content: dict[str, Any] = tomllib.loads((_FILES / f"{name}.toml").read_text(encoding="utf-8"))
    tuples = {key: tuple(content.pop(key)) for key in ("bands", "sky", "noise")}
    return Card(name=name, pixel_scale=content.pop("pixel_scale", None), **tuples, **content)
