"""An optimizer for a training of so many steps."""

import keras

from astrokeras.config import TrainingOptions
from astrokeras.training.optimizers.optimizer import Rate, check_optimizer, make_optimizer


def optimizer_for(config: TrainingOptions, steps: int, *, replicas: int = 1) -> keras.optimizers.Optimizer:
    """As `training.build` makes it."""
    check_optimizer(config, steps)
    rate = Rate(config)
    optimizer = make_optimizer(config, rate, replicas=replicas)
    rate.begin(steps)
    return optimizer
