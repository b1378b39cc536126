import pytest

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
    assert (kept.mode, kept.peak_rate, kept.dropout) == ("two-phase", pytest.approx(0.001), 0.0)
    assert (random.mode, random.peak_rate) == ("full", 0.01) and random.dropout > 0
    assert Schedule.of(FinetuneConfig("", "", mode="frozen"), random=True).mode == "frozen"
