import numpy as np
import pytest
from keras import ops
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.metrics import log_loss

from astrokeras.tasks.pretext.rotation import Rotation, RotationAccuracy


def test_views_are_quarter_turns():
    stamps = np.random.default_rng(0).normal(size=(5, 8, 8, 2)).astype(np.float32)
    stamps[0, 2, 3, 1] = np.nan
    views, _ = Rotation().views(ops.convert_to_tensor(stamps), {}, None)
    for turn, view in enumerate(views):
        np.testing.assert_array_equal(ops.convert_to_numpy(view), np.rot90(stamps, turn, axes=(1, 2)))


def test_loss_against_scikit_learn():
    logits = np.random.default_rng(1).normal(0, 2, (4, 6, 4)).astype(np.float32)
    loss = ops.convert_to_numpy(Rotation().loss(None, [ops.convert_to_tensor(copy) for copy in logits]))
    probabilities = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=-1, keepdims=True)
    for i in range(6):
        expected = log_loss(np.arange(4), probabilities[:, i], labels=range(4))
        assert loss[i] == pytest.approx(expected, rel=1e-4)


def test_consistency_against_scipy():
    logits = np.random.default_rng(2).normal(0, 2, (4, 6, 4)).astype(np.float32)
    # The first stamp is judged the same however it lies, the second as differently as can be, the third not at all.
    logits[:, 0] = [np.roll(logits[0, 0], turn) for turn in range(4)]
    logits[:, 1] = 0.0
    logits[:, 1, 2] = 80.0
    logits[:, 2] = 0.0
    back = np.stack([np.roll(softmax(copy, axis=-1), -turn, axis=-1) for turn, copy in enumerate(logits.astype(float))])
    expected = entropy(back.mean(axis=0), axis=-1) - entropy(back, axis=-1).mean(axis=0)
    assert expected[:3] == pytest.approx([0, np.log(4), 0], abs=1e-6)
    copies = [ops.convert_to_tensor(copy) for copy in logits]
    plain, consistent = (ops.convert_to_numpy(Rotation(weight).loss(None, copies)) for weight in (0.0, 0.5))
    np.testing.assert_allclose(consistent - plain, 0.5 * expected, rtol=1e-3, atol=1e-5)


def test_accuracy_counts_copies_of_weighted_examples():
    right = np.eye(4, dtype=np.float32)[:, None].repeat(3, axis=1)
    right[1, 0] = right[2, 0]
    right[:, 2] = 0.0
    metric = RotationAccuracy()
    metric.update_state(None, [ops.convert_to_tensor(copy) for copy in right], sample_weight=np.float32([1, 1, 0]))
    assert float(metric.result()) == pytest.approx((0.75 + 1.0) / 2)
