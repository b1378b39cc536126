"""Backbones by name: our own small one and everything in `keras.applications`.

To add one, put a file into `models/backbones/` that registers a function, which takes an input shape and returns a
model from [N, H, W, B] of about 0 to 1 to feature maps [N, h, w, C].
"""

from collections.abc import Callable

import keras

from astrokeras.errors import UsageError
from astrokeras.models.applications import NETWORKS, application
from astrokeras.registration import Registry, unknown

BACKBONES: Registry[Callable[[tuple[int, int, int]], keras.Model]] = Registry("backbone", "astrokeras.models.backbones")


def needs_three_channels(name: str) -> bool:
    """Return whether the backbone of this name takes three channels only.

    Raises:
        UsageError: there is none of this name; the message lists the close ones.

    Example:
        >>> needs_three_channels("compact"), needs_three_channels("mobilenet_v2")
        (False, True)
    """
    if name not in BACKBONES and name not in NETWORKS:
        raise unknown("backbone", name, (*BACKBONES.names(), *NETWORKS))
    return name in NETWORKS


def build_backbone(name: str, input_shape: tuple[int, int, int], weights: str | None) -> keras.Model:
    """Return the backbone of this name.

    Args:
        name: ``compact`` or a network of `keras.applications`, such as ``mobilenet_v2``.
        input_shape: height, width, channels.
        weights: None for random ones, ``imagenet``, or a file of weights.

    Shapes:
        [N, H, W, C] -> [N, h, w, D]

    Raises:
        UsageError: unknown name, stamps too small, or weights for a network that has none.
        WeightsUnavailable: the weights could not be had.

    Example:
        >>> build_backbone("compact", (32, 32, 5), weights=None).output_shape[0] is None
        True
    """
    if needs_three_channels(name):
        return application(name, input_shape, weights)
    if weights is not None:
        raise UsageError(f"backbone '{name}' has no ImageNet weights; use one of keras.applications, like mobilenet_v2")
    return BACKBONES.get(name)(input_shape)
