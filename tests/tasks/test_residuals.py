import numpy as np
import pytest
from astropy.stats import mad_std
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import median_abs_deviation

from astrokeras.tasks.residuals import bias, by_magnitude, nmad, residual_scores

BANDS = ("g", "r", "i")


def test_errors_skip_what_is_missing():
    truth = np.array([[20.0, np.nan, 18.0], [22.0, 19.0, 18.0], [21.0, 18.0, 18.0]])
    prediction = np.array([[21.0, 19.0, 0.0], [22.0, 19.5, 0.0], [20.0, 18.0, 0.0]])
    scores = residual_scores(truth, prediction, BANDS, np.array([True, True, False]))
    assert scores == pytest.approx(
        {
            **{"mae": 2.5 / 5, "mae_g": 2 / 3, "mae_r": 0.25},
            **{"bias": 0.5 / 5, "bias_g": 0.0, "bias_r": 0.25},
            # Residuals 1, 0, -1 and 0.5, 0: by hand, medians of 0, 1, 1 and of 0.25, 0.25; together of 1, 0, 0, 0.5, 1.
            **{"nmad": 1.4826 * 0.5, "nmad_g": 1.4826, "nmad_r": 1.4826 * 0.25},
        }
    )
    nothing = residual_scores(truth * np.nan, prediction, BANDS, np.ones(3, bool))
    assert np.isnan(list(nothing.values())).all()


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-5, 5)))
def test_the_scatter_is_that_of_others(residuals: np.ndarray):
    assert nmad(residuals) == pytest.approx(mad_std(residuals), rel=1e-4, abs=1e-12)
    assert nmad(residuals) == pytest.approx(median_abs_deviation(residuals, scale="normal"), rel=1e-4, abs=1e-12)
    assert nmad(residuals + 3) == pytest.approx(nmad(residuals), abs=1e-9)
    assert bias(residuals + 3) == pytest.approx(bias(residuals) + 3)


def test_the_scatter_of_a_normal_distribution_is_its_sigma_whatever_lies_far_off():
    residuals = np.random.default_rng(0).normal(0.2, 0.05, 20_000)
    residuals[:400] = 9.0
    assert nmad(residuals) == pytest.approx(0.05, rel=0.05)


def test_by_magnitude_each_bin_has_its_own_objects():
    truth = np.array([19.0, 19.2, 19.5, 19.7, 19.999, 20.0, 20.5, 20.6, 20.7, 20.8, 21.5, np.nan, -0.5])[:, None]
    prediction = truth + np.array([0.1] * 5 + [-0.2, -0.2, -0.2, -0.3, -0.1] + [5.0, 1.0, 1.0])[:, None]
    curves = by_magnitude(truth, prediction, ("g",), np.array([True]))
    assert curves.keys() == {"mae_g", "bias_g", "nmad_g"}
    assert curves["bias_g"] == pytest.approx({19: 0.1, 20: -0.2})  # one object at 21 says nothing
    assert curves["mae_g"] == pytest.approx({19: 0.1, 20: 0.2})
    assert curves["nmad_g"] == pytest.approx({19: 0.0, 20: 0.0}, abs=1e-9)
    assert by_magnitude(truth, prediction, ("g",), np.array([False])) == {}
