import copy
import json
from pathlib import Path
from typing import Any

import pytest

from astrokeras.config import FinetuneConfig, PretrainConfig
from astrokeras.errors import AstrokerasError
from astrokeras.records.directory import RecordsDirectory
from astrokeras.training.initial import run_record
from astrokeras.training.origins import ancestors, lineage
from astrokeras.training.run_directory import RUN_FILE, load_run, write_run
from tests.synthetic import write_records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordsDirectory:
    return write_records(tmp_path_factory.mktemp("blobs") / "records", counts={"train": 2})


@pytest.fixture
def pretrained(records: RecordsDirectory, tmp_path: Path) -> dict[str, Any]:
    further = {"init": {"kind": "scratch"}, "resolved": {"precision": {"precision": "float32"}}, "changed": []}
    return write_run(tmp_path, "pretrain", PretrainConfig("", "", backbone="compact"), records, {"val": {}}, **further)


def write(path: Path, run: Any) -> None:
    (path / RUN_FILE).write_text(run if isinstance(run, str) else json.dumps(run))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("command",), None, "command is null, expected text"),
        (("options",), [], "options is a list, expected an object"),
        (("options", "task"), "rotation", 'options.task is "rotation", expected a list'),
        (("options", "task"), [None], "options.task is a list, expected a list"),
        (("options", "epochs"), 2.5, "options.epochs is 2.5, expected a whole number"),
        (("options", "epochs"), True, "options.epochs is true, expected a whole number"),
        (("options", "size"), "64", 'options.size is "64", expected a whole number or null'),
        (("options", "learning_rate"), None, "options.learning_rate is null, expected a number"),
        (("records",), None, "records is null"),
        (("records", "bands"), ["g", 3], r"records.bands\[1\] is 3, expected text"),
        (("records", "fingerprint"), {}, "records.fingerprint is an object, expected text"),
        (("records", "conversion", "size"), [], "records.conversion.size is a list"),
        (("init",), "scratch", 'init is "scratch", expected an object'),
        (("init", "kind"), "unknown", "init.kind is 'unknown', expected scratch"),
        (("init",), {"kind": "run"}, "init.path is missing"),
        (("resolved",), None, "resolved is null"),
        (("resolved", "precision"), "half", "resolved.precision is"),
        (("changed",), [None], r"changed\[0\] is null"),
        (("result",), 3, "result is 3, expected an object or null"),
        (("versions",), "new", "versions is"),
    ],
)
def test_what_is_of_another_kind_is_named(
    pretrained: dict[str, Any], tmp_path: Path, keys: tuple[str, ...], value: Any, message: str
):
    *path, last = keys
    inner = run = copy.deepcopy(pretrained)
    for key in path:
        inner = inner[key]
    inner[last] = value
    write(tmp_path, run)
    with pytest.raises(AstrokerasError, match=rf"run\.json is damaged \({message}.*\); repeat the run$"):
        load_run(tmp_path)
    if len(keys) == 1 and last in ("command", "options", "records", "result", "versions"):
        del run[last]
        write(tmp_path, run)
        with pytest.raises(AstrokerasError, match=f"{last} is missing"):
            load_run(tmp_path)


def test_a_comparison_whose_winner_is_none_of_its_arms(records: RecordsDirectory, tmp_path: Path):
    row = {"arm": "scratch", "backbone": "compact", "init": "scratch"}
    for result, message in (
        ({"rows": [row], "winner": {"arm": "imagenet"}}, "result.winner is none of the arms"),
        ({"rows": [row], "winner": None}, "result.winner is null"),
        ({"rows": [{"arm": None}], "winner": {"arm": "scratch"}}, r"result.rows\[0\].arm is null"),
    ):
        write_run(tmp_path, "finetune", FinetuneConfig("", ""), records, result)
        with pytest.raises(AstrokerasError, match=message):
            load_run(tmp_path)


def test_starts_and_targets_of_a_comparison_are_looked_at(records: RecordsDirectory, tmp_path: Path):
    for further, message in (
        ({"starts": {"scratch": None, "a": 7}}, "starts.a is 7"),
        ({"targets": {"class": {"target": "class"}}}, "targets.class.config is missing"),
        ({"targets": 7}, "targets is 7"),
    ):
        write_run(tmp_path, "finetune", FinetuneConfig("", ""), records, None, **further)
        with pytest.raises(AstrokerasError, match=message):
            load_run(tmp_path)


def test_an_older_run_has_the_defaults_of_options_it_does_not_know(pretrained: dict[str, Any], tmp_path: Path):
    del pretrained["options"]["max_model_bytes"], pretrained["options"]["task"]
    pretrained["options"]["abandoned"] = 3
    write(tmp_path, pretrained)
    options = load_run(tmp_path)["options"]
    assert (options["max_model_bytes"], options["task"]) == (2 << 30, ["magnitudes"])
    assert options["abandoned"] == 3


def test_what_no_run_would_write(pretrained: dict[str, Any], tmp_path: Path):
    for text in ("[" * 100_000, "[" * 300 + "]" * 300, "\x00", "1" * 5000, '"\\ud800"', ""):
        write(tmp_path, text)
        with pytest.raises(AstrokerasError, match="is damaged"):
            load_run(tmp_path)
    (tmp_path / RUN_FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AstrokerasError, match="is damaged"):
        load_run(tmp_path)
    with (tmp_path / RUN_FILE).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(AstrokerasError, match="it has more than 67,108,864 bytes"):
        load_run(tmp_path)


def test_runs_that_go_on_from_each_other_in_circles_stay_short(pretrained: dict[str, Any], tmp_path: Path):
    """Two runs, each overwritten again and again from the other."""
    for number in range(130):
        directory = tmp_path / ("here", "there")[number % 2]
        directory.mkdir(exist_ok=True)
        write(directory, pretrained)
        load_run(directory)
        pretrained["init"] = run_record(directory, pretrained)
    assert len(list(ancestors(pretrained["init"]))) == 101
    assert lineage(pretrained["init"]) == ["there", "here"] * 3 + ["there", "earlier"]
    assert lineage({"kind": "run", "path": "/a/b", "init": {"kind": "imagenet"}}) == ["b", "imagenet"]
