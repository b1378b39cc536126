"""Which stamps share sky with training stamps, against a count of their pixels."""

import numpy as np
import pytest

from astrokeras.records.splitting.overlap import overlap_lines, overlap_shares

NAMES = ("train", "val", "test")
SIZE, SCALE = 10, 0.5


def shares(field_of, x, y, split, ra=None, dec=None, scale=SCALE):
    nowhere = np.full(len(x), np.nan)
    return overlap_shares(
        np.array(field_of), np.array(x, float), np.array(y, float), nowhere if ra is None else np.array(ra, float),
        nowhere if dec is None else np.array(dec, float), np.array(split), names=NAMES, size=SIZE, scale=scale,
    )  # fmt: skip


def test_stamps_of_one_field_by_their_pixels():
    rng = np.random.default_rng(0)
    x, y = rng.integers(10, 190, (2, 120))
    split = rng.integers(0, 4, 120)  # the last is the margin
    pixels = np.zeros((210, 210), bool)
    for i in np.flatnonzero(split == 0):
        pixels[y[i] : y[i] + SIZE, x[i] : x[i] + SIZE] = True
    covered = np.array([pixels[b : b + SIZE, a : a + SIZE].any() for a, b in zip(x, y, strict=True)])
    expected = {name: covered[split == i].mean() for i, name in enumerate(NAMES) if i}
    assert 0 < expected["test"] < 1
    assert shares([0] * 120, x, y, split) == pytest.approx(expected)


def test_the_same_pixels_of_another_field_are_another_sky():
    assert shares([0, 1], [50, 50], [50, 50], [0, 2]) == {"test": 0.0}


def test_stamps_of_different_fields_by_their_place_on_the_sky():
    near, far = 4.9 / 3600, 5.1 / 3600  # a stamp is five arcseconds wide
    one = shares([0, 1, 1], [50, 5, 9], [50, 5, 90], [0, 2, 2], [10, 10, 10], [0, near, far])
    assert one == {"test": 0.5}
    # Right ascensions run together towards the pole, and across 0.
    wide = near / np.cos(np.radians(80))
    assert shares([-1, -1], [np.nan] * 2, [np.nan] * 2, [0, 2], [360 - wide / 2, wide / 2], [80, 80]) == {"test": 1.0}


def test_on_one_field_pixels_decide_and_not_the_sky():
    # Corners that touch nothing: a side apart along x, and by far less than a side in angle if the scale were wrong.
    assert shares([0, 0], [50, 60], [50, 50], [0, 2], [10, 10], [0, 0]) == {"test": 0.0}


def test_what_is_not_known_is_not_said():
    assert shares([-1, -1], [np.nan] * 2, [np.nan] * 2, [0, 2]) == {}
    assert shares([-1, -1], [np.nan] * 2, [np.nan] * 2, [0, 2], [1, 1], [1, 1], scale=None) == {}
    assert overlap_lines({}, "id") == []


def test_a_warning_above_one_per_cent():
    assert overlap_lines({"val": 0.0, "test": 0.01}, "sky") == [
        "overlap: 0.0% of the val stamps, 1.0% of the test stamps share sky with training stamps"
    ]
    (line,) = overlap_lines({"test": 0.5}, "id")
    assert line.startswith("WARNING: overlap: 50.0% of the test stamps")
    assert "--split-by sky" in line
