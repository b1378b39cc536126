import numpy as np
import pytest
import tensorflow as tf

from astrokeras.errors import UsageError
from astrokeras.pipeline.augment import augmentation, dihedral


def stamps(count: int = 200) -> np.ndarray:
    flux = np.arange(count * 4 * 4 * 2, dtype=np.float32).reshape(count, 4, 4, 2)
    flux[0, 0, 1, 0] = np.nan
    return flux


def group(image: np.ndarray) -> list[np.ndarray]:
    turned = [np.rot90(image, k) for k in range(4)]
    return turned + [np.flipud(t) for t in turned]


def test_every_stamp_becomes_one_of_the_eight_and_each_occurs():
    flux = stamps()
    moved = dihedral(tf.constant(flux), tf.constant([1, 2])).numpy()
    which = [[np.array_equal(m, g, equal_nan=True) for g in group(f)] for f, m in zip(flux, moved, strict=True)]
    assert all(sum(row) == 1 for row in which)
    # 200 draws of 8: below 8 of one kind has a probability of about 1e-5.
    assert min(np.sum(which, axis=0)) >= 8


def test_pixels_are_kept_to_the_bit_in_every_band():
    flux = stamps()
    moved = dihedral(tf.constant(flux), tf.constant([5, 0])).numpy()
    shape = (len(flux), -1, 2)
    np.testing.assert_array_equal(np.sort(moved.reshape(shape), axis=1), np.sort(flux.reshape(shape), axis=1))


def test_eager_and_tf_data_agree():
    flux = tf.constant(stamps(32))
    seed = tf.constant([3, 9], tf.int64)
    inside = tf.data.Dataset.from_tensors(flux).map(lambda x: dihedral(x, seed)).get_single_element()
    np.testing.assert_array_equal(dihedral(flux, seed), inside)


def test_another_seed_gives_other_turns():
    flux = tf.constant(stamps(32))
    assert not np.array_equal(dihedral(flux, tf.constant([3, 9])), dihedral(flux, tf.constant([3, 10])), equal_nan=True)


def test_names():
    assert augmentation("none") is None
    assert augmentation("default") is augmentation("dihedral") is dihedral
    with pytest.raises(UsageError, match="augmentation 'dihedrals' is unknown; did you mean dihedral"):
        augmentation("dihedrals")
