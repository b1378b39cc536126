import io
import json
import math
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.lib import format as npy

from astrokeras.config import PretrainConfig
from astrokeras.errors import AstrokerasError
from astrokeras.files import digest
from astrokeras.records.metadata import signed
from astrokeras.training.checkpoints.checkpoint import Checkpoints, Moment
from astrokeras.training.checkpoints.state import take
from tests.training.optimizers.optimizing import optimizer_for

X = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


def make_model(width: int = 3) -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(width), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer=optimizer_for(PretrainConfig("", "", learning_rate=1e-2), 8), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def assert_same(model: keras.Model, state: dict[str, np.ndarray]) -> None:
    mine = take(model)
    assert mine.keys() == state.keys()
    for name, value in mine.items():
        np.testing.assert_array_equal(value, state[name], err_msg=name)


def train(model: keras.Model) -> None:
    model.fit(X, Y, batch_size=8, epochs=1, shuffle=False, verbose=0)


def test_everything_comes_back_exactly(tmp_path: Path):
    model, again = make_model(), make_model()
    train(model)
    saved = Moment([{"epoch": 1, "loss": 2.0, "val_depth": math.nan}], 7, {"loss": 1 / 3})
    Checkpoints(tmp_path).save(take(model), saved)
    moment = Checkpoints(tmp_path).restore(again)
    assert str(moment.history) == str(saved.history)
    assert (moment.epoch, moment.step, moment.trained) == (1, 7, {"loss": 1 / 3})
    assert str(moment) == "step 7 of epoch 2"
    # The optimizer's moments and step count, the seed of the dropout and the loss so far are part of it.
    for _ in range(2):
        assert_same(again, take(model))
        train(model)
        train(again)


def test_keeps_two_and_falls_back_from_a_damaged_one(tmp_path: Path):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    states = []
    for moment in (
        Moment([]),
        Moment([{"epoch": 1}], 999),
        Moment([{"epoch": 1}], 1000),
        Moment([{"epoch": 1}, {"epoch": 2}]),
    ):
        train(model)
        states.append(take(model))
        checkpoints.save(states[-1], moment)
    names = ["epoch-00001-step-00001000", "epoch-00002-step-00000000"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [n + e for n in names for e in (".json", ".npz")]
    newest = tmp_path / f"{names[1]}.npz"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    again = make_model()
    assert checkpoints.restore(again) == Moment([{"epoch": 1}], 1000)
    assert_same(again, states[2])


def test_what_a_killed_process_leaves_does_not_count_and_goes(tmp_path: Path):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    checkpoints.save(take(model), Moment([]))
    (tmp_path / "epoch-00001-step-00000000.npz").write_bytes(b"half")
    (tmp_path / ".writing-epoch-00001-step-00000000.json").write_text("{")
    assert checkpoints.restore(model) == Moment([])
    checkpoints.save(take(model), Moment([], 1))
    assert len(list(tmp_path.iterdir())) == 4
    for path in tmp_path.glob("*.json"):
        path.unlink()
    assert checkpoints.restore(model) is None


def test_the_newest_is_given_up_for_the_one_before(tmp_path: Path):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(take(model), Moment([], step))
    assert checkpoints.drop_newest()
    assert checkpoints.restore(model) == Moment([], 1)
    assert not checkpoints.drop_newest()
    assert len(list(tmp_path.iterdir())) == 2


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def test_what_was_damaged_takes_no_place_of_the_two(tmp_path: Path):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    for step in (10, 20):
        checkpoints.save(take(model), Moment([], step))
    damage(tmp_path / "epoch-00000-step-00000020.npz")
    checkpoints.save(take(model), Moment([], 15))
    names = ["epoch-00000-step-00000010", "epoch-00000-step-00000015"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [n + e for n in names for e in (".json", ".npz")]


def test_the_only_whole_one_is_not_given_up(tmp_path: Path):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(take(model), Moment([], step))
    damage(tmp_path / "epoch-00000-step-00000001.npz")
    assert not checkpoints.drop_newest()
    assert checkpoints.restore(model) == Moment([], 2)


def test_all_damaged_or_another_model(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(take(make_model()), Moment([]))
    other = make_model(width=5)
    before = take(other)
    with pytest.raises(AstrokerasError, match="is of another model"):
        checkpoints.restore(other)
    assert_same(other, before)
    (tmp_path / "epoch-00000-step-00000000.json").write_text("{")
    with pytest.raises(AstrokerasError, match=r"all checkpoints .* are damaged; .*--overwrite"):
        checkpoints.restore(make_model())


def resigned(manifest: Path, **changes: object) -> None:
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(signed({**content, **changes})))


def test_a_manifest_that_was_edited_is_not_believed(tmp_path: Path):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    row = {"epoch": 1, "loss": 0.25}
    checkpoints.save(take(model), Moment([row], 3))
    checkpoints.save(take(model), Moment([row], 4))
    newest = tmp_path / "epoch-00001-step-00000004.json"
    whole = newest.read_text()
    for old, new in (("0.25", "0.24"), ('"step": 4', '"step": 5'), ('"trained": null', '"trained": {}')):
        assert old in whole
        newest.write_text(whole.replace(old, new))
        assert checkpoints.restore(model) == Moment([row], 3)
    newest.write_text(whole)
    assert checkpoints.restore(model) == Moment([row], 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"step": 10**30},
        {"step": -1},
        {"step": True},
        {"step": "4"},
        {"step": 5},
        {"history": None},
        {"history": [None]},
        {"history": [{"epoch": 2, "loss": 1.0}]},
        {"history": [{"epoch": 1, "loss": "low"}]},
        {"history": [{"loss": 1.0}]},
        {"trained": []},
        {"state": None},
    ],
)
def test_a_manifest_that_is_none_is_passed_over_though_it_is_signed(tmp_path: Path, changes: dict):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    row = {"epoch": 1, "loss": 0.25}
    checkpoints.save(take(model), Moment([row], 3))
    checkpoints.save(take(model), Moment([row], 4))
    resigned(tmp_path / "epoch-00001-step-00000004.json", **changes)
    assert checkpoints.restore(model) == Moment([row], 3)


def test_a_state_that_claims_more_than_the_model_has_is_not_read(tmp_path: Path):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    checkpoints.save(take(model), Moment([]))
    manifest = tmp_path / "epoch-00000-step-00000000.json"
    state = manifest.with_suffix(".npz")
    header = io.BytesIO()
    npy.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**7, 10**6)})
    with zipfile.ZipFile(state) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    for content in (header.getvalue(), b"", b"\x93NUMPY\x01\x00\xff\xff"):
        with zipfile.ZipFile(state, "w") as archive:
            for name, values in {**whole, next(iter(whole)): content}.items():
                archive.writestr(name, values)
        resigned(manifest, state=digest(state))
        with pytest.raises(AstrokerasError, match="is of another model"):
            checkpoints.restore(model)
    state.write_bytes(b"no zip")
    resigned(manifest, state=digest(state))
    with pytest.raises(AstrokerasError, match="is of another model"):
        checkpoints.restore(model)
