import dataclasses
import types

import keras
import numpy as np

from astrokeras.config import FinetuneConfig
from astrokeras.evaluation.schedule import Schedule


def test_a_schedule_gives_few_labels_their_steps():
    schedule = Schedule("full", epochs=5, min_steps=60, batch_size=10, learning_rate=0.01)
    assert schedule.steps_for(30) == schedule.steps_for(4) == 60
    assert schedule.steps_for(1000) == 5 * 100
    assert Schedule("full", epochs=7, min_steps=60, batch_size=10, learning_rate=0.01).steps_for(4) == 7 * 9
    assert Schedule("frozen", 5, 60, 10, 0.01).steps_for(30) == 0


def test_random_weights_are_trained_in_full_where_others_go_in_two_phases():
    config = FinetuneConfig("", "", mode="two-phase", learning_rate=0.01)
    kept, random = Schedule.of(config, random=False), Schedule.of(config, random=True)
    assert (kept.mode, kept.lowest, kept.fixed_statistics, kept.dropout) == ("two-phase", 0.1, True, 0.0)
    assert (random.mode, random.lowest, random.fixed_statistics) == ("full", 1.0, False) and random.dropout > 0
    assert Schedule.of(FinetuneConfig("", "", mode="frozen"), random=True).mode == "frozen"


def test_in_two_phases_rates_fall_geometrically_from_the_head_to_the_first_layer():
    """By hand, of three layers of the encoder below the head: 0.1, 0.1^(2/3), 0.1^(1/3) and 1, times the rate."""
    flux = keras.Input((8, 8, 2))
    first = keras.layers.Conv2D(3, 3, name="first")(flux)
    inside = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Conv2D(2, 3)], name="inside")
    encoder = keras.Model(flux, keras.layers.GlobalAveragePooling2D()(inside(first)), name="encoder")
    head = keras.layers.Dense(2)
    head.build((None, 2))
    model = types.SimpleNamespace(
        encoder=encoder, trainable_variables=[*head.trainable_variables, *encoder.trainable_variables]
    )
    schedule = dataclasses.replace(Schedule("two-phase", 5, 60, 10, 0.02), lowest=0.1)
    rates = schedule.rates(model, 0.01)
    steps = [1.0, 1.0, *[0.1] * 2, *[0.1 ** (2 / 3)] * 2, *[0.1 ** (1 / 3)] * 2]
    np.testing.assert_allclose(rates, 2 * np.array(steps), rtol=1e-5)
    np.testing.assert_allclose(dataclasses.replace(schedule, lowest=1.0).rates(model, 0.02), 1.0, rtol=1e-6)
