import keras
import numpy as np
import pytest

from astrokeras.pipeline.augment import SurveyInfo, augmentation
from astrokeras.pipeline.sometimes import Sometimes

INFO = SurveyInfo(("g", "r"), (0.0, 0.0), (1.0, 1.0), "nJy")
FLUX = np.random.default_rng(3).normal(size=(40, 8, 8, 2)).astype(np.float32)
DRAWS = np.random.default_rng(4).uniform(size=(40, 20)).astype(np.float32)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_that_share_of_the_stamps_is_changed_as_the_chain_would_change_it(share: float):
    chain = augmentation("dihedral|brightness(0.3)", INFO)
    some = Sometimes(chain, share)
    assert some.n_draws == chain.n_draws + 1 and str(some) == str(chain)
    draws = DRAWS[:, : some.n_draws]
    told = keras.ops.convert_to_numpy(some(FLUX, draws))
    changed = keras.ops.convert_to_numpy(chain(FLUX, draws[:, :-1]))
    chosen = draws[:, -1] < share
    assert (chosen.sum() > 0) == (share > 0) and (chosen.sum() < 40) == (share < 1)
    np.testing.assert_array_equal(told[chosen], changed[chosen])
    np.testing.assert_array_equal(told[~chosen], FLUX[~chosen])


def test_what_is_not_changed_is_cropped_like_the_rest():
    some = Sometimes(augmentation("shift(1)", INFO), 0.0)
    told = keras.ops.convert_to_numpy(some(FLUX, DRAWS[:, : some.n_draws], 4))
    np.testing.assert_array_equal(told, FLUX[:, 2:6, 2:6])
