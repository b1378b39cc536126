import keras
import numpy as np
import pytest
import tensorflow as tf

from astrokeras.evaluation.classify import ClassifierTrainer, Schedule, predict
from astrokeras.models.encoder import build_encoder
from astrokeras.pipeline.dataset import load_arrays, read_columns
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 90, "test": 45})


def make_trainer(records, mode, **changes):
    options = {"epochs": 2, "min_steps": 4, "batch_size": 16, "learning_rate": 1e-2} | changes

    def build(seed):
        keras.utils.set_random_seed(seed)
        return build_encoder(records, backbone="compact")

    return ClassifierTrainer(build, 2, tf.distribute.get_strategy(), Schedule(mode, **options), seed=0)


def test_a_schedule_gives_few_labels_their_steps():
    schedule = Schedule("full", epochs=5, min_steps=60, batch_size=10, learning_rate=0.01)
    assert schedule.epochs_for(30) * 3 == 60
    assert schedule.epochs_for(4) == 60  # one step an epoch
    assert schedule.epochs_for(1000) == 5
    assert Schedule("two-phase", 5, 60, 10, 0.01).peak_rate == pytest.approx(0.001)


def test_every_start_is_the_same_start(records):
    trainer = make_trainer(records, "full")
    labels = read_columns(records, "train")["label"]
    trainer.start(7)
    first = trainer.model.get_weights()
    trainer.fit_all(records, labels >= 0, None, seed=7)
    trained = trainer.model.get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(first, trained, strict=True))
    trainer.start(7)
    assert all(np.array_equal(a, b) for a, b in zip(first, trainer.model.get_weights(), strict=True))
    assert int(trainer.model.optimizer.iterations) == 0
    trainer.fit_all(records, labels >= 0, None, seed=7)
    for a, b in zip(trained, trainer.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_training_learns_what_the_colour_gives_away(records):
    trainer = make_trainer(records, "full", min_steps=40)
    train, test = read_columns(records, "train")["label"], read_columns(records, "test")["label"]
    trainer.start(0)
    history = trainer.fit_all(records, train >= 0, None, seed=0)
    assert history["loss"][-1] < history["loss"][0]
    known = test >= 0
    predicted = predict(trainer.model, records, "test", 16, known).argmax(axis=1)
    assert np.mean(predicted == test[known]) > 0.75


def test_fitting_the_head_leaves_the_encoder_alone_and_head_output_is_the_models(records):
    trainer = make_trainer(records, "frozen")
    trainer.start(3)
    before = trainer.encoder.get_weights()
    labels = read_columns(records, "train")["label"]
    known = labels >= 0
    features = predict(trainer.encoder, records, "train", 16, known)
    trainer.fit_head(features, labels[known], seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(before, trainer.encoder.get_weights(), strict=True))
    whole = predict(trainer.model, records, "train", 16, known)
    np.testing.assert_allclose(trainer.head_output(features), whole, atol=1e-5)


def test_predict_keeps_the_order_and_the_number_of_records(records):
    trainer = make_trainer(records, "frozen")
    select = np.zeros(90, bool)
    select[[3, 50, 51, 80, 89]] = True
    flux = load_arrays(records, "train", select=select)[0]
    direct = keras.ops.convert_to_numpy(trainer.model(flux, training=False))
    np.testing.assert_allclose(predict(trainer.model, records, "train", 2, select), direct, atol=1e-5)
