import numpy as np
import pytest

from astrokeras.survey.bands import band_thirds


@pytest.mark.parametrize("bands", [*range(1, 14)])
def test_every_band_has_a_channel_and_red_comes_first(bands: int):
    thirds = band_thirds(bands)
    assert len(thirds) == 3
    assert all(len(third) for third in thirds)
    assert set(np.concatenate(thirds).tolist()) == set(range(bands))
    means = [third.mean() for third in thirds]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize("bands", [*range(3, 14)])
def test_from_three_bands_on_none_is_shown_twice(bands: int):
    thirds = band_thirds(bands)
    assert sum(map(len, thirds)) == bands
    assert max(map(len, thirds)) - min(map(len, thirds)) <= 1
