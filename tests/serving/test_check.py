"""How far an export may be from the model that it was made from."""

import numpy as np
import pytest

from astrokeras.serving.check import TOLERANCE, _difference, _lowest_temperature
from astrokeras.serving.trained import load_trained


def test_a_low_temperature_allows_for_more_rounding(served):
    trained = load_trained(served / "classes")
    (weight,) = (weight for weight in trained.model.weights if weight.name == "temperature")
    for temperature, expected in ((0.1, 0.1), (3.0, 1.0)):
        weight.assign(temperature)
        assert _lowest_temperature(trained) == pytest.approx(expected)


def test_what_is_farther_off_is_told():
    wanted = np.array([0.0, 1.0])
    assert _difference(wanted + 5e-5, wanted, TOLERANCE / 0.1) is None
    assert _difference(wanted + 5e-5, wanted, TOLERANCE) == "is off by 5e-05, 1e-05 is allowed"
