"""The optimizer of every training, and its learning rate."""

import math
from typing import Any

import keras
from keras import KerasTensor, ops

from astrokeras.config import TrainingOptions
from astrokeras.errors import UsageError
from astrokeras.registration import unknown
from astrokeras.training.optimizers.lamb import Lamb
from astrokeras.training.optimizers.layered import layered

_MOMENTUM = 0.9
_KINDS = {"adamw": keras.optimizers.AdamW, "lamb": Lamb, "sgd": keras.optimizers.SGD}
_LOWEST = {"cosine": 0.0, "constant": 1.0}  # what is left of the rate in the end


def warm_up_steps(warm_up: float, steps: int) -> int:
    """Return how many of a run's steps the learning rate takes to rise.

    A share of them below 1, otherwise their number.

    Raises:
        UsageError: neither, or more than there are.
    """
    if warm_up >= 1 and warm_up != int(warm_up):
        raise UsageError(f"--warm-up {warm_up:g}: expected a share of the steps below 1, or a whole number of steps")
    if warm_up > steps:
        raise UsageError(f"--warm-up {warm_up:g}: the whole run has {steps} steps; give fewer, or a share below 1")
    if warm_up == 0:
        return 0
    return max(1, round(warm_up * steps)) if warm_up < 1 else int(warm_up)


class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate by step: a straight rise, then half a cosine down to 0 at the last step, or a constant.

    How many steps there are is told by `begin`, as often as a training begins anew: the optimizer holds it among its
    variables, so that what was compiled for one training serves for a shorter one.

    Args:
        config: the options: the peak, the share of the rise, and what follows it.

    Raises:
        UsageError: there is no such schedule.
    """

    def __init__(self, config: TrainingOptions) -> None:
        if config.schedule not in _LOWEST:
            raise unknown("schedule", config.schedule, _LOWEST)
        self.peak, self.warm_up, self.lowest = config.learning_rate, config.warm_up, _LOWEST[config.schedule]
        self.rise: keras.Variable | None = None
        self.fall: keras.Variable | None = None

    def join(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Make the variables, those of an optimizer."""
        self.rise, self.fall = (
            optimizer.add_variable(shape=(), initializer="ones", dtype="float32", name=name)
            for name in ("rise", "fall")
        )

    def begin(self, steps: int) -> None:
        """Set the number of steps; inside the scope of the strategy.

        Raises:
            UsageError: the rise does not fit into them.
        """
        rise = warm_up_steps(self.warm_up, steps)
        self.rise.assign(float(rise))
        self.fall.assign(float(max(1, steps - rise)))

    def __call__(self, step: KerasTensor | int) -> KerasTensor:
        """Return the rate of a step, counted from 0."""
        step, rise = ops.cast(step, "float32"), ops.convert_to_tensor(self.rise)
        first = self.peak / ops.maximum(rise, 1.0)
        rising = first + (self.peak - first) * step / ops.maximum(rise, 1.0)
        done = ops.clip((step - rise) / self.fall, 0.0, 1.0)
        cosine = 0.5 * (1.0 + ops.cos(math.pi * done))
        return ops.where(step < rise, rising, self.peak * (self.lowest + (1.0 - self.lowest) * cosine))

    def get_config(self) -> dict[str, Any]:
        """Nothing to make it from again: it belongs to an optimizer in memory."""
        raise NotImplementedError("a Rate belongs to an optimizer in memory and is not saved with it")


def check_optimizer(config: TrainingOptions, steps: int) -> None:
    """Make sure that the options of the optimizer can be meant, before any work is done.

    Raises:
        UsageError: an unknown name, a warm-up that does not fit into the steps, gradients clipped to nothing, or an
            average that keeps none or all of itself.
    """
    if config.optimizer not in _KINDS:
        raise unknown("optimizer", config.optimizer, _KINDS)
    if config.schedule not in _LOWEST:
        raise unknown("schedule", config.schedule, _LOWEST)
    warm_up_steps(config.warm_up, steps)
    if config.clip_norm is not None and config.clip_norm <= 0:
        raise UsageError(f"--clip-norm {config.clip_norm:g}: expected a length above 0; leave it out to clip nothing")
    if config.average is not None and not 0 < config.average < 1:
        raise UsageError(f"--average {config.average:g}: expected a decay between 0 and 1, as 0.999")


def make_optimizer(
    config: TrainingOptions, rate: Rate, *, replicas: int = 1, by_layer: bool = False
) -> keras.optimizers.Optimizer:
    """Return the optimizer that the options describe.

    AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), `Lamb`, or gradient descent with Nesterov's momentum of 0.9.
    Biases and the scales of normalisations don't decay. Gradients are clipped by the length of all of them together.
    Call it inside the scope of the strategy.

    Args:
        config: the options.
        rate: gets its variables here, and its steps by `Rate.begin`.
        replicas: devices that share a batch.
        by_layer: whether rates and decay can be set by variable, see `layered`.
    """
    kind = layered(_KINDS[config.optimizer]) if by_layer else _KINDS[config.optimizer]
    if config.clip_norm is not None and replicas > 1:
        # TensorFlow is not there with every backend.
        from astrokeras.training.distribution.replicated import sums_before_clipping  # noqa: PLC0415

        kind = sums_before_clipping(kind)
    momentum = {"momentum": _MOMENTUM, "nesterov": True} if config.optimizer == "sgd" else {}
    optimizer = kind(
        rate,
        weight_decay=config.weight_decay,
        global_clipnorm=config.clip_norm,
        **momentum,
    )
    rate.join(optimizer)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def with_loss_scale(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return the optimizer behind a loss that is scaled up by as much as its float16 gradients allow.

    Source: Micikevicius et al. 2018, arXiv 1710.03740.
    """
    if keras.backend.backend() == "tensorflow":
        from astrokeras.training.distribution.replicated import LossScale  # noqa: PLC0415 - see `make_optimizer`

        return LossScale(optimizer)
    return keras.optimizers.LossScaleOptimizer(optimizer)
