"""Temperatures of saved models, compared with scaling by hand."""

import keras
import numpy as np
import pytest

from astrokeras.evaluation.calibration import at_temperature, expected_calibration_error, fit_temperature
from astrokeras.evaluation.compare import EvaluationSet
from astrokeras.evaluation.temperature import (
    OUT_OF_FOLD,
    calibrate,
    calibration_names,
    fitted_on_names,
    set_temperatures,
)
from astrokeras.tasks.targets.class_ import Class
from tests.models.test_inflate import computed

N = 400


@pytest.fixture(scope="module")
def fitted():
    """A classifier that is too sure, its answers at a temperature of 1, and the exams."""
    target = Class(("a", "b", "c"))
    rng = np.random.default_rng(0)
    features = {split: rng.normal(size=(N, 3)).astype(np.float32) for split in ("test", "val")}
    exams = []
    for split, values in features.items():
        noisy = (values + rng.normal(0, 1.5, values.shape)).argmax(axis=1)
        labels = np.where(np.arange(N) % 10 == 0, -1, noisy)  # some have none
        exams.append(EvaluationSet(split, np.ones(N, bool), {"class": {"class:label": labels.astype(np.int32)}}))
    embedding = keras.Input((3,))
    head = keras.Model([embedding], target.activate(4.0 * embedding), name="class")
    raw = {split: {"class": computed(head, [values])} for split, values in features.items()}
    after, figures = calibrate({"class": target}, exams, raw, {"class": head})
    return {"class": target}, head, features, exams, raw, after, figures


def reset(head):
    set_temperatures({"class": head}, {})
    return head


def test_the_temperature_is_that_of_the_validation_objects(fitted):
    _, head, _, exams, raw, _, figures = fitted
    known = exams[1].fields["class"]["class:label"] >= 0
    expected = fit_temperature(exams[1].fields["class"]["class:label"][known], raw["val"]["class"][known])
    assert expected > 1.5
    assert figures["temperature"] == expected
    assert float(head.get_layer("temperature").temperature.numpy()) == pytest.approx(expected, rel=1e-6)


def test_the_model_answers_at_it_and_changes_no_class(fitted):
    _, head, features, _, raw, after, _ = fitted
    told = computed(head, [features["test"]])
    np.testing.assert_allclose(after["test"]["class"], told, atol=1e-6)
    np.testing.assert_array_equal(told.argmax(axis=1), raw["test"]["class"].argmax(axis=1))


def test_a_network_that_is_far_too_sure_answers_what_its_table_says(fitted):
    """Probabilities that float32 rounds to nothing are the same to both."""
    targets, head, features, exams, *_ = fitted
    sure = {split: 300.0 * values for split, values in features.items()}
    answers, figures = calibrate(
        targets, exams, {split: {"class": computed(reset(head), [values])} for split, values in sure.items()},
        {"class": head},
    )  # fmt: skip
    assert figures["temperature"] > 10
    np.testing.assert_allclose(answers["test"]["class"], computed(head, [sure["test"]]), atol=1e-6)


def test_errors_before_and_after_are_those_of_the_test_objects(fitted):
    targets, _, _, exams, raw, _, figures = fitted
    codes = exams[0].fields["class"]["class:label"]
    known, before = codes >= 0, raw["test"]["class"]
    error = expected_calibration_error(codes[known], before[known])
    assert figures["test_calibration_error_before"] == error
    after = expected_calibration_error(codes[known], at_temperature(before, figures["temperature"])[known])
    assert figures["test_calibration_error"] == after < error
    assert set(figures) == {*calibration_names(targets)["class"], *fitted_on_names(targets).values()}


def test_without_validation_objects_probabilities_stay_as_they_are(fitted):
    targets, head, features, exams, raw, _, _ = fitted
    after, figures = calibrate(targets, exams[:1], {"test": raw["test"]}, {"class": head})
    assert figures["temperature"] == 1 and figures["temperature_from"] == ""
    np.testing.assert_array_equal(after["test"]["class"], raw["test"]["class"])
    np.testing.assert_allclose(computed(head, [features["test"]]), raw["test"]["class"], atol=1e-6)


def test_labels_that_were_held_out_stand_in_for_validation_objects_alone(fitted):
    """They are looked at where the validation objects have no label, and nowhere else."""
    targets, head, _, exams, raw, _, figures = fitted
    assert figures["temperature_from"] == "val"
    held = EvaluationSet(OUT_OF_FOLD, exams[1].select, exams[1].fields)
    told = {"test": raw["test"], "val": raw["val"], OUT_OF_FOLD: {"class": raw["val"]["class"][::-1]}}
    _, both = calibrate(targets, [*exams, held], told, {"class": head})
    assert both == figures
    blank = EvaluationSet("val", exams[1].select, {"class": {"class:label": np.full(N, -1, np.int32)}})
    after, alone = calibrate(targets, [exams[0], blank, held], told, {"class": head})
    known = held.fields["class"]["class:label"] >= 0
    expected = fit_temperature(held.fields["class"]["class:label"][known], told[OUT_OF_FOLD]["class"][known])
    assert alone["temperature"] == expected and alone["temperature_from"] == OUT_OF_FOLD
    np.testing.assert_array_equal(after[OUT_OF_FOLD]["class"], at_temperature(told[OUT_OF_FOLD]["class"], expected))
