"""Contrastive losses and their scores, against loops and NumPy; the same on several replicas."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from astrokeras.records.directory import RecordsDirectory
from astrokeras.tasks.pairs import Retrieval, Spread, TwoViews
from astrokeras.tasks.pretext.contrastive import Contrastive
from astrokeras.tasks.pretext.vicreg import VICReg
from astrokeras.training.distribution.strategy_replicas import replicas_of

RECORDS = RecordsDirectory(Path("blobs"), {"bands": ["g", "r"], "sky": [5.0, 9.0], "noise": [1.0, 2.0], "unit": "nJy"})
N, WIDTH = 12, 6


@pytest.fixture
def projections() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(N, WIDTH))
    return [first.astype(np.float32), (first + rng.normal(0, 0.7, (N, WIDTH))).astype(np.float32)]


def tensors(arrays: list[np.ndarray]) -> list:
    return [ops.convert_to_tensor(array) for array in arrays]


def nt_xent(first: np.ndarray, second: np.ndarray, temperature: float) -> np.ndarray:
    """Equation 1 of Chen et al. 2020, for each of the 2 N views in turn; the mean of both views of a stamp."""
    views = np.concatenate([first, second]).astype(float)
    views /= np.linalg.norm(views, axis=1, keepdims=True)
    losses = np.empty(len(views))
    for i, view in enumerate(views):
        partner = (i + len(first)) % len(views)
        terms = np.exp(views @ view / temperature)
        losses[i] = -np.log(terms[partner] / np.delete(terms, i).sum())
    return (losses[: len(first)] + losses[len(first) :]) / 2


def vicreg(first: np.ndarray, second: np.ndarray) -> float:
    """Algorithm 1 of Bardes et al. 2022."""
    loss = 25 * np.mean((first - second) ** 2)
    for view in (first.astype(float), second.astype(float)):
        loss += 25 * np.mean(np.maximum(0, 1 - np.sqrt(view.var(axis=0, ddof=1) + 1e-4)))
        covariance = np.cov(view.T)
        loss += np.sum((covariance - np.diag(np.diag(covariance))) ** 2) / view.shape[1]
    return loss


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_against_a_loop(projections: list[np.ndarray], temperature: float):
    task = Contrastive(TwoViews(RECORDS), temperature)
    loss = task.loss(ops.ones(N), tensors(projections))
    np.testing.assert_allclose(loss, nt_xent(*projections, temperature), rtol=1e-4)


def test_vicreg_against_numpy(projections: list[np.ndarray]):
    loss = VICReg(TwoViews(RECORDS)).loss(ops.ones(N), tensors(projections))
    assert float(np.mean(loss)) == pytest.approx(vicreg(*projections), rel=1e-4)


@pytest.mark.parametrize("kind", [Contrastive, VICReg])
def test_gathered_losses_and_gradients_are_those_of_one_device(kind: type, projections: list[np.ndarray]):
    task = kind.fit(RECORDS, {}, 16)
    together = [tf.constant(view) for view in projections]
    with tf.GradientTape() as tape:
        tape.watch(together)
        loss = tf.reduce_mean(task.loss(tf.ones(N), together))
    expected = tape.gradient(loss, together)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
    task.replicas = replicas_of(strategy)
    half = N // 2

    @tf.function
    def on_replica(first: tf.Tensor, second: tf.Tensor) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch([first, second])
            loss = tf.reduce_mean(task.loss(tf.ones(half), [first, second])) / strategy.num_replicas_in_sync
        return loss, tape.gradient(loss, [first, second])

    def share(view: np.ndarray) -> tf.distribute.DistributedValues:
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(view[half * context.replica_id_in_sync_group :][:half])
        )

    losses, gradients = strategy.run(on_replica, args=[share(view) for view in projections])
    parts = strategy.experimental_local_results(losses)
    assert sum(float(part) for part in parts) == pytest.approx(float(loss), rel=1e-5)
    for ours, theirs in zip(gradients, expected, strict=True):
        whole = np.concatenate(strategy.experimental_local_results(ours))
        np.testing.assert_allclose(whole, theirs, rtol=1e-4, atol=1e-6)


def test_retrieval_and_spread(projections: list[np.ndarray]):
    first, second = projections
    weight = (np.arange(N) < 10).astype(np.float32)
    first[11] = second[11] = second[0]  # padding must not be found
    task = Contrastive(TwoViews(RECORDS), 0.1)
    retrieval, spread = Retrieval(task.replicas), Spread(WIDTH)
    for metric in (retrieval, spread):
        metric.update_state(ops.convert_to_tensor(weight), tensors(projections), sample_weight=weight)
    ones = [view[:10] / np.linalg.norm(view[:10], axis=1, keepdims=True) for view in projections]
    assert float(retrieval.result()) == pytest.approx(np.mean((ones[0] @ ones[1].T).argmax(axis=1) == np.arange(10)))
    assert float(spread.result()) == pytest.approx(np.sqrt(ones[0].var(axis=0).sum()), rel=1e-4)


def test_a_collapsed_network_is_seen():
    same = tensors([np.ones((N, WIDTH), np.float32)] * 2)
    retrieval, spread = Retrieval(Contrastive.replicas), Spread(WIDTH)
    for metric in (retrieval, spread):
        metric.update_state(ops.ones(N), same)
    assert float(retrieval.result()) == 0.0
    assert float(spread.result()) == pytest.approx(0.0, abs=1e-3)


def test_views_keep_the_sky_and_stay_within_the_stamp():
    views = TwoViews(RECORDS)
    draws = np.random.default_rng(3).random((40, views.n_draws)).astype(np.float32)
    sky = np.broadcast_to(np.float32([5.0, 9.0]), (40, 16, 16, 2))
    for view in views(ops.convert_to_tensor(sky), ops.convert_to_tensor(draws)):
        values = ops.convert_to_numpy(view)
        assert np.isfinite(values).all()
        # Nothing but the noise, of up to that of the sky, is added to it: half its deviation squared is 1/3 on average.
        assert values.mean(axis=(0, 1, 2)) == pytest.approx([5.0, 9.0], abs=0.05)
        assert values.std(axis=(0, 1, 2)) == pytest.approx(np.sqrt(1 / 3) * np.array([1.0, 2.0]), rel=0.2)


def test_what_may_be_said_of_the_views():
    stamps = np.random.default_rng(4).normal(50.0, 5.0, (8, 16, 16, 2)).astype(np.float32)
    plain = TwoViews(RECORDS, window=0.9, brightness=0.0, colour=0.0)
    turned = TwoViews(RECORDS, window=0.9, brightness=0.0, colour=0.0, turn="any")
    assert turned.n_draws == plain.n_draws + 2
    draws = np.zeros((8, plain.n_draws), np.float32)
    draws[:, 1:3] = 0.5  # the middle of the stamp
    first = ops.convert_to_numpy(plain.view(stamps, draws[:, : plain.n_draws // 2]))
    brighter = ops.convert_to_numpy(
        TwoViews(RECORDS, window=0.9, brightness=1.0, colour=0.0).view(stamps, draws[:, : plain.n_draws // 2])
    )
    # The smallest draw is a magnitude brighter: the flux above the sky, not the sky, is multiplied.
    sky = np.float32([5.0, 9.0])
    np.testing.assert_allclose(brighter - sky, (first - sky) * 10**0.4, rtol=1e-4)
    # No turn at the middle of the angles: the same pixels but for the interpolation.
    halfway = np.concatenate([np.full((8, 1), 0.5, np.float32), draws[:, : plain.n_draws // 2]], axis=1)
    np.testing.assert_allclose(ops.convert_to_numpy(turned.view(stamps, halfway)), first, rtol=1e-3)
    other = np.concatenate([np.full((8, 1), 0.7, np.float32), draws[:, : plain.n_draws // 2]], axis=1)
    assert np.nanmax(np.abs(ops.convert_to_numpy(turned.view(stamps, other)) - first)) > 1.0
