from pathlib import Path

import keras
import numpy as np
import pytest

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.checkpoints.checkpoint import Checkpoints
from astrokeras.training.checkpoints.state import take
from astrokeras.training.stopping import BestWeights, best_epoch, check_patience, is_over


def history(*losses: float) -> list[dict[str, float]]:
    return [{"epoch": number, "val_loss": loss} for number, loss in enumerate(losses, start=1)]


def test_the_first_of_the_lowest_is_the_best():
    assert best_epoch(history(3, 1, 2, 1)) == 2
    assert best_epoch(history(float("nan"), 5)) == 2


def test_patience_counts_epochs_without_a_lower_loss():
    losses = (3, 2, 2, 4)
    over = [is_over(history(*losses[:count]), 2) for count in range(5)]
    assert over == [False, False, False, False, True]
    assert not is_over(history(*losses), None)


def test_patience_needs_a_validation_split():
    check_patience(None, RecordsDirectory(Path(), {"splits": {}}))
    with pytest.raises(UsageError, match=r"the validation split of .* is empty"):
        check_patience(3, RecordsDirectory(Path(), {"splits": {}}))


def test_weights_of_the_best_epoch_come_back_and_damage_is_found(tmp_path: Path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    best = BestWeights(Checkpoints(tmp_path / "best"))
    losses, states = [], []
    for loss in (5, 3, 4, 2, 1, 9):
        losses.append(loss)
        model.set_weights([np.full_like(one, len(losses)) for one in model.get_weights()])
        states.append(model.get_weights())
        best.keep(lambda: take(model), history(*losses))
    assert best.restore(model, history(*losses)) == 5
    np.testing.assert_array_equal(model.get_weights()[0], states[4][0])
    # A run that goes on from before the newest knows nothing of it.
    best.forget_after(4)
    assert best.restore(model, history(*losses[:4])) == 4
    np.testing.assert_array_equal(model.get_weights()[0], states[3][0])
    with pytest.raises(AstrokerasError, match=r"the best epoch, 5, in .* are missing or damaged"):
        best.restore(model, history(*losses))
    for file in (tmp_path / "best").glob("epoch-00004*.npz"):
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(AstrokerasError, match=r"all checkpoints .* are damaged"):
        best.restore(model, history(*losses[:4]))
