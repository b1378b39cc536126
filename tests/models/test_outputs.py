import keras
import numpy as np

from astrokeras.models.outputs import most_probable


def test_the_most_probable_is_the_first_of_the_largest():
    values = np.random.default_rng(0).dirichlet([1] * 5, 50).astype(np.float32)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(most_probable(values)), values.argmax(axis=1))
    odd = np.array([[0.2, 0.4, 0.4], [-0.0, 0.0, 0.0], [0.1, np.nan, np.nan]], np.float32)
    first, second, third = keras.ops.convert_to_numpy(most_probable(odd)).tolist()
    assert (first, second) == (1, 0) and third in range(3)  # of NaN any, but one that there is
    assert keras.ops.convert_to_numpy(most_probable(odd[:0])).shape == (0,)
