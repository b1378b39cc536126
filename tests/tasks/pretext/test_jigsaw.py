import numpy as np
import pytest
from keras import ops
from sklearn.metrics import log_loss

from astrokeras.errors import UsageError
from astrokeras.tasks.pretext.jigsaw import Jigsaw, JigsawScores
from astrokeras.tasks.registry import get_task, parse_tasks


def puzzle(stamp: np.ndarray, permutation: np.ndarray, shift: np.ndarray, tile: int) -> np.ndarray:
    """By loops over slices: the tile of each place, cut at its shift, in the middle of its cell."""
    size = len(stamp)
    cell = size // 3
    edge = (size - 3 * cell) // 2
    result = np.full_like(stamp, np.nan)
    for place, shown in enumerate(permutation):
        row, column = edge + cell * (shown // 3) + shift[place, 0], edge + cell * (shown % 3) + shift[place, 1]
        y, x = (edge + cell * number + (cell - tile) // 2 for number in divmod(place, 3))
        result[y : y + tile, x : x + tile] = stamp[row : row + tile, column : column + tile]
    return result


@pytest.mark.parametrize(("size", "tile"), [(12, 3), (16, 4), (32, 9), (75, 21)])
def test_views_against_slices(size: int, tile: int):
    task = Jigsaw.fit(None, {}, size, permutations=20.0)
    assert task.tile == tile
    rng = np.random.default_rng(0)
    stamps = rng.normal(size=(9, size, size, 2)).astype(np.float32)
    draws = rng.random((9, task.n_draws)).astype(np.float32)
    draws[0], draws[1] = 0, np.nextafter(np.float32(1), np.float32(0))
    (view,), number = task.views(ops.convert_to_tensor(stamps), {}, ops.convert_to_tensor(draws))
    number = ops.convert_to_numpy(number)
    assert (number[0], number[1]) == (0, 19)
    shift = np.floor(draws[:, 1:] * (size // 3 - tile + 1)).astype(int).reshape(-1, 9, 2)
    expected = [puzzle(stamp, task.permutations[n], s, tile) for stamp, n, s in zip(stamps, number, shift, strict=True)]
    np.testing.assert_array_equal(ops.convert_to_numpy(view), np.stack(expected))


def test_no_edge_goes_on_in_the_next_tile():
    task = Jigsaw.fit(None, {}, 32)
    tiles, _, _ = task._places()
    for here, there in ((tiles[1:], tiles[:-1]), (tiles[:, 1:], tiles[:, :-1])):
        assert not ((here >= 0) & (there >= 0) & (here != there)).any()


def test_every_permutation_is_drawn_as_often():
    task = Jigsaw.fit(None, {}, 12)
    draws = np.zeros((6400, task.n_draws), np.float32)
    draws[:, 0] = (np.arange(6400) + 0.5) / 6400
    _, number = task.views(ops.zeros((6400, 12, 12, 1)), {}, ops.convert_to_tensor(draws))
    assert (np.bincount(ops.convert_to_numpy(number)) == 100).all()


def test_loss_and_scores_against_scikit_learn_and_a_loop():
    task = Jigsaw.fit(None, {}, 12, permutations=8.0)
    rng = np.random.default_rng(1)
    logits, target = rng.normal(0, 3, (30, 8)).astype(np.float32), rng.integers(0, 8, 30).astype(np.int32)
    loss = ops.convert_to_numpy(task.loss(ops.convert_to_tensor(target), ops.convert_to_tensor(logits)))
    probability = np.exp(logits.astype(float))
    probability /= probability.sum(axis=1, keepdims=True)
    for i in range(30):
        assert loss[i] == pytest.approx(log_loss(target[i : i + 1], probability[i : i + 1], labels=range(8)), rel=1e-4)
    weight = (np.arange(30) < 25).astype(np.float32)
    metric = JigsawScores(task.permutations)
    metric.update_state(ops.convert_to_tensor(target), ops.convert_to_tensor(logits), sample_weight=weight)
    answer = logits.argmax(axis=1)
    right = [np.mean(task.permutations[a] == task.permutations[t]) for a, t in zip(answer[:25], target, strict=False)]
    result = {name: float(value) for name, value in metric.result().items()}
    assert result == pytest.approx({"accuracy": np.mean((answer == target)[:25]), "tiles": np.mean(right)})


def test_what_cannot_be_a_puzzle_is_refused():
    assert get_task("jigsaw") is Jigsaw
    with pytest.raises(UsageError, match="at least 12 pixels, not 11"):
        Jigsaw.fit(None, {}, 11)
    with pytest.raises(UsageError, match="expected a whole number from 2 to 1000"):
        parse_tasks(["jigsaw(permutations=2.5)"])
