import numpy as np
import pytest
import scipy.stats
from keras import ops

from astrokeras.pipeline.augmentations.deviates import deviate, normal, pcg3d


def keys(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 2), np.float32)


def test_the_hash_is_that_of_the_paper():
    """Against the same arithmetic in Python's integers."""
    expected = []
    for start in ((0, 0, 0), (1, 2, 3), (2**24 - 1, 5, 4_000_000_000)):
        x, y, z = ((word * 1664525 + 1013904223) % 2**32 for word in start)
        for shift in (16, 0):
            x = (x + y * z) % 2**32
            y = (y + z * x) % 2**32
            z = (z + x * y) % 2**32
            if shift:
                x, y, z = (word ^ (word >> shift) for word in (x, y, z))
        expected.append([x, y, z])
    words = np.array([(0, 0, 0), (1, 2, 3), (2**24 - 1, 5, 4_000_000_000)], np.uint32).T
    np.testing.assert_array_equal(np.stack([ops.convert_to_numpy(w) for w in pcg3d(*words)], axis=1), expected)


def test_deviates_are_normal():
    drawn = ops.convert_to_numpy(normal(keys(200), 5001)).ravel().astype(np.float64)
    assert scipy.stats.kstest(drawn, "norm").pvalue > 1e-3
    assert abs(scipy.stats.skew(drawn)) < 4 * np.sqrt(6 / drawn.size)
    assert abs(scipy.stats.kurtosis(drawn)) < 4 * np.sqrt(24 / drawn.size)
    assert 4.5 < abs(drawn).max() < 5.3


def test_deviates_are_the_quantiles_of_their_bits():
    """Up to the ends: against scipy, in the middle of the first, second, … and last of 2**23 steps."""
    words = np.array([0, 1, 2**22 - 1, 2**22, 5_000_000, 2**23 - 2, 2**23 - 1], np.uint32)
    expected = scipy.stats.norm.ppf((words + 0.5) / 2**23)
    np.testing.assert_allclose(deviate(words * np.uint32(2**9)), expected, rtol=3e-6)
    assert expected[-1] == pytest.approx(5.29, abs=0.01)


def test_pixels_and_examples_are_independent_however_near_their_keys():
    step = 2.0**-24
    near = np.array([[0.5, 0.25], [0.5 + step, 0.25], [0.5, 0.25 + step], [0.25, 0.5], [0.0, 0.0], [step, step]])
    drawn = ops.convert_to_numpy(normal(near.astype(np.float32), 20_000)).astype(np.float64)
    correlation = np.corrcoef(drawn) - np.eye(len(near))
    assert abs(correlation).max() < 4.5 / np.sqrt(20_000)
    # White: no wave in the order of the pixels has more power than chance gives the strongest of them.
    for row in drawn:
        power = abs(np.fft.rfft(row - row.mean())[1:-1]) ** 2 / row.size
        assert scipy.stats.kstest(power, "expon").pvalue > 1e-4
        assert power.max() < np.log(len(power)) + 10


def test_squares_are_independent_too():
    """The two halves come from two words of one hash: they must not share their size."""
    drawn = ops.convert_to_numpy(normal(keys(50), 4000)).astype(np.float64)
    first, second = drawn[:, :2000].ravel() ** 2, drawn[:, 2000:].ravel() ** 2
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(first.size)
    assert abs(np.corrcoef(drawn[:, :-1].ravel() ** 2, drawn[:, 1:].ravel() ** 2)[0, 1]) < 4 / np.sqrt(drawn.size)


def test_the_same_keys_give_the_same_and_a_longer_row_an_odd_count():
    np.testing.assert_array_equal(normal(keys(3), 7), normal(keys(3), 7))
    assert normal(keys(3), 7).shape == (3, 7)
    assert len(np.unique(ops.convert_to_numpy(normal(keys(100), 1)))) > 95
