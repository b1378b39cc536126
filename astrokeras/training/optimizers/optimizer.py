"""The optimizer of pre-training."""

import keras

from astrokeras.config import PretrainConfig
from astrokeras.errors import UsageError
from astrokeras.registration import unknown
from astrokeras.training.optimizers.lamb import Lamb

_MOMENTUM = 0.9
_KINDS = {"adamw": keras.optimizers.AdamW, "lamb": Lamb, "sgd": keras.optimizers.SGD}
_LOWEST = {"cosine": 0.0, "constant": 1.0}  # what is left of the rate in the end


def warm_up_steps(warm_up: float, steps: int) -> int:
    """How many of a run's steps the learning rate takes to rise: a share of them below 1, otherwise their number.

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


def rate_schedule(
    learning_rate: float, steps: int, warm_up: float = 0.05, schedule: str = "cosine"
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate by step: a straight rise, then half a cosine down to 0 at the last step, or a constant.

    Raises:
        UsageError: the warm-up does not fit into the steps.
    """
    rise, lowest = warm_up_steps(warm_up, steps), _LOWEST[schedule]
    left = max(1, steps - rise)
    if rise == 0:
        return keras.optimizers.schedules.CosineDecay(learning_rate, left, alpha=lowest)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / rise, left, alpha=lowest, warmup_target=learning_rate, warmup_steps=rise
    )


def check_options(config: PretrainConfig, steps: int) -> None:
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


def make_optimizer(config: PretrainConfig, steps: int, *, replicas: int = 1) -> keras.optimizers.Optimizer:
    """Return the optimizer that the options describe.

    AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), `Lamb`, or gradient descent with Nesterov's momentum of 0.9.
    Biases and the scales of normalisations don't decay. Gradients are clipped by the length of all of them together.
    Call it inside the scope of the strategy.

    Args:
        config: the options.
        steps: of the whole run.
        replicas: devices that share a batch.

    Raises:
        UsageError: see `check_options`.
    """
    check_options(config, steps)
    kind = _KINDS[config.optimizer]
    if config.clip_norm is not None and replicas > 1:
        # TensorFlow is not there with every backend.
        from astrokeras.training.distribution.replicated import sums_before_clipping  # noqa: PLC0415

        kind = sums_before_clipping(kind)
    momentum = {"momentum": _MOMENTUM, "nesterov": True} if config.optimizer == "sgd" else {}
    optimizer = kind(
        rate_schedule(config.learning_rate, steps, config.warm_up, config.schedule),
        weight_decay=config.weight_decay,
        global_clipnorm=config.clip_norm,
        **momentum,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def scaled(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer behind a loss that is scaled up, so that float16 can hold its gradients, by as much as they allow.

    Source: Micikevicius et al. 2018, arXiv 1710.03740.
    """
    if keras.backend.backend() == "tensorflow":
        from astrokeras.training.distribution.replicated import LossScale  # noqa: PLC0415 - see `make_optimizer`

        return LossScale(optimizer)
    return keras.optimizers.LossScaleOptimizer(optimizer)
