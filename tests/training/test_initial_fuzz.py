"""Whatever stands in the files of a run, it is read or refused in a line: nothing else comes out, and soon."""

import contextlib
import copy
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrokeras.config import FinetuneConfig, PretrainConfig
from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.arms import make_arms
from astrokeras.files import digest
from astrokeras.models.saving import load_model
from astrokeras.models.stretch import stretch_for
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.metadata import signed
from astrokeras.tasks.model import TaskModel, predictor
from astrokeras.tasks.targets.class_ import Class
from astrokeras.training.checkpoints.checkpoint import Checkpoints, Moment
from astrokeras.training.checkpoints.state import take
from astrokeras.training.initial import Asked, find_start
from astrokeras.training.run_directory import RUN_FILE, write_run
from tests.synthetic import write_records
from tests.training.checkpoints.test_checkpoint import make_model

_DEEP: list = []
for _ in range(200):
    _DEEP = [_DEEP]
_ODD = [
    *(None, True, -1, 0, 3, 10**12, 10**30, 0.5, float("nan"), float("inf"), "", "\x00", "\ud800", "a/<b>", "x" * 5000),
    *([], {}, [None], {"a": None}, [[1, 2], [3]], _DEEP, {"class_name": "Dense"}),
]
LAYERS = {"encoder": keras.Model, "class": keras.Model}


def silent(_: str) -> None:
    pass


def changed(tree: Any, draw: Callable) -> Any:
    """The same with one or two of its places, wherever they are, changed, left out, or exchanged with others."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 2))):
        inner = tree
        while True:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(inner[key], dict | list) and inner[key] and draw(st.integers(0, 3)):
                inner = inner[key]
                continue
            if isinstance(inner, dict) and draw(st.integers(0, 4)) == 0:
                del inner[key]
            else:
                inner[key] = copy.deepcopy(draw(st.sampled_from([*_ODD, *inner.values()] if isinstance(inner, dict)
                                                                else [*_ODD, *inner])))  # fmt: skip
            break
    return tree


def damaged(content: bytes, draw: Callable) -> bytes:
    """The same with a few bytes changed, cut off or doubled."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    how = draw(st.integers(0, 3))
    return bytes(data[: draw(st.integers(0, len(data)))] if how == 0 else data * 2 if how == 1 else data)


def read_or_refused(read: Callable[[], object]) -> None:
    try:
        read()
    except AstrokerasError as error:
        assert len(str(error)) < 6000
        assert "Traceback" not in str(error)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 8, "test": 4})


@pytest.fixture(scope="module")
def run(records: RecordsDirectory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished pre-training run with an encoder and a classifier that could not be smaller."""
    out = tmp_path_factory.mktemp("runs") / "run"
    out.mkdir()
    flux = keras.Input((16, 16, 3), name="flux")
    pooled = keras.layers.GlobalAveragePooling2D(name="embedding")(stretch_for(records, "auto")(flux))
    encoder = keras.Model(flux, pooled, name="encoder")
    encoder.save(out / "encoder.keras")
    predictor(TaskModel(encoder, {"class": Class(("a", "b"))}, {"class": 1.0}), encoder).save(out / "model.keras")
    init = {"kind": "run", "path": "/runs/first", "command": "pretrain", "backbone": "compact", "task": ["rotation"],
            "mode": None, "records": {"path": "gone", "name": "blobs", "fingerprint": "0"}, "sha256": None,
            "init": {"kind": "scratch"}}  # fmt: skip
    write_run(out, "pretrain", PretrainConfig(str(records.path), str(out), backbone="compact"), records, {}, init=init)
    return out


def started(run: Path, records: RecordsDirectory) -> None:
    """All that is read of a run that others start from."""
    find_start(Asked(str(run)), records, silent)
    make_arms(FinetuneConfig(str(records.path), "", init=(str(run),)), records, silent)


def test_the_run_is_whole(run: Path, records: RecordsDirectory):
    started(run, records)
    assert load_model(run / "model.keras", LAYERS).output_shape == (None, 2)


@given(data=st.data())
def test_run_json(run: Path, records: RecordsDirectory, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    place = tmp_path_factory.mktemp("fuzz") / "run"
    shutil.copytree(run, place)
    content = (run / RUN_FILE).read_bytes()
    if data.draw(st.integers(0, 3)):
        content = json.dumps(changed(json.loads(content), data.draw)).encode()
    else:
        content = damaged(content, data.draw)
    (place / RUN_FILE).write_bytes(content)
    read_or_refused(lambda: started(place, records))
    shutil.rmtree(place)


@pytest.mark.parametrize("name", ["encoder.keras", "model.keras"])
@given(data=st.data())
def test_keras_files(
    run: Path, records: RecordsDirectory, tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
):
    place = tmp_path_factory.mktemp("fuzz") / "run"
    shutil.copytree(run, place)
    file = place / name
    if data.draw(st.integers(0, 3)):
        with zipfile.ZipFile(file) as archive:
            members = {member: archive.read(member) for member in archive.namelist()}
        member = data.draw(st.sampled_from(["config.json"] * 4 + ["model.weights.h5"]))
        if member == "config.json":
            members[member] = json.dumps(changed(json.loads(members[member]), data.draw)).encode()
        else:
            members[member] = damaged(members[member], data.draw)
        with zipfile.ZipFile(file, "w") as archive:
            for member, content in members.items():
                archive.writestr(member, content)
    else:
        file.write_bytes(damaged(file.read_bytes(), data.draw))
    read_or_refused(lambda: started(place, records) if name == "encoder.keras" else load_model(file, LAYERS))
    shutil.rmtree(place)


@given(data=st.data())
def test_manifests(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    """Signed anew, as by somebody who means it, or damaged."""
    place = tmp_path_factory.mktemp("fuzz")
    model, checkpoints = make_model(), Checkpoints(place)
    checkpoints.save(take(model), Moment([{"epoch": 1, "loss": 0.5, "val_loss": np.nan}], 3))
    (manifest,), (state,) = place.glob("*.json"), place.glob("*.npz")
    content = json.loads(manifest.read_text())
    if data.draw(st.booleans()):
        state.write_bytes(damaged(state.read_bytes(), data.draw))
        content = signed({**content, "state": digest(state)})
    else:
        content = changed(content, data.draw)
        resign = data.draw(st.booleans())
        with contextlib.suppress(ValueError):  # not a number
            content = signed(content) if resign else content
    manifest.write_text(json.dumps(content))
    if data.draw(st.integers(0, 4)) == 0:
        manifest.write_bytes(damaged(manifest.read_bytes(), data.draw))
    read_or_refused(lambda: checkpoints.restore(model))
    read_or_refused(checkpoints.drop_newest)
    shutil.rmtree(place)
