import json
import re
import shutil

import pytest

from astrokeras.config import PretrainConfig
from astrokeras.errors import UsageError
from astrokeras.evaluation import arms
from astrokeras.evaluation.arms import make_arms
from astrokeras.evaluation.finetune import finetune
from astrokeras.records.directory import Records
from astrokeras.training.pretrain import pretrain
from astrokeras.training.run_directory import load_run
from tests.evaluation.comparing import options, silent
from tests.synthetic import write_records


def test_arms_share_the_input_of_the_pretraining_run(place, tmp_path):
    run = str(place / "magnitudes")
    for changes in ({"resize": 32}, {"stretch": "linear"}, {"size": 12}):
        with pytest.raises(UsageError, match=f"brings {next(iter(changes))}"):
            finetune(options(place, init=("scratch", run), out=str(tmp_path / "out"), **changes), silent)
    records = Records.load(place / "records")
    config = PretrainConfig(
        str(records.path), str(tmp_path / "linear"), epochs=1, batch_size=16, stretch="linear", resize=32
    )
    pretrain(config, silent)
    scratch, pretrained = make_arms(options(place, init=("scratch", config.out)), records, silent)
    for arm in (scratch, pretrained):
        encoder = arm.start.build()
        assert encoder.get_layer("resize").height == 32
        assert encoder.get_layer("stretch").kind == "linear"
    with pytest.raises(UsageError, match="arms are compared on the same input"):
        make_arms(options(place, init=(run, config.out)), records, silent)


def test_a_run_that_has_seen_the_test_objects_is_told(place, tmp_path):
    """The same objects, split otherwise."""
    copy = tmp_path / "records"
    write_records(copy, counts={"train": 80, "val": 40, "test": 60}, seed=3)
    content = json.loads((copy / "convert.json").read_text())
    content["splits"]["test"], content["splits"]["train"] = content["splits"]["train"], content["splits"]["test"]
    (copy / "convert.json").write_text(json.dumps(content))
    lines = []
    make_arms(options(tmp_path, init=(str(place / "magnitudes"),)), Records.load(copy), lines.append)
    assert any("WARNING: 80 test objects were among those" in line for line in lines)
    lines.clear()
    make_arms(options(place, init=(str(place / "magnitudes"),)), Records.load(place / "records"), lines.append)
    assert lines == []


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ("test", "60 test objects were among those that .* (by id, as test-0, test-1, test-2); it has seen them$"),
        ("val", "40 validation objects were among .*as val-0, val-1, val-2.*and the validation split chooses the winn"),
        ("both", "60 test and 40 validation objects were among .*as test-0, test-1, test-2, val-0, val-1, val-2"),
    ],
)
def test_objects_of_either_split_that_a_run_was_trained_on_are_counted(place, tmp_path, monkeypatch, train, told):
    """The run's training split holds what here is the test split, the validation split, or both."""
    records = write_records(tmp_path / "records", counts={"train": 9, "val": 40, "test": 60}, seed=3)
    known = arms.ids_of

    def ids(opened, split):
        if opened.path == records.path:
            return known(opened, split)
        return [one for name in ("test", "val") if train in (name, "both") for one in known(opened, name)]

    monkeypatch.setattr(arms, "ids_of", ids)
    lines = []
    make_arms(options(tmp_path, init=(str(place / "magnitudes"),)), records, lines.append)
    (line,) = (line for line in lines if "were among those" in line)
    assert re.search(told.replace("(", r"\(").replace(")", r"\)"), line)
    assert ("winner" in line) == (train != "test")


def test_records_that_a_run_was_trained_on_and_that_have_changed_are_told(place, tmp_path):
    run = shutil.copytree(place / "magnitudes", tmp_path / "magnitudes")
    content = json.loads((run / "run.json").read_text())
    content["records"]["fingerprint"] = "of what lay there before"
    (run / "run.json").write_text(json.dumps(content))
    lines = []
    make_arms(options(place, init=(str(run),)), Records.load(place / "records"), lines.append)
    assert any("no longer holds the records that" in line for line in lines)


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
            options(place, init=(str(tmp_path / "again"),)), Records.load(place / "records"), lines.append
        )
        assert arm.name == "again-from-v1-0-from-first"
        assert any("/runs/v1.0, which" in line and "was trained on labels" in line for line in lines) == told
        assert sum("/runs/first, which" in line and "trained on other records" in line for line in lines) == 1
        assert len(lines) == 1 + told


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
        (arm,) = make_arms(options(place, init=(str(copy),)), Records.load(place / "records"), silent)
        assert re.fullmatch(r"pre-trained-from[\w-]*", arm.name)
        assert len(arm.name) <= 80
