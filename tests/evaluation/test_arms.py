import dataclasses
import json
import re
import shutil

import keras
import pytest

from astrokeras.config import PretrainConfig
from astrokeras.errors import UsageError
from astrokeras.evaluation.arms import make_arms
from astrokeras.evaluation.finetune import finetune
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.pretrain import pretrain
from astrokeras.training.run_directory import load_run
from tests.evaluation.comparing import options, silent
from tests.tiny import TINY

pytestmark = pytest.mark.long


def test_arms_share_the_input_of_the_pretraining_run(place, tmp_path):
    run = str(place / "magnitudes")
    for changes in ({"resize": 32}, {"stretch": "linear"}, {"size": 12}):
        with pytest.raises(UsageError, match=f"brings {next(iter(changes))}"):
            finetune(options(place, init=("scratch", run), out=str(tmp_path / "out"), **changes), silent)
    records = RecordsDirectory.load(place / "records")
    config = PretrainConfig(
        str(records.path), str(tmp_path / "linear"), epochs=1, batch_size=16, stretch="linear", resize=32, backbone=TINY
    )
    pretrain(config, silent)
    scratch, pretrained = make_arms(options(place, init=("scratch", config.out)), records, silent)
    for arm in (scratch, pretrained):
        encoder = arm.start.build()
        assert encoder.get_layer("resize").height == 32
        assert encoder.get_layer("stretch").kind == "linear"
    with pytest.raises(UsageError, match="arms are compared on the same input"):
        make_arms(options(place, init=(run, config.out)), records, silent)


def test_what_a_run_goes_back_to_is_named_and_judged(place, tmp_path):
    """The run went on from one that had been trained on labels, and that from one that has seen test objects."""
    shutil.copytree(place / "magnitudes", tmp_path / "again")
    run = load_run(tmp_path / "again")
    records = run["records"]
    elsewhere = {"path": "/gone", "name": "x", "fingerprint": "x"}
    first = {
        "kind": "run",
        "path": "/runs/first",
        "command": "pretrain",
        "backbone": "compact",
        "task": ["magnitudes"],
        "mode": None,
        "sha256": None,
        "records": elsewhere,
        "init": {"kind": "scratch"},
    }
    classes = {**first, "path": "/runs/v1.0", "command": "finetune", "task": None, "records": records, "init": first}
    for mode, told in (("full", True), ("frozen", False)):
        content = {**run, "init": {**classes, "mode": mode}}
        (tmp_path / "again" / "run.json").write_text(json.dumps(content))
        lines = []
        (arm,) = make_arms(
            options(place, init=(str(tmp_path / "again"),)), RecordsDirectory.load(place / "records"), lines.append
        )
        assert arm.name == "again-from-v1-0-from-first"
        assert any("/runs/v1.0, which" in line and "was trained on labels" in line for line in lines) == told
        assert len(lines) == told


def test_names_of_arms_are_plain_and_bounded(place, tmp_path):
    """What stands in ``run.json`` becomes the name of a directory."""
    run = json.loads((place / "magnitudes" / "run.json").read_text())
    first = {
        "kind": "run", "command": "pretrain", "backbone": "compact", "task": ["magnitudes"], "mode": None,
        "sha256": None, "records": run["records"], "init": {"kind": "scratch"},
    }  # fmt: skip
    for number, name in enumerate(("<b>x", "a\u202eb", "long" * 500, "tensorboard/..")):
        copy = shutil.copytree(place / "magnitudes", tmp_path / str(number) / "pre.trained")
        (copy / "run.json").write_text(json.dumps({**run, "init": {**first, "path": f"/runs/{name}"}}))
        (arm,) = make_arms(options(place, init=(str(copy),)), RecordsDirectory.load(place / "records"), silent)
        assert re.fullmatch(r"pre-trained-from[\w-]*", arm.name)
        assert len(arm.name) <= 80


def test_backbones_are_compared_from_scratch_and_from_imagenet_where_it_has_weights(place, tmp_path):
    file = tmp_path / "mobilenet.weights.h5"
    keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(file)
    config = options(
        place, init=("scratch", "imagenet"), backbone=("compact", "mobilenet"), imagenet_weights=str(file), resize=32
    )
    lines = []
    arms = make_arms(config, RecordsDirectory.load(place / "records"), lines.append)
    assert [arm.name for arm in arms] == ["scratch-compact", "scratch-mobilenet", "imagenet-mobilenet"]
    assert [arm.backbone for arm in arms] == ["compact", "mobilenet", "mobilenet"]
    assert [arm.random for arm in arms] == [True, True, False]
    assert lines == ["WARNING: the imagenet arm of compact is left out: it has no ImageNet weights"]
    with pytest.raises(UsageError, match="several --backbone name the networks"):
        make_arms(
            dataclasses.replace(config, imagenet_backbone="vgg16"), RecordsDirectory.load(place / "records"), silent
        )
