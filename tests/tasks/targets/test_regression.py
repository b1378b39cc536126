import keras
import numpy as np
import pytest
from scipy.special import huber
from scipy.stats import norm
from sklearn.linear_model import RidgeCV

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.tasks.label_columns import Labels
from astrokeras.tasks.number_scores import number_scores
from astrokeras.tasks.targets.regression import LabelStatistics, Regression, RegressionOptions

NAN = np.nan
MEAN, DEVIATION, TYPICAL = np.array([0.5, 10.0]), np.array([0.2, 3.0]), np.array([0.05, 1.0])


def target(errors: bool = False, **options: object) -> Regression:
    names = ("z", "mass")
    measured = LabelStatistics(MEAN, DEVIATION, TYPICAL, np.array([0.3, 0.6]))
    return Regression(names, ("z_err", "mass_err") if errors else (), RegressionOptions(**options), measured)


def draws(count: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.normal(MEAN, DEVIATION, (count, 2)).astype(np.float32)
    errors = rng.uniform(0.5, 2, (count, 2)).astype(np.float32) * TYPICAL.astype(np.float32)
    truth[rng.random((count, 2)) < 0.2], errors[rng.random((count, 2)) < 0.2] = NAN, NAN
    return truth, errors, rng.normal(0, 1, (count, 4)).astype(np.float32)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_against_scipy(loss: str, weighted: bool):
    truth, errors, prediction = draws()
    one = target(weighted, loss=loss, delta=0.7)
    given = {"regression:z,mass": truth, "regression:z_err,mass_err": errors} if weighted else truth
    ours = keras.ops.convert_to_numpy(one.loss(given, prediction[:, :2]))
    residual = prediction[:, :2] - (truth - MEAN) / DEVIATION
    shape = {"squared": 0.5 * residual**2, "absolute": np.abs(residual), "huber": huber(0.7, residual)}[loss]
    if weighted:
        shape = shape * 2 / (1 + (np.where(np.isnan(errors), TYPICAL, errors) / TYPICAL) ** 2)
    np.testing.assert_allclose(ours, np.nansum(shape, axis=1) / 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_likelihood_against_scipy(weighted: bool):
    truth, errors, prediction = draws()
    one = target(weighted, uncertainty=True)
    given = {"regression:z,mass": truth, "regression:z_err,mass_err": errors} if weighted else truth
    ours = keras.ops.convert_to_numpy(one.loss(given, prediction))
    variance = np.exp(2 * prediction[:, 2:])
    if weighted:
        variance = variance + (np.where(np.isnan(errors), TYPICAL, errors) / DEVIATION) ** 2
    wanted = -norm.logpdf((truth - MEAN) / DEVIATION, prediction[:, :2], np.sqrt(variance)) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(ours, np.nansum(wanted, axis=1) / 2, rtol=1e-4, atol=1e-5)


def test_a_wild_uncertainty_stays_finite():
    wild = np.float32([[0, 0, 500, -500]])
    one = target(uncertainty=True)
    assert np.isfinite(keras.ops.convert_to_numpy(one.loss(np.float32([[0.5, 1e6]]), wild))).all()
    described = one.describe(keras.ops.convert_to_numpy(one.activate(keras.ops.convert_to_tensor(wild))))
    assert all(np.isfinite(values).all() for values in described.values())


def test_metrics_are_in_the_unit_of_the_labels():
    truth, _, prediction = draws()
    scores = {metric.name: metric for metric in target().metrics()}
    for metric in scores.values():
        metric.update_state(truth, prediction[:, :2])
    residual = np.abs(prediction[:, :2] * DEVIATION + MEAN - truth)
    assert float(scores["mae_mass"].result()) == pytest.approx(np.nanmean(residual[:, 1]), rel=1e-4)
    assert float(scores["mae"].result()) == pytest.approx(np.nanmean(residual), rel=1e-4)


def test_scores_of_redshifts_by_hand():
    truth, told = np.array([0.0, 1.0, 1.0, 3.0]), np.array([0.1, 1.2, 1.0, 5.0])
    scores = number_scores(truth, told, redshift=True)
    residual = np.array([0.1, 0.1, 0.0, 0.5])
    assert scores["bias"] == pytest.approx(residual.mean())
    assert scores["nmad"] == pytest.approx(1.4826 * np.median(np.abs(residual - 0.1)))
    assert scores["outliers"] == 0.25
    assert scores["mae"] == pytest.approx(2.3 / 4)
    assert scores["r2"] == pytest.approx(1 - 4.05 / 4.75)
    plain = number_scores(truth, told)
    assert plain["bias"] == pytest.approx(0.575) and plain["outliers"] == 0.25


def test_a_right_uncertainty_is_calibrated_and_a_wrong_one_is_not():
    rng = np.random.default_rng(0)
    truth, error = rng.normal(0, 1, 20_000), rng.uniform(0.5, 2, 20_000)
    told = truth + error * rng.normal(size=20_000)
    right, half = number_scores(truth, told, error), number_scores(truth, told, error / 2)
    assert right["coverage"] == pytest.approx(0.683, abs=0.01) and right["calibration"] < 0.01
    assert half["coverage"] == pytest.approx(0.383, abs=0.01) and half["calibration"] > 0.05


def test_only_redshifts_are_scored_as_such():
    measured = LabelStatistics(MEAN[:1], DEVIATION[:1], TYPICAL[:1], np.array([0.5]))
    assert Regression(("z",), (), RegressionOptions(), measured).redshift
    assert not Regression(("z",), (), RegressionOptions(residual="plain"), measured).redshift
    assert not Regression(("mass",), (), RegressionOptions(), measured).redshift
    assert Regression(("mass",), (), RegressionOptions(residual="redshift"), measured).redshift


def test_the_probe_predicts_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, (50, 6))
    truth = (features[:, :2] @ rng.normal(size=(2, 2)) + rng.normal(0, 0.1, (50, 2))).astype(np.float32)
    truth[:5, 0] = NAN
    kernel, bias = target().probe(features, {"regression:z,mass": truth}, 0)
    for i in range(2):
        known = np.isfinite(truth[:, i])
        scaled = (features - features[known].mean(axis=0)) / features[known].std(axis=0)
        reference = RidgeCV(alphas=np.logspace(-1, 5, 13)).fit(scaled[known], truth[known, i])
        told = (features @ kernel + bias)[:, i] * DEVIATION[i] + MEAN[i]
        np.testing.assert_allclose(told, reference.predict(scaled), rtol=1e-3, atol=1e-3)


def test_missing_negative_and_infinite_numbers():
    columns = {
        "z": np.ma.masked_array([-1.0, 2.0, np.inf, 0.0], mask=[0, 1, 0, 0]),
        "mass": np.ma.masked_array(["-9", "", "nan", "1e3"], mask=[0, 0, 0, 0]),
        "z_err": np.ma.masked_array([0.1, -1.0, 0.0, 0.2], mask=[0, 0, 0, 0]),
        "mass_err": np.ma.masked_array([1.0, 1.0, 1.0, 1.0]),
    }
    encoded = target(errors=True).encode(columns)
    np.testing.assert_array_equal(encoded["regression:z,mass"], [[-1, -9], [NAN, NAN], [NAN, NAN], [0, 1000]])
    np.testing.assert_allclose(encoded["regression:z_err,mass_err"][:, 0], [0.1, NAN, NAN, 0.2])
    assert target().strata({"regression:z,mass": encoded["regression:z,mass"]}).tolist() == [0, 3, 3, 0]


def test_what_cannot_be_learned_is_refused():
    columns = {"z": np.ma.masked_array([1.0, 2.0], mask=[1, 1]), "name": np.ma.masked_array(["NGC", "IC"])}
    labels = Labels({"train": columns})
    with pytest.raises(AstrokerasError, match="no labels in the column z"):
        Regression.fit(None, columns, 32, names=labels, labels=("z",))
    with pytest.raises(AstrokerasError, match=r"column name are text \('IC'\), expected numbers"):
        Regression.fit(None, columns, 32, names=labels, labels=("name",))
    with pytest.raises(UsageError, match="loss=huber and uncertainty=true"):
        Regression.fit(None, columns, 32, names=labels, labels=("z",), loss="huber", uncertainty=True)
    with pytest.raises(UsageError, match=r"errors='\{column\}_err'"):
        Regression.columns(labels=("z", "mass"), errors="z_err")


def test_simple_methods():
    truth, _, _ = draws()
    guess = target(uncertainty=True).constant({"regression:z,mass": truth})
    np.testing.assert_allclose(guess[0], [*np.nanmean(truth, axis=0), *np.nanstd(truth, axis=0)], rtol=1e-5)


@pytest.mark.parametrize("uncertainty", [False, True])
def test_a_linear_fit_on_fluxes_finds_what_is_linear_in_them(uncertainty):
    rng = np.random.default_rng(1)
    fluxes, others = rng.normal(size=(200, 5)), rng.normal(size=(9, 5))
    slopes, scatter = rng.normal(size=(5, 2)), np.array([0.3, 0.02])
    truth = (fluxes @ slopes + rng.normal(size=(200, 2)) * scatter + [0.4, 10.0]).astype(np.float32)
    truth[:50, 1] = np.nan
    told = target(uncertainty=uncertainty).photometric(fluxes, {"regression:z,mass": truth}, others)
    np.testing.assert_allclose(told[:, :2], others @ slopes + [0.4, 10.0], atol=0.15)
    if uncertainty:
        np.testing.assert_allclose(told[:, 2:], np.tile(scatter, (9, 1)), rtol=0.2)
    else:
        assert told.shape == (9, 2)
