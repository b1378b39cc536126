"""What a target has written into a file, read back: the file may be anybody's."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def texts(config: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of text.

    Raises:
        ValueError: there is none.

    Example:
        >>> texts({"names": ["star", "galaxy"]}, "names")
        ('star', 'galaxy')
    """
    found = config[key]
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{key} is no list of text")
    return tuple(found)


def text(config: Mapping[str, Any], key: str) -> str:
    """Return some text.

    Raises:
        ValueError: there is none.
    """
    return texts({key: [config[key]]}, key)[0]


def numbers(config: Mapping[str, Any], key: str, count: int | None = None) -> np.ndarray:
    """Return a list of finite numbers, `count` of them if that is given.

    Raises:
        ValueError: there is none.
    """
    found = config[key]
    if not isinstance(found, list) or any(type(one) not in (int, float) for one in found):
        raise ValueError(f"{key} is no list of numbers")
    values = np.array(found, np.float64)
    if not np.isfinite(values).all() or (count is not None and len(values) != count):
        raise ValueError(f"{key} has {len(values)} numbers, expected {count or ''} finite ones")
    return values


def places(config: Mapping[str, Any], key: str, count: int, low: int, high: int) -> tuple[int, ...]:
    """Return a list of `count` whole numbers from `low` to below `high`.

    Raises:
        ValueError: there is none.
    """
    values = numbers(config, key, count)
    if not ((values == values.astype(int)) & (values >= low) & (values < high)).all():
        raise ValueError(f"{key} has numbers that are no places")
    return tuple(values.astype(int).tolist())
