"""Against the plain optimizer of each kind, whose rate and decay are those that are set."""

import keras
import numpy as np
import pytest

from astrokeras.config import PretrainConfig
from astrokeras.training.optimizers.optimizer import Rate, make_optimizer

GENERATOR = np.random.default_rng(5)
START = GENERATOR.normal(size=(3, 4)).astype(np.float32)
GRADIENTS = GENERATOR.normal(size=(5, 3, 4)).astype(np.float32)


def path(optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> list[np.ndarray]:
    """The variables after some steps, with the same gradients for each."""
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)] * len(variables), variables)
    return [variable.numpy() for variable in variables]


def made(kind: str, rate: float, decay: float, *, by_layer: bool) -> keras.optimizers.Optimizer:
    config = PretrainConfig("", "", optimizer=kind, learning_rate=rate, weight_decay=decay, warm_up=0.2)
    schedule = Rate(config)
    optimizer = make_optimizer(config, schedule, by_layer=by_layer)
    schedule.begin(10)
    return optimizer


@pytest.mark.parametrize("kind", ["adamw", "lamb", "sgd"])
def test_each_variable_goes_as_one_alone_would_with_its_rate(kind: str):
    rates, decay = [1.0, 0.25, 0.0, 2.0], 0.3
    names = ["kernel", "kernel", "kernel", "bias"]
    together = made(kind, 0.01, 0.1, by_layer=True)
    variables = [keras.Variable(START, name=name) for name in names]
    together.build(variables)
    together.set_rates(np.float32(rates), decay)
    found = path(together, variables)
    for rate, name, got in zip(rates, names, found, strict=True):
        alone = made(kind, 0.01 * rate, decay, by_layer=False)
        (expected,) = path(alone, [keras.Variable(START, name=name)])
        # Whether the decay comes before or with the step, is a difference of the second order in rounding alone.
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-6)
    np.testing.assert_array_equal(found[2], START)


def test_as_it_is_made_it_is_the_plain_one():
    one, other = (made("adamw", 0.01, 0.1, by_layer=by_layer) for by_layer in (True, False))
    (got,), (expected,) = (path(optimizer, [keras.Variable(START, name="kernel")]) for optimizer in (one, other))
    np.testing.assert_allclose(got, expected, rtol=2e-5)
    assert np.abs(got - START).max() > 0.01
