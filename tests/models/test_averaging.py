import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.models.averaging import WeightAverage, averaged_variables
from astrokeras.models.normalization import batch_normalization

DECAY = 0.3
X = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)


class Averaged(keras.Model):
    """What `TaskModel` does with an average."""

    def __init__(self) -> None:
        super().__init__()
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Dense(5, use_bias=False), batch_normalization(), keras.layers.Dense(1)]
        self.network = keras.Sequential([keras.Input((4,)), *layers])
        self.average = WeightAverage(averaged_variables(self.network), DECAY)
        self.built = True
        self.compile("sgd", "mse", jit_compile=False)

    def call(self, x, training=False):
        if training:
            self.average.step()
        return self.network(x, training=training)

    def values(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in averaged_variables(self.network)]


def fit(model: keras.Model, rows: slice = slice(None)) -> None:
    model.fit(X[rows], X[rows].sum(axis=1), batch_size=8, shuffle=False, verbose=0)


@pytest.fixture(scope="module")
def trained() -> tuple[Averaged, list[list[np.ndarray]]]:
    """A model after eight steps, and what its variables were before and after each."""
    model = Averaged()
    path = [model.values()]
    for start in range(0, 64, 8):
        fit(model, slice(start, start + 8))
        path.append(model.values())
    return model, path


def test_it_is_the_average_of_weights_and_statistics(trained: tuple[Averaged, list[list[np.ndarray]]]):
    model, path = trained
    expected = path[0]
    for step, values in enumerate(path[1:], start=1):
        kept = min(DECAY, (1 + step) / (10 + step))
        expected = [kept * average + (1 - kept) * value for average, value in zip(expected, values, strict=True)]
    assert len(expected) == 7  # two kernels, a bias, scale and offset, moving mean and variance
    for ours, theirs, last in zip(model.average.current(), expected, path[-1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        assert not np.allclose(ours, last, rtol=1e-5, atol=1e-6)


def test_it_is_in_use_for_a_time(trained: tuple[Averaged, list[list[np.ndarray]]]):
    model, path = trained
    average = model.average.current()
    with pytest.raises(RuntimeError), model.average.in_use():
        for ours, theirs in zip(model.values(), average, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        raise RuntimeError
    for ours, theirs in zip(model.values(), path[-1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_two_replicas_have_the_same(trained: tuple[Averaged, list[list[np.ndarray]]]):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()).scope():
        model = Averaged()
    fit(model)
    for ours, theirs in zip(model.average.current(), trained[0].average.current(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
