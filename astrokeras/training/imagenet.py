"""Starts from weights of ImageNet: what they are called, and how they get the bands of a survey."""

from pathlib import Path
from typing import Any

from astrokeras.files import digest
from astrokeras.models.encoder import CHANNELS

IMAGENET = "imagenet"
WORDS = ("scratch", IMAGENET, *(f"{IMAGENET}:{channels}" for channels in CHANNELS))
"""What ``--init`` takes beside runs and encoders."""


def is_imagenet(init: str) -> bool:
    """Return whether a start is one of ImageNet's, however it gets the bands."""
    return init in WORDS[1:]


def channels_of(init: str) -> str | None:
    """Return how a start from ImageNet gets the bands: one of `models.encoder.CHANNELS`; None for `ChannelAdapter`."""
    return init.partition(":")[2] or None


def imagenet_record(weights: str | None, backbone: str, channels: str | None = None) -> dict[str, Any]:
    """Return what stands in ``run.json`` of a start from ImageNet weights."""
    record: dict[str, Any] = {"kind": IMAGENET, "backbone": backbone, "weights": weights, "channels": channels}
    if weights is not None and Path(weights).is_file():
        record["sha256"] = digest(Path(weights))
    return record


def imagenet_name(record: dict[str, Any]) -> str:
    """Return what such a start was called; of a record of another kind the kind."""
    channels = record.get("channels")
    return f"{IMAGENET}:{channels}" if channels in tuple(CHANNELS) else record["kind"]
