"""The optimizer of pre-training."""

import keras

_WEIGHT_DECAY = 0.004
_WARMUP = 0.05


def make_optimizer(learning_rate: float, steps: int) -> keras.optimizers.Optimizer:
    """AdamW with a linear warm-up over a twentieth of the steps and a cosine down to 0.

    Biases and the scales of normalisations don't decay. Call it inside the scope of the strategy.
    """
    warmup = max(1, round(_WARMUP * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / warmup, max(1, steps - warmup), warmup_target=learning_rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=_WEIGHT_DECAY)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
