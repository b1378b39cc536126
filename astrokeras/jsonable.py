"""What JSON can hold."""

import math
from typing import Any


def finite(value: Any) -> Any:
    """Return the same value with NaN and infinity as None, which is what JSON has for them."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
