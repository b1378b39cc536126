import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from astrokeras.tasks.logistic import linear_probe, logistic_regression
from tests.embedding import samples


def softmax(features, kernel, bias):
    logits = features @ kernel + bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_linear_head_is_scikit_learns_logistic_regression(n_classes):
    rng = np.random.default_rng(1)
    # One example of the last class: no cross-validation, so that the penalty is known.
    labels = np.concatenate([np.arange(60) % (n_classes - 1), [n_classes - 1]])
    features = rng.normal(3, [1, 5, 0.2, 1, 0], (61, 5)) + labels[:, None] * [1, 0, 0.2, 0, 0]
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300, tol=1e-3)).fit(features, labels)
    ours = softmax(features, *logistic_regression(features, labels, n_classes, seed=0))
    np.testing.assert_allclose(ours, reference.predict_proba(features), atol=1e-5)


def test_a_class_without_examples_gets_no_probability():
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 2], 20)
    features = rng.normal(size=(40, 3)) + labels[:, None]
    probabilities = softmax(features, *logistic_regression(features, labels, 3, seed=0))
    assert probabilities[:, 1].max() < 1e-6
    assert np.mean(probabilities.argmax(axis=1) == labels) > 0.7


@pytest.mark.parametrize("balanced", [False, True])
def test_shares_are_fitted_by_their_cross_entropy(balanced):
    """Against the minimum of the penalised cross-entropy that is written out here."""
    rng = np.random.default_rng(3)
    labels = np.concatenate([np.arange(50) % 2, [2]])  # one example of a class: the penalty is known
    features = rng.normal(0, 1, (51, 4)) + labels[:, None]
    shares = 0.5 * np.eye(3)[labels] + 0.5 * rng.dirichlet([2, 1, 1], 51)
    standard = StandardScaler().fit_transform(features)
    weights = len(labels) / (3 * shares.sum(axis=0)) if balanced else np.ones(3)

    def loss(values):
        kernel, bias = values[:12].reshape(4, 3), values[12:]
        told = np.log(softmax(standard, kernel, bias))
        return -np.sum(weights * shares * told) + np.sum(kernel**2) / (2 * 0.1)

    found = minimize(loss, np.zeros(15)).x
    kernel, bias = logistic_regression(features, labels, 3, seed=0, balanced=balanced, shares=shares)
    expected = softmax(standard, found[:12].reshape(4, 3), found[12:])
    np.testing.assert_allclose(softmax(features, kernel, bias), expected, atol=5e-3)


def test_the_linear_probe_is_a_logistic_regression_on_what_is_labelled():
    vectors, group = samples.grouped(300, seed=3)
    numbers = np.where(np.arange(300) < 60, group, -1)
    found = linear_probe(vectors, numbers, 4, seed=0)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert (found[:, 3] < 1e-6).all(), "a class without a label"
    reference = LogisticRegression().fit(vectors[:60], group[:60]).predict(vectors)
    assert (found.argmax(axis=1) == reference).mean() > 0.98
