import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.pipeline.partners import Partners

BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


@given(st.lists(st.integers(-3, 6), min_size=1, max_size=60), st.floats(0, BELOW_ONE, width=32))
def test_partners_are_others_of_the_group(codes: list[int], draw: float):
    codes = np.array(codes)
    rows = np.arange(len(codes))
    partners = Partners(codes).partners(rows, np.full(len(codes), draw, np.float32))
    np.testing.assert_array_equal(codes[partners], codes)
    alone = np.bincount(codes + 3)[codes + 3] == 1
    np.testing.assert_array_equal(partners == rows, alone)


def test_each_other_is_as_likely():
    codes = np.array([7, 1, 7, 7, 2, 7])
    draws = (np.arange(9000) + 0.5) / 9000
    partners = Partners(codes).partners(np.full(9000, 2), draws)
    assert np.unique(partners, return_counts=True)[0].tolist() == [0, 3, 5]
    assert np.unique(partners, return_counts=True)[1].tolist() == [3000] * 3
