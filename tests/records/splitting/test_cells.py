import numpy as np
import pytest

from astrokeras.errors import UsageError
from astrokeras.records.splitting.assignment import Splitting
from astrokeras.records.splitting.cells import SkyCells, split_cells
from astrokeras.survey.placement import Field
from astrokeras.survey.sky import Astrometry
from astrokeras.survey.stamps import window_start
from tests.sky import SCALE, tan_header

SIDE, SIZE = 1000, 24
SHARES = {"train": 0.5, "test": 0.5}
PLACES = [(150.3, 2.1), (200.0, -89.9)]  # the belt of HEALPix, and its cap at the pole


def sky_fields(ra: float, dec: float, angles: tuple[float, ...]) -> list[Field]:
    headers = [tan_header((SIDE, SIDE), ra, dec, angle=angle) for angle in angles]
    return [Field(str(i), (SIDE, SIDE), Astrometry(header).wcs) for i, header in enumerate(headers)]


def objects(n_fields: int, seed: int, count: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_fields, count), *rng.uniform(SIZE, SIDE - SIZE, (2, count))


def divide(fields: list[Field], field_of: np.ndarray, x: np.ndarray, y: np.ndarray, cell_size: float | None = None):
    cells = SkyCells(fields, SIZE, cell_size)
    return cells, split_on(cells, field_of, x, y, Splitting("sky", 1, SHARES))


def split_on(cells: SkyCells, field_of: np.ndarray, x: np.ndarray, y: np.ndarray, splitting: Splitting) -> np.ndarray:
    labels = np.zeros(len(x), dtype=int)
    return split_cells(cells, field_of, x, y, labels=labels, classes=("a",), splitting=splitting, stamp_size=SIZE)


def shared_pixels(fields: list[Field], field_of: np.ndarray, x: np.ndarray, y: np.ndarray, split: np.ndarray) -> int:
    """Pairs of stamps of different splits where a pixel's centre of one lies within the other's window."""
    x0, y0 = window_start(x, SIZE), window_start(y, SIZE)
    train, test = np.flatnonzero(split == 0), np.flatnonzero(split == 1)
    found = 0
    for i in train:
        column, row = np.meshgrid(x0[i] + np.arange(SIZE), y0[i] + np.arange(SIZE))
        sky = fields[field_of[i]].to_sky(column.ravel(), row.ravel())
        for index, field in enumerate(fields):
            px, py = field.to_pixels(*sky)
            there = test[field_of[test] == index]
            near = there[np.hypot(x[there] - px.mean(), y[there] - py.mean()) < 1.5 * SIZE]
            for left, low in zip(x0[near] - 0.5, y0[near] - 0.5, strict=True):
                found += np.any((px > left) & (px < left + SIZE) & (py > low) & (py < low + SIZE))
    return found


@pytest.mark.parametrize(("ra", "dec"), PLACES)
def test_no_two_splits_share_a_pixel_even_of_fields_turned_against_each_other(ra: float, dec: float):
    fields = sky_fields(ra, dec, (0.0, 45.0))
    field_of, x, y = objects(len(fields), seed=round(ra))
    cells, split = divide(fields, field_of, x, y, cell_size=4 * SIZE * SCALE * 60)
    assert cells.grid.keys() == {"nside"}
    assert shared_pixels(fields, field_of, x, y, split) == 0
    assert np.bincount(split + 1, minlength=3)[1:].min() > len(x) / 5
    # The check itself: split one by one, stamps do share pixels.
    assert shared_pixels(fields, field_of[:200], x[:200], y[:200], np.arange(200) % 2) > 0


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12])
def test_cells_of_the_sky_are_at_least_four_stamps_wide(size: int):
    cells = SkyCells(sky_fields(20, 0, (0.0,)), SIZE, size * 4 * SIZE * SCALE * 60)
    assert cells.side >= 4 * SIZE * SCALE * 60
    assert 0.5 <= cells.side / (size * 4 * SIZE * SCALE * 60) <= 2
    assert "HEALPix" in cells.description


def test_without_a_wcs_blocks_of_pixels_never_share_a_pixel():
    fields = [Field(name, (SIDE, SIDE), None) for name in "AB"]
    field_of, x, y = objects(len(fields), seed=0)
    x[:300] = np.floor(x[:300] / 10) * 10  # whole and half positions, where windows begin differently
    x[300:600] = np.floor(x[300:600]) + 0.5
    x[:100] = 0  # a padded stamp reaches over the edge
    cells, split = divide(fields, field_of, x, y, cell_size=100)
    assert cells.grid.keys() == {"pixels"}
    owner = np.full((2, SIDE + 2 * SIZE, SIDE + 2 * SIZE), -1)
    for i in np.flatnonzero(split >= 0):
        left, low = window_start(x[i], SIZE) + SIZE, window_start(y[i], SIZE) + SIZE
        window = owner[field_of[i], low : low + SIZE, left : left + SIZE]
        assert np.isin(window, (-1, split[i])).all()
        window[:] = split[i]
    assert {0, 1} <= set(split[:100]) | set(split[100:])
    assert np.mean(split < 0) < 0.5


def test_two_stamps_do_not_meet_in_a_block_where_no_object_lies():
    field_of, x, y = np.zeros(2, dtype=int), np.array([90.0, 113.0]), np.array([87.0, 105.0])
    fields = [Field("A", (SIDE, SIDE), None)]
    left, low = window_start(x, SIZE), window_start(y, SIZE)
    assert np.ptp(left) < SIZE  # they share pixels, all of them in the block at the right below
    assert np.ptp(low) < SIZE
    _, split = divide(fields, field_of, x, y, cell_size=100)
    assert (split < 0).any()


def test_fields_without_a_wcs_have_blocks_of_their_own():
    cells = SkyCells([Field(name, (SIDE, SIDE), None) for name in "AB"], SIZE, None)
    place = np.array([5.0])
    assert cells.numbers(0, place, place) != cells.numbers(1, place, place)
    assert cells.numbers(0, place, place) == cells.numbers(0, place + 1, place + 1)


def test_fields_with_a_wcs_share_their_cells():
    fields = sky_fields(10, 20, (0.0, 30.0))
    x, y = objects(1, seed=0, count=100)[1:]
    there = fields[1].to_pixels(*fields[0].to_sky(x, y))
    cells = SkyCells(fields, SIZE, None)
    np.testing.assert_array_equal(cells.numbers(0, x, y), cells.numbers(1, *there))


def test_cells_smaller_than_four_stamps_are_a_usage_error():
    with pytest.raises(UsageError, match="--cell-size"):
        SkyCells([Field("A", (SIDE, SIDE), None)], SIZE, 4 * SIZE - 1)


def test_cells_have_names_by_which_they_are_found_again_among_other_fields():
    blocks = [Field(name, (SIDE, SIDE), None) for name in ("b", "d/3")]
    some = SkyCells(blocks, SIZE, 100)
    numbers = np.concatenate([some.numbers(i, np.array([-5.0, 5, 950]), np.array([950.0, -5, 5])) for i in (0, 1)])
    names = some.names(numbers)
    assert names.tolist() == ["b/9/-1", "b/-1/0", "b/0/9", "d/3/9/-1", "d/3/-1/0", "d/3/0/9"]
    np.testing.assert_array_equal(some.numbers_of(names), numbers)
    more = SkyCells([Field(name, (SIDE, SIDE), None) for name in ("a", "b", "c", "d/3")], SIZE, kept=some.grid)
    np.testing.assert_array_equal(more.names(more.numbers_of(names)), names)
    assert SkyCells(blocks[1:], SIZE, kept=some.grid).numbers_of(names[:3]).tolist() == [-1] * 3
    sky = SkyCells(sky_fields(10, 20, (0.0,)), SIZE)
    np.testing.assert_array_equal(sky.numbers_of(sky.names(np.array([3, 77]))), [3, 77])


@pytest.mark.parametrize("on_sky", [True, False])
def test_more_fields_and_objects_move_nothing_and_share_no_pixel_with_what_was_there(on_sky: bool):
    both = sky_fields(150.3, 2.1, (0.0, 45.0)) if on_sky else [Field(name, (SIDE, SIDE), None) for name in "BA"]
    field_of, x, y = objects(2, seed=4, count=2000)
    early = np.flatnonzero((field_of == 0) & (x < 600))
    splitting = Splitting("sky", 1, SHARES)
    cells = SkyCells(both[:1], SIZE, 4 * SIZE * (SCALE * 60 if on_sky else 1))
    before = split_on(cells, field_of[early], x[early], y[early], splitting)
    later = Splitting("sky", 1, SHARES, cells.grid, splitting.groups, "earlier")
    # The other field comes first now: names count, not places in a list.
    fields, turned = both[::-1], 1 - field_of
    after = split_on(SkyCells(fields, SIZE, kept=cells.grid), turned, x, y, later)
    np.testing.assert_array_equal(after[early][before >= 0], before[before >= 0])
    new = np.setdiff1d(np.arange(len(x)), early)
    assert set(after[new]) == {-1, 0, 1}
    if on_sky:  # objects that come later share no pixel with those that came before, either
        order = np.concatenate([new, early])
        split = np.concatenate([after[new], before])
        assert shared_pixels(fields, turned[order], x[order], y[order], split) == 0


def test_earlier_cells_that_do_not_fit_are_usage_errors():
    fields = sky_fields(10, 20, (0.0,))
    with pytest.raises(UsageError, match="four stamps across"):
        SkyCells(fields, 4 * SIZE, kept=SkyCells(fields, SIZE, 4 * SIZE * SCALE * 60).grid)
    # What was divided into blocks stays so, and a field that came later without a WCS has blocks of its own.
    assert SkyCells(fields, SIZE, kept={"pixels": 100.0}).grid == {"pixels": 100.0}
    later = SkyCells([*fields, Field("A", (SIDE, SIDE), None)], SIZE, kept={"nside": 4096})
    assert later.grid.keys() == {"nside", "pixels"}
    assert later.grid["nside"] == 4096


def test_a_field_without_a_wcs_among_others_has_blocks_as_wide_as_their_cells():
    cells = SkyCells([*sky_fields(10, 20, (0.0,)), Field("blind", (SIDE, SIDE), None)], SIZE, 8 * SIZE * SCALE * 60)
    assert cells.grid["pixels"] == pytest.approx(8 * SIZE)
    x = np.array([10.0, 900.0])
    numbers = np.concatenate([cells.numbers(0, x, x), cells.numbers(1, x, x)])
    names = cells.names(numbers)
    assert [("/" in name) for name in names] == [False, False, True, True]
    np.testing.assert_array_equal(cells.numbers_of(names), numbers)
