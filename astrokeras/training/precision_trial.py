"""In which floating-point precision the network computes: as asked for, or as a short trial on this machine says.

The backbone of the encoder alone computes in half precision. Weights, heads, targets, losses and metrics are float32,
and so is the encoder that is saved (`models.recast.recast`).
"""

import contextlib
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

from astrokeras.registration import unknown

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
# Below this, half precision isn't worth its roundings.
_CLEARLY = 1.1
_ROUNDS, _SECONDS, _STEPS = 5, 0.4, (4, 64)

Fit = Callable[[int], None]


def check_precision(asked: str) -> None:
    """Make sure that there is such a precision.

    Raises:
        UsageError: there is not.
    """
    if asked not in ("auto", *POLICIES):
        raise unknown("precision", asked, ("auto", *POLICIES))


def half_precision() -> str:
    """Return the half precision that the device computes in.

    Bfloat16, or float16 on GPUs before compute capability 8.
    """
    return "float16" if _capability() < 8 else "bfloat16"


def _capability() -> float:
    """Return that of the first GPU; infinite without one."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415 - TensorFlow is not there with every backend

        gpus = tf.config.get_visible_devices("GPU")
        version = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability") if gpus else None
        return float(version[0]) if version else math.inf
    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415

        version = getattr(jax.devices()[0], "compute_capability", None)
        return float(version) if version else math.inf
    return math.inf


def choose_precision(
    asked: str,
    trial: Callable[[str], contextlib.AbstractContextManager[Fit]],
    *,
    batch_size: int,
    not_tried: str | None,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Return the precision to train in.

    Args:
        asked: ``auto`` or one of `POLICIES`.
        trial: opens what trains as many steps as it is told, in the precision that it is opened for.
        batch_size: of such a step.
        not_tried: why ``auto`` means float32 without a trial; None if it does not.
        report: gets one line about the choice if there was one.

    Returns:
        For ``run.json``: ``precision``; for ``auto`` also ``trial``: ``images_per_second`` by precision and
        ``speedup`` of the faster, or ``not_tried``.

    Raises:
        UsageError: an unknown precision.
    """
    check_precision(asked)
    if asked in POLICIES:
        return {"precision": asked}
    if not_tried is not None:
        report(f"--precision auto: float32, {not_tried}")
        return {"precision": "float32", "trial": {"not_tried": not_tried}}
    half = half_precision()
    with _randomness_kept(), trial("float32") as full_fit, trial(half) as half_fit:
        seconds = seconds_per_step({"float32": full_fit, half: half_fit})
    speedup = seconds["float32"] / seconds[half]
    chosen = half if speedup >= _CLEARLY else "float32"
    speeds = {name: batch_size / value for name, value in seconds.items()}
    words = " and ".join(f"{speed:.0f} images/s in {name}" for name, speed in speeds.items())
    report(f"--precision auto: {chosen}, since this machine trains {words}")
    return {"precision": chosen, "trial": {"images_per_second": speeds, "speedup": speedup}}


def seconds_per_step(fits: Mapping[str, Fit], clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Return the time of a step of each, the median of several rounds in which they take turns."""

    def timed(fit: Fit, steps: int) -> float:
        start = clock()
        fit(steps)
        return (clock() - start) / steps

    for fit in fits.values():
        fit(2)  # traces, and lets the device settle
    least, most = _STEPS
    longest = max(timed(fit, least) for fit in fits.values())
    steps = min(most, max(least, round(_SECONDS / max(longest, 1e-9))))
    rounds = [{name: timed(fit, steps) for name, fit in fits.items()} for _ in range(_ROUNDS)]
    return {name: statistics.median(each[name] for each in rounds) for name in fits}


@contextlib.contextmanager
def _randomness_kept() -> Iterator[None]:
    """Let everything random go on after the block as if nothing had been drawn in it."""
    python, numpy = random.getstate(), np.random.get_state()
    # Keras makes its own when it first needs it, from Python's.
    generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    drawn = None if generator is None else keras.ops.convert_to_numpy(generator.state).copy()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if generator is not None:
            generator.state.assign(drawn)
        global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, generator)
